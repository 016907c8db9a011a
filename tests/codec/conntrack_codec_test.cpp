// Tracked flows to and from ctnetlink bytes.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <cerrno>

#include "codec/netlink_bytes.hpp"
#include "netlink/conntrack_codec.hpp"

namespace smtpegress::netlink {
namespace {

using test::ByteVector;
using test::payload_hex;
using test::raw;
using test::RawMessage;

ByteVector tuple(ByteVector source, ByteVector destination, std::uint16_t source_port, std::uint16_t destination_port,
                 std::uint8_t protocol = IPPROTO_TCP) {
  const auto ip = RawMessage(0).attribute(CTA_IP_V4_SRC, source).attribute(CTA_IP_V4_DST, destination).payload();
  const auto ports = RawMessage(0)
                         .value<std::uint8_t>(CTA_PROTO_NUM, protocol)
                         .value<std::uint16_t>(CTA_PROTO_SRC_PORT, htons(source_port))
                         .value<std::uint16_t>(CTA_PROTO_DST_PORT, htons(destination_port))
                         .payload();
  return RawMessage(0)
      .attribute(CTA_TUPLE_IP | NLA_F_NESTED, ip)
      .attribute(CTA_TUPLE_PROTO | NLA_F_NESTED, ports)
      .payload();
}

RawMessage start() {
  return RawMessage((NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_NEW,
                    raw(nfgenmsg{.nfgen_family = AF_INET, .version = NFNETLINK_V0, .res_id = 0}));
}

/// A mail from a container, SNATed to the tunnel's address.
RawMessage snated_flow() {
  RawMessage message = start();
  message.attribute(CTA_TUPLE_ORIG | NLA_F_NESTED, tuple({172, 22, 1, 10}, {203, 0, 113, 25}, 40000, 25))
      .attribute(CTA_TUPLE_REPLY | NLA_F_NESTED, tuple({203, 0, 113, 25}, {10, 0, 0, 2}, 25, 40001))
      .value<std::uint32_t>(CTA_STATUS, htonl(8))
      .value<std::uint32_t>(CTA_ID, htonl(0x01020304));
  return message;
}

Flow decoded(RawMessage message) {
  const auto flow = decode_flow(message.message());
  EXPECT_TRUE(flow && *flow);
  return flow && *flow ? **flow : Flow{};
}

TEST(ConntrackCodec, Decode_SnatedFlow_HasBothTuples) {
  const auto flow = decoded(snated_flow());
  EXPECT_EQ(flow.source.to_string(), "172.22.1.10");
  EXPECT_EQ(flow.destination.to_string(), "203.0.113.25");
  EXPECT_EQ(flow.source_port, 40000);
  EXPECT_EQ(flow.destination_port, 25);
  EXPECT_EQ(flow.reply_source.to_string(), "203.0.113.25");
  EXPECT_EQ(flow.reply_destination.to_string(), "10.0.0.2");
  EXPECT_EQ(flow.reply_source_port, 25);
  EXPECT_EQ(flow.reply_destination_port, 40001);
  EXPECT_EQ(flow.id, 0x01020304U);
  EXPECT_EQ(flow.zone, 0);
}

TEST(ConntrackCodec, Decode_Zone_IsReadWhereverItStands) {
  auto both = snated_flow();
  both.value<std::uint16_t>(CTA_ZONE, htons(7));
  EXPECT_EQ(decoded(std::move(both)).zone, 7);
  auto zoned = tuple({172, 22, 1, 10}, {203, 0, 113, 25}, 40000, 25);
  const auto zone = RawMessage(0).value<std::uint16_t>(CTA_TUPLE_ZONE, htons(9)).payload();
  zoned.insert(zoned.end(), zone.begin(), zone.end());
  RawMessage original = start();
  original.attribute(CTA_TUPLE_ORIG, zoned)
      .attribute(CTA_TUPLE_REPLY, tuple({203, 0, 113, 25}, {172, 22, 1, 10}, 25, 40000))
      .value<std::uint32_t>(CTA_ID, 1);
  EXPECT_EQ(decoded(std::move(original)).zone, 9);
}

TEST(ConntrackCodec, Decode_OtherProtocols_AreNothing) {
  RawMessage udp = start();
  udp.attribute(CTA_TUPLE_ORIG, tuple({1, 1, 1, 1}, {2, 2, 2, 2}, 1, 25, IPPROTO_UDP));
  const auto flow = decode_flow(udp.message());
  ASSERT_TRUE(flow);
  EXPECT_FALSE(*flow);
}

TEST(ConntrackCodec, Decode_FlowWithoutReplyOrId_IsAnError) {
  RawMessage no_reply = start();
  no_reply.attribute(CTA_TUPLE_ORIG, tuple({1, 1, 1, 1}, {2, 2, 2, 2}, 1, 25)).value<std::uint32_t>(CTA_ID, 1);
  EXPECT_EQ(decode_flow(no_reply.message()).error().errnum, EBADMSG);
  RawMessage no_id = start();
  no_id.attribute(CTA_TUPLE_ORIG, tuple({1, 1, 1, 1}, {2, 2, 2, 2}, 1, 25))
      .attribute(CTA_TUPLE_REPLY, tuple({2, 2, 2, 2}, {1, 1, 1, 1}, 25, 1));
  EXPECT_EQ(decode_flow(no_id.message()).error().errnum, EBADMSG);
}

TEST(ConntrackCodec, Decode_EndsOfDifferentFamilies_AreAnError) {  // a request to delete it would name another flow
  const auto mixed =
      RawMessage(0)
          .attribute(CTA_TUPLE_IP, RawMessage(0)
                                       .attribute(CTA_IP_V4_SRC, {1, 1, 1, 1})
                                       .attribute(CTA_IP_V6_DST, ByteVector(16, 2))
                                       .payload())
          .attribute(CTA_TUPLE_PROTO, RawMessage(0).value<std::uint8_t>(CTA_PROTO_NUM, IPPROTO_TCP).payload())
          .payload();
  const auto good = tuple({1, 1, 1, 1}, {2, 2, 2, 2}, 1, 25);
  for (const auto& [original, reply] : {std::pair{mixed, good}, std::pair{good, mixed}}) {
    RawMessage message = start();
    message.attribute(CTA_TUPLE_ORIG, original).attribute(CTA_TUPLE_REPLY, reply).value<std::uint32_t>(CTA_ID, 1);
    EXPECT_EQ(decode_flow(message.message()).error().errnum, EBADMSG);
  }
}

TEST(ConntrackCodec, EncodeDelete_NamesTupleIdAndZone) {
  auto flow = decoded(snated_flow());
  flow.zone = 7;
  auto message = encode_flow_delete(flow);
  EXPECT_EQ(message.header()->nlmsg_type, (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE);
  EXPECT_EQ(message.header()->nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK);
  EXPECT_EQ(payload_hex(message.header()),
            "02000000 "                                                        // nfgenmsg: AF_INET
            "34000180 "                                                        // CTA_TUPLE_ORIG, nested
            "14000180 08000100 ac16010a 08000200 cb007119 "                    // CTA_TUPLE_IP
            "1c000280 05000100 06000000 06000200 9c400000 06000300 00190000 "  // CTA_TUPLE_PROTO
            "08000c00 01020304 "                                               // CTA_ID
            "06001200 00070000");                                              // CTA_ZONE
}

TEST(ConntrackCodec, EncodeDump_AsksTheKernelForTcpOnly) {
  auto filtered = encode_flow_dump(IpFamily::kV4, FlowFilter::kTcpInKernel);
  EXPECT_EQ(filtered.header()->nlmsg_flags, NLM_F_REQUEST | NLM_F_DUMP);
  EXPECT_EQ(
      payload_hex(filtered.header()),
      "02000000 10000180 0c000280 05000100 06000000 "   // CTA_TUPLE_ORIG { CTA_TUPLE_PROTO { CTA_PROTO_NUM } }
      "14001980 08000100 08000000 08000200 00000000");  // CTA_FILTER { compare the protocol number, of the original }
  auto plain = encode_flow_dump(IpFamily::kV4, FlowFilter::kNone);
  EXPECT_EQ(payload_hex(plain.header()), "02000000");
  auto ipv6 = encode_flow_dump(IpFamily::kV6, FlowFilter::kNone);
  EXPECT_EQ(payload_hex(ipv6.header()), "0a000000");
}

TEST(ConntrackCodec, Decode_TruncatedOrSpoilt_NeverCrashes) {
  auto message = snated_flow();
  for (std::size_t length = 0; length < message.size(); ++length) {
    const auto flow = decode_flow(message.message(length));
    EXPECT_FALSE(flow && *flow) << length;
  }
  for (std::size_t i = sizeof(nlmsghdr); i < message.size(); ++i) {
    for (const int value : {0, 1, 3, 0x7f, 0x80, 0xff}) {
      const auto before = message.at(i);
      message.at(i) = static_cast<std::uint8_t>(value);
      (void)decode_flow(message.message());
      message.at(i) = before;
    }
  }
}

}  // namespace
}  // namespace smtpegress::netlink
