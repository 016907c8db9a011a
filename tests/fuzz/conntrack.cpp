// Tracked flows: what would be deleted is the flow that was read.
#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <tuple>

#include "fuzz/messages.hpp"
#include "fuzz/netlink_mutator.hpp"
#include "netlink/conntrack_codec.hpp"

using namespace smtpegress;

const std::size_t fuzz::kHeaderSize = sizeof(nfgenmsg);

namespace {

auto fields(const Flow& f) {
  return std::tie(f.source, f.destination, f.source_port, f.destination_port, f.reply_source, f.reply_destination,
                  f.reply_source_port, f.reply_destination_port, f.zone, f.id);
}

fuzz::Octets reply_tuple(const Flow& flow) {
  const bool v4 = flow.reply_source.family == IpFamily::kV4;
  const auto address = [](const IpAddress& a) { return fuzz::Bytes(a.bytes).first(a.size()); };
  return fuzz::attribute(
      CTA_TUPLE_REPLY,
      fuzz::joined(
          {fuzz::attribute(
               CTA_TUPLE_IP,
               fuzz::joined({fuzz::attribute(v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, address(flow.reply_source)),
                             fuzz::attribute(v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, address(flow.reply_destination))})),
           fuzz::attribute(
               CTA_TUPLE_PROTO,
               fuzz::joined(
                   {fuzz::attribute(CTA_PROTO_SRC_PORT, fuzz::octets(htons(flow.reply_source_port))),
                    fuzz::attribute(CTA_PROTO_DST_PORT, fuzz::octets(htons(flow.reply_destination_port)))}))}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto flow = netlink::decode_flow(fuzz::Message(fuzz::Bytes(data, size)).header());
  if (!flow) {
    fuzz::must_be_malformed(flow.error());
    return 0;
  }
  if (!*flow) {
    return 0;  // not tcp
  }
  // A request to delete names all of it but the reply.
  auto request = netlink::encode_flow_delete(**flow);
  const fuzz::Bytes whole(request.data(), request.header()->nlmsg_len);
  const auto named = whole.subspan(sizeof(nlmsghdr));
  const auto again =
      netlink::decode_flow(fuzz::Message(fuzz::joined({{named.begin(), named.end()}, reply_tuple(**flow)})).header());
  fuzz::must(again && *again && fields(**again) == fields(**flow), "the flow to delete is the flow that was read");
  return 0;
}
