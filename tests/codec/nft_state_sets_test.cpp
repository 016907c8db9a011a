// Elements of a set or map of connection states, as the kernel sends them and as it may one day.
#include "netlink/nft_state_sets.hpp"

#include <gtest/gtest.h>
// libc's structures before linux/*, see netlink/nft_layout.hpp.
#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "codec/netlink_bytes.hpp"

namespace smtpegress::netlink {
namespace {

using test::attribute;
using test::be32;
using test::ByteVector;
using test::operator+;
using test::raw;

ByteVector key(const ByteVector& value) {
  return attribute(NFTA_SET_ELEM_KEY, attribute(NFTA_DATA_VALUE, value));
}
ByteVector data(const ByteVector& verdict) {
  return attribute(NFTA_SET_ELEM_DATA, attribute(NFTA_DATA_VERDICT, verdict));
}

std::optional<std::vector<StateElement>> decoded(const std::vector<ByteVector>& elements) {
  ByteVector list;
  for (const auto& element : elements) {
    list = list + attribute(NFTA_LIST_ELEM, element);
  }
  test::RawMessage message(NFT_MSG_NEWSETELEM, raw(nfgenmsg{}) + attribute(NFTA_SET_ELEM_LIST_ELEMENTS, list));
  return decode_state_elements(message.message());
}

TEST(NftStateElements, StatesAndVerdicts) {
  const auto established = key(raw(nft::kCtEstablished));
  EXPECT_EQ(decoded({established}), (std::vector<StateElement>{{nft::kCtEstablished, {}}}));
  const auto accept = data(attribute(NFTA_VERDICT_CODE, be32(NF_ACCEPT)));
  const auto jump = data(attribute(NFTA_VERDICT_CODE, be32(static_cast<std::uint32_t>(NFT_JUMP))) +
                         attribute(NFTA_VERDICT_CHAIN, {'c', 0}));
  EXPECT_EQ(decoded({established + accept, key(raw(nft::kCtNew)) + jump}),
            (std::vector<StateElement>{{nft::kCtEstablished, nft::Verdict{}},
                                       {nft::kCtNew, nft::Verdict{nft::VerdictCode::kJump, "c"}}}));
}

TEST(NftStateElements, WhatIsMoreThanThat_IsNotRead) {
  const auto state = key(raw(nft::kCtNew));
  const std::vector<ByteVector> more{
      {},
      key({1, 2}),                                                  // of another size
      key(ByteVector(8)),                                           // a concatenation
      attribute(NFTA_SET_ELEM_FLAGS, be32(NFT_SET_ELEM_CATCHALL)),  // whatever else there is
      state + attribute(NFTA_SET_ELEM_FLAGS, be32(NFT_SET_ELEM_INTERVAL_END)),
      state + attribute(NFTA_SET_ELEM_EXPR, {}),
      state + attribute(NFTA_SET_ELEM_DATA, attribute(NFTA_DATA_VALUE, be32(1))),  // a value, no verdict
      state + data(attribute(NFTA_VERDICT_CODE, be32(4711))),
      state + data(attribute(NFTA_VERDICT_CODE, be32(static_cast<std::uint32_t>(NFT_JUMP)))),  // to nowhere
      state + ByteVector{1},
  };
  for (std::size_t i = 0; i < more.size(); ++i) {
    EXPECT_EQ(decoded({state, more[i]}), std::nullopt) << i;
  }
}

}  // namespace
}  // namespace smtpegress::netlink
