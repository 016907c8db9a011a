// Tunnel interfaces as bytes: what is written is what iproute2 writes for the same, what the kernel sends is read, and
// what is malformed is not believed.
#include <gtest/gtest.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/if_tunnel.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "codec/netlink_bytes.hpp"
#include "netlink/route_codec.hpp"
#include "netlink/tunnel_codec.hpp"

namespace smtpegress::netlink {
namespace {

using test::ByteVector;
using test::payload_hex;
using test::raw;
using test::RawMessage;

constexpr int kLower = 4;

IpAddress ip(std::string_view text) {
  return IpAddress::parse(text).value();
}

LinkSpec vxlan() {
  LinkSpec link;
  link.name = IfName::parse("mail0").value();
  link.kind = "vxlan";
  link.alias = "smtp-egress:x";
  link.lower = IfName::parse("wg0").value();
  link.local = ip("10.0.1.2");
  link.remote = ip("10.0.1.1");
  link.id = 25;
  link.port = 25025;
  link.source_ports = {25025, 25026};
  link.mtu = 1370;
  link.mac = {.bytes = {2, 0x73, 0x6d, 0x74, 0x70, 2}};
  return link;
}
LinkSpec ip_tunnel(std::string kind, std::string_view local, std::string_view remote) {
  auto link = vxlan();
  link.kind = std::move(kind);
  link.local = ip(local);
  link.remote = ip(remote);
  link.id = 0;
  link.port = 0;
  link.source_ports = {};
  link.mac = {};
  return link;
}

std::string written(const Result<NlMessage>& message) {
  return message ? payload_hex(nlmsg_hdr(message->get())) : message.error().message();
}

TEST(TunnelCodec, Encode_Vxlan_IsDownInOurGroup_AndBoundToItsLink) {
  EXPECT_EQ(written(encode_new_link(vxlan(), kLower)),
            "00000000 00000000 00000000 00000000 "           // ifinfomsg
            "0a000300 6d61696c 30000000 08000400 5a050000 "  // name mail0, MTU 1370
            "08001b00 70746d73 "                             // the group of what is half made
            "0a000100 02736d74 70020000 "                    // its Ethernet address
            "54001280 0a000100 76786c61 6e000000 44000280 "  // link info: kind vxlan, data
            "08000100 19000000 08000300 04000000 08000400 0a000102 08000200 0a000101 "  // id, link, local, remote
            "06000f00 61c10000 08000a00 61c161c2 05000700 00000000 05000500 40000000");
}

TEST(TunnelCodec, Encode_IpTunnels) {
  EXPECT_EQ(written(encode_new_link(ip_tunnel("ipip", "10.0.1.2", "10.0.1.1"), kLower)),
            "00000000 00000000 00000000 00000000 "           // ifinfomsg
            "0a000300 6d61696c 30000000 08000400 5a050000 "  // name mail0, MTU 1370
            "08001b00 70746d73 "                             // the group of what is half made
            "3c001280 09000100 69706970 00000000 2c000280 08000100 04000000 08000200 0a000102 08000300 0a000101 "
            "05000400 40000000 05000900 04000000");
  EXPECT_EQ(written(encode_new_link(ip_tunnel("sit", "10.0.1.2", "10.0.1.1"), kLower)),
            "00000000 00000000 00000000 00000000 "           // ifinfomsg
            "0a000300 6d61696c 30000000 08000400 5a050000 "  // name mail0, MTU 1370
            "08001b00 70746d73 "                             // the group of what is half made
            "38001280 08000100 73697400 2c000280 08000100 04000000 08000200 0a000102 08000300 0a000101 "
            "05000400 40000000 05000900 00000000");
  EXPECT_EQ(written(encode_new_link(ip_tunnel("ip6tnl", "fd00:1::2", "fd00:1::1"), kLower)),
            "00000000 00000000 00000000 00000000 "           // ifinfomsg
            "0a000300 6d61696c 30000000 08000400 5a050000 "  // name mail0, MTU 1370
            "08001b00 70746d73 "                             // the group of what is half made
            "5c001280 0b000100 69703674 6e6c0000 4c000280 08000100 04000000 "
            "14000200 fd000001 00000000 00000000 00000002 14000300 fd000001 00000000 00000000 00000001 "
            "05000400 40000000 05000900 00000000 08000800 01000000");
}

TEST(TunnelCodec, Encode_Finish_GivesAliasAndLeavesTheGroup) {
  EXPECT_EQ(written(encode_finished_link(vxlan(), 7)),
            "00000000 07000000 81000000 81000000 "  // index 7; up and no ARP
            "08001b00 00000000 08000400 5a050000 12001400 736d7470 2d656772 6573733a 78000000");
}

/// A link as the kernel sends one, of the written data.
Result<Link> sent(const LinkSpec& link, std::uint32_t group, std::string_view alias) {
  const auto message = encode_new_link(link, kLower);
  const auto* header = nlmsg_hdr(message->get());
  const Bytes payload = message_payload(header, sizeof(ifinfomsg));
  Bytes rest = payload;
  RawMessage answer(RTM_NEWLINK, raw(ifinfomsg{}));
  while (const auto attribute = next_attribute(rest)) {
    if (attribute->type != IFLA_GROUP) {
      answer.attribute(attribute->type, {attribute->payload.begin(), attribute->payload.end()});
    }
  }
  answer.value<std::uint32_t>(IFLA_GROUP, group);
  if (!alias.empty()) {
    answer.text(IFLA_IFALIAS, alias);
  }
  return decode_link(answer.message());
}

TEST(TunnelCodec, Decode_WhatWasWritten_IsTheSameTunnel) {
  for (const auto& link : {vxlan(), ip_tunnel("ipip", "10.0.1.2", "10.0.1.1"), ip_tunnel("sit", "10.0.1.2", "10.0.1.1"),
                           ip_tunnel("ip6tnl", "fd00:1::2", "fd00:1::1")}) {
    const auto found = sent(link, 0, link.alias);
    ASSERT_TRUE(found) << link.kind;
    EXPECT_EQ(found->alias, link.alias);
    EXPECT_FALSE(found->half_made);
    EXPECT_TRUE(same_tunnel(*found, link, kLower)) << link.kind;
    EXPECT_FALSE(same_tunnel(*found, link, kLower + 1)) << link.kind;
    auto other = link;
    other.remote = ip(link.remote.family == IpFamily::kV4 ? "10.0.1.9" : "fd00:1::9");
    EXPECT_FALSE(same_tunnel(*found, other, kLower)) << link.kind;
  }
}

TEST(TunnelCodec, Decode_HalfMade_OnlyOfOurGroupAndKindsAndWithoutAnAlias) {
  EXPECT_TRUE(sent(vxlan(), kHalfMadeGroup, "")->half_made);
  EXPECT_FALSE(sent(vxlan(), kHalfMadeGroup, "mine")->half_made);
  EXPECT_FALSE(sent(vxlan(), 25, "")->half_made);
  auto bridge = vxlan();
  bridge.kind = "bridge";
  EXPECT_FALSE(sent(bridge, kHalfMadeGroup, "")->half_made);
}

RawMessage neighbour(std::uint16_t state, int link, const ByteVector& address) {
  ndmsg header{};
  header.ndm_family = address.size() == 4 ? AF_INET : AF_INET6;
  header.ndm_ifindex = link;
  header.ndm_state = state;
  RawMessage message(RTM_NEWNEIGH, raw(header));
  message.attribute(NDA_DST, address).attribute(NDA_LLADDR, {2, 0x73, 0x6d, 0x74, 0x70, 1});
  return message;
}

TEST(TunnelCodec, Decode_Neighbour_OnlyPermanentOnesOfTheLink) {
  const auto found = decode_neighbour(neighbour(NUD_PERMANENT, 7, {169, 254, 25, 1}).message(), 7);
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->address, ip("169.254.25.1"));
  EXPECT_EQ((*found)->mac.to_string(), "02:73:6d:74:70:01");
  EXPECT_FALSE(*decode_neighbour(neighbour(NUD_PERMANENT, 8, {169, 254, 25, 1}).message(), 7));
  EXPECT_FALSE(*decode_neighbour(neighbour(NUD_REACHABLE, 7, {169, 254, 25, 1}).message(), 7));
}

TEST(TunnelCodec, Decode_EveryCutOfANeighbour_IsAnErrorOrTheWhole) {
  auto whole = neighbour(NUD_PERMANENT, 7, {169, 254, 25, 1});
  for (std::size_t length = sizeof(nlmsghdr); length < whole.size(); ++length) {
    const auto found = decode_neighbour(whole.message(length), 7);
    EXPECT_TRUE(!found || !*found || (*found)->address == ip("169.254.25.1")) << length;
  }
}

TEST(TunnelCodec, Decode_DataOfAWrongSize_IsNone) {
  RawMessage data(0);
  data.attribute(IFLA_VXLAN_ID, {1})
      .attribute(IFLA_VXLAN_PORT, {1})
      .attribute(IFLA_VXLAN_GROUP, {1, 2, 3})
      .attribute(IFLA_VXLAN_PORT_RANGE, {1, 2});
  const auto bytes = data.payload();
  EXPECT_EQ(decode_encapsulation("vxlan", bytes), Encapsulation{});
  EXPECT_EQ(decode_encapsulation("bridge", bytes), std::nullopt);
}

}  // namespace
}  // namespace smtpegress::netlink
