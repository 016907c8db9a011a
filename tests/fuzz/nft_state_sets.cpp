// Elements of sets and maps of connection states: what nobody knows, wherever it stands, makes the whole unread.
#include <linux/netfilter/nf_tables.h>

#include "fuzz/netlink_mutator.hpp"
#include "fuzz/nft_messages.hpp"
#include "netlink/nft_state_sets.hpp"

using namespace smtpegress;

const std::size_t fuzz::kHeaderSize = sizeof(nfgenmsg);

namespace {

/// As the kernel would send them.
fuzz::Octets written(const std::vector<netlink::StateElement>& elements) {
  fuzz::Octets list;
  for (const auto& element : elements) {
    fuzz::append(list, fuzz::attribute(NFTA_LIST_ELEM,
                                       fuzz::attribute(NFTA_SET_ELEM_KEY,
                                                       fuzz::attribute(NFTA_DATA_VALUE, fuzz::octets(element.state)))));
  }
  return fuzz::joined({fuzz::octets(nfgenmsg{}), fuzz::attribute(NFTA_SET_ELEM_LIST_ELEMENTS, list)});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto elements = netlink::decode_state_elements(fuzz::Message({data, size}).header());
  if (!elements) {
    return 0;
  }
  auto keys = *elements;
  for (auto& element : keys) {
    fuzz::must(!element.verdict || element.verdict->chain.empty() || element.verdict->code == nft::VerdictCode::kJump ||
                   element.verdict->code == nft::VerdictCode::kGoto,
               "only a jump has a chain");
    element.verdict.reset();
  }
  const auto again = netlink::decode_state_elements(fuzz::Message(written(keys)).header());
  fuzz::must(again && *again == keys, "elements that are written read the same");
  return 0;
}
