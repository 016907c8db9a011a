// Named sets and their elements: to bytes and back, and what the kernel may send besides.
#include "netlink/nft_set_codec.hpp"

#include <gtest/gtest.h>
// libc's structures before linux/*, see netlink/nft_layout.hpp.
#include <netinet/in.h>

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <cstring>

#include "codec/netlink_bytes.hpp"
#include "codec/nft_support.hpp"
#include "netlink/nft_batch.hpp"

namespace smtpegress::netlink {
namespace {

using nft::SetElement;
using nft::SetType;
using test::attribute;
using test::be32;
using test::ByteVector;
using test::operator+;
using test::raw;

const nft::SetKey kSet{{nft::Family::kInet, "smtp-egress-many"}, "senders-ipv4-24"};
constexpr auto kV4 = IpFamily::kV4;
constexpr auto kV6 = IpFamily::kV6;
const std::vector<SetType> kTypes{{true, {}, {}},    {false, kV4, {}}, {false, kV6, {}},
                                  {true, kV4, {}},   {true, kV6, {}},  {false, kV4, kV4},
                                  {false, kV6, kV6}, {true, kV4, kV4}, {true, kV6, kV6}};

IpAddress address(IpFamily family, std::uint8_t last) {
  auto address = IpAddress::parse(family == kV4 ? "10.1.2.0" : "fd00:1::").value();
  address.bytes.at(address.size() - 1) = last;
  return address;
}
SetElement element(const SetType& type, std::uint8_t number) {
  return {.interface = type.by_interface ? "wg" + std::to_string(number) : "",
          .address = type.by_address ? address(*type.by_address, number) : IpAddress{},
          .to = type.to ? std::optional(address(*type.to, 200)) : std::nullopt};
}

/// The one step's message, as a dump would bring it.
test::RawMessage message_of(const nft::BatchStep& step) {
  const auto batch = encode_batch({step}, 0, 1);
  EXPECT_TRUE(batch) << (batch ? "" : batch.error().message());
  nlmsghdr header{};
  std::memcpy(&header, batch->data(), sizeof header);
  const auto begin = batch->begin() + static_cast<std::ptrdiff_t>(header.nlmsg_len);
  std::memcpy(&header, &*begin, sizeof header);
  return test::RawMessage(header.nlmsg_type & 0xff, ByteVector(begin + sizeof header, begin + header.nlmsg_len));
}

ByteVector text(const std::string& words) {
  ByteVector bytes(words.begin(), words.end());
  bytes.push_back(0);
  return bytes;
}
ByteVector key(const ByteVector& value) {
  return attribute(NFTA_SET_ELEM_KEY, attribute(NFTA_DATA_VALUE, value));
}
ByteVector name_and(std::string name, const ByteVector& rest) {
  name.resize(16);
  return ByteVector(name.begin(), name.end()) + rest;
}

std::optional<std::vector<SetElement>> decoded(const SetType& type, const ByteVector& one) {
  test::RawMessage message(NFT_MSG_NEWSETELEM,
                           raw(nfgenmsg{}) + attribute(NFTA_SET_ELEM_LIST_ELEMENTS, attribute(NFTA_LIST_ELEM, one)));
  return decode_elements(message.message(), type);
}

std::optional<SetType> type_of(const ByteVector& attributes) {
  test::RawMessage message(NFT_MSG_NEWSET, raw(nfgenmsg{.nfgen_family = 1, .version = 0, .res_id = 0}) +
                                               attribute(NFTA_SET_TABLE, text("t")) +
                                               attribute(NFTA_SET_NAME, text("s")) + attributes);
  const auto set = decode_set(message.message());
  EXPECT_TRUE(set);
  return set ? set->type : std::nullopt;
}

TEST(NftSets, EveryType_WithItsElements_ReadsAsWritten) {
  for (const auto& type : kTypes) {
    auto made = message_of(nft::AddSet{kSet, type});
    const auto set = decode_set(made.message());
    ASSERT_TRUE(set);
    EXPECT_EQ(set->key, kSet);
    EXPECT_EQ(set->type, type);
    const std::vector<SetElement> elements{element(type, 1), element(type, 2)};
    auto added = message_of(nft::AddElements{kSet, type, elements});
    EXPECT_EQ(decode_elements(added.message(), type), elements);
  }
}

TEST(NftSets, ElementsToDelete_AreWrittenByTheirKeys) {
  const SetType map{false, kV4, kV4};
  auto deleted = message_of(nft::DeleteElements{kSet, map, {element(map, 1)}});
  auto bare = element(map, 1);
  bare.to.reset();
  EXPECT_EQ(decode_elements(deleted.message(), {false, kV4, {}}), std::vector{bare});
}

TEST(NftSets, AStepOfAsManyElementsAsOneMayHave_FitsItsAttribute) {
  const SetType widest{true, kV6, kV6};
  std::vector<SetElement> elements(nft::kElementsInStep, element(widest, 7));
  auto message = message_of(nft::AddElements{kSet, widest, elements});
  EXPECT_EQ(decode_elements(message.message(), widest), elements);
  elements.push_back(elements.front());
  EXPECT_FALSE(encode_batch({nft::AddElements{kSet, widest, elements}}, 0, 1));
}

TEST(NftSets, WhatTheKernelWouldTakeForSomethingElse_IsNotWritten) {
  const SetType senders{true, kV4, {}};
  const SetType map{false, kV4, kV4};
  auto wrong_family = element(senders, 1);
  wrong_family.address = address(kV6, 1);
  auto long_name = element(senders, 1);
  long_name.interface = std::string(16, 'x');
  auto no_value = element(map, 1);
  no_value.to.reset();
  const std::vector<nft::BatchStep> steps{nft::AddElements{kSet, senders, {}},
                                          nft::DeleteElements{kSet, senders, {}},  // all there are
                                          nft::AddElements{kSet, senders, {wrong_family}},
                                          nft::AddElements{kSet, senders, {long_name}},
                                          nft::AddElements{kSet, map, {no_value}},
                                          nft::AddElements{kSet, {false, kV4, {}}, {element(senders, 1)}},
                                          nft::AddSet{{kSet.table, ""}, senders},
                                          nft::DeleteSet{{kSet.table, std::string(256, 'x')}}};
  for (const auto& step : steps) {
    const auto batch = encode_batch({step}, 0, 1);
    ASSERT_FALSE(batch);
    EXPECT_EQ(batch.error().kind, ErrorKind::kUsage);
  }
}

TEST(NftSets, AnElementWithMoreToIt_IsAltered) {
  const SetType senders{true, kV4, {}};
  const auto plain = key(name_and("wg1", {10, 1, 2, 1}));
  EXPECT_EQ(decoded(senders, plain), std::vector{element(senders, 1)});
  auto altered = element(senders, 1);
  altered.altered = true;
  for (const auto& more : {attribute(NFTA_SET_ELEM_USERDATA, {0, 2, 'x', 0}), attribute(NFTA_SET_ELEM_FLAGS, be32(1)),
                           attribute(NFTA_SET_ELEM_TIMEOUT, raw(std::uint64_t{1})), attribute(31, {})}) {
    EXPECT_EQ(decoded(senders, plain + more), std::vector{altered});
  }
}

TEST(NftSets, ElementsOfAnotherShape_AreNotRead) {
  const SetType senders{true, kV4, {}};
  for (const auto& one : {key({10, 1, 2, 1}), key(name_and("wg1", {10, 1, 2})), key(name_and("wg1", {10, 1, 2, 1, 0})),
                          key(name_and(std::string("wg\0x", 4), {10, 1, 2, 1})), ByteVector{},
                          key(name_and(std::string(16, 'x'), {10, 1, 2, 1})),
                          key(name_and("wg1", {10, 1, 2, 1})) +
                              attribute(NFTA_SET_ELEM_DATA, attribute(NFTA_DATA_VALUE, {1, 2, 3, 4}))}) {
    EXPECT_FALSE(decoded(senders, one));
  }
}

TEST(NftSets, ASetOfAnotherKind_HasNoType) {
  const auto sender = attribute(NFTA_SET_KEY_TYPE, be32(41U << 6U | 7U)) + attribute(NFTA_SET_KEY_LEN, be32(20));
  EXPECT_EQ(type_of(sender), (SetType{true, kV4, {}}));
  EXPECT_EQ(type_of(sender + attribute(NFTA_SET_FLAGS, be32(0))), (SetType{true, kV4, {}}));
  for (const auto& more :
       {attribute(NFTA_SET_FLAGS, be32(NFT_SET_INTERVAL)), attribute(NFTA_SET_FLAGS, be32(NFT_SET_TIMEOUT)),
        attribute(NFTA_SET_FLAGS, be32(NFT_SET_MAP)), attribute(NFTA_SET_TIMEOUT, raw(std::uint64_t{1})),
        attribute(NFTA_SET_EXPR, {}), attribute(NFTA_SET_OBJ_TYPE, be32(1))}) {
    EXPECT_FALSE(type_of(sender + more));
  }
  EXPECT_FALSE(type_of(attribute(NFTA_SET_KEY_TYPE, be32(7)) + attribute(NFTA_SET_KEY_LEN, be32(16))));
  EXPECT_FALSE(type_of({}));
}

TEST(NftSets, LookUps_ReadAsWritten_InOurTablesAlone) {
  using namespace nft;
  const MaskedAddress source{nft::Side::kSource, kV4, 24};
  const Match is4 = MatchNfProto{kV4};
  const Match is6 = MatchNfProto{kV6};
  const std::vector<Rule> rules{
      {{MatchSet{"tunnels", Way::kIn, {}, Sense::kIs}}, {Counter{}}, {}},
      {{is4, MatchSet{"s", Way::kIn, source, Sense::kIs}, MatchSet{"n", {}, source, Sense::kIsNot}}, {Counter{}}, {}},
      {{is4, MatchSet{"s", Way::kOut, MaskedAddress{nft::Side::kDestination, kV4, 32}, Sense::kIsNot}}, {}, {}},
      {{is6, MatchSet{"s", Way::kOut, MaskedAddress{nft::Side::kDestination, kV6, 64}, Sense::kIs}}, {}, {}},
      {{is6, MatchSet{"n", {}, MaskedAddress{nft::Side::kSource, kV6, 128}, Sense::kIs}}, {}, {}},
      {{is4}, {Counter{}, SnatByMap{"a", source}}, {}},
      {{is6}, {Counter{}, SnatByMap{"a", {nft::Side::kSource, kV6, 128}}}, {}},
  };
  for (const auto& rule : rules) {
    const ChainKey ours{{Family::kInet, "smtp-egress-many"}, "forward"};
    const ChainKey theirs{{Family::kInet, "filter"}, "forward"};
    EXPECT_EQ(test::decoded(test::rule_message(ours, rule)).rule, rule) << to_string(rule);
    EXPECT_NE(test::decoded(test::rule_message(theirs, rule)).rule, rule) << to_string(rule);
  }
  for (const Rule& wrong :
       {Rule{{MatchSet{"n", {}, source, Sense::kIs}}, {}, {}}, Rule{{MatchSet{"n", {}, {}, Sense::kIs}}, {}, {}},
        Rule{{is4, MatchSet{"n", {}, MaskedAddress{nft::Side::kSource, kV4, 0}, Sense::kIs}}, {}, {}},
        Rule{{is4}, {SnatByMap{"a", {nft::Side::kSource, kV4, 33}}}, {}}}) {
    EXPECT_FALSE(encode_rule(test::kInetChain, wrong));
  }
}

}  // namespace
}  // namespace smtpegress::netlink
