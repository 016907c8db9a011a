// Trace events: whatever comes is an event, none, or refused.
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "fuzz/messages.hpp"
#include "fuzz/netlink_mutator.hpp"
#include "netlink/trace_codec.hpp"

using namespace smtpegress;

const std::size_t fuzz::kHeaderSize = sizeof(nfgenmsg);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::uint16_t kTrace = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_TRACE;
  const auto event = netlink::decode_trace(fuzz::Message(fuzz::Bytes(data, size), kTrace).header());
  if (!event) {
    fuzz::must_be_malformed(event.error());
    return 0;
  }
  if (!*event) {
    return 0;  // of a kind that is not known
  }
  const auto& read = **event;
  fuzz::must(read.in >= 0 && read.out >= 0, "an interface's index is none or positive");
  fuzz::must(!read.packet || read.packet->source.family == read.packet->destination.family,
             "a packet is of one family");
  fuzz::must(!read.packet || !to_string(*read.packet).empty(), "a packet can be told");
  const auto again = netlink::decode_trace(fuzz::Message(fuzz::Bytes(data, size), kTrace).header());
  fuzz::must(again && *again && **again == read, "the same bytes are the same event");
  return 0;
}
