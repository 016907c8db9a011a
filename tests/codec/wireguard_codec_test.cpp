// The kernel's WireGuard over generic netlink: messages as wg_get_device_dump (drivers/net/wireguard/netlink.c) writes
// them.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/genetlink.h>
#include <linux/time_types.h>
#include <linux/wireguard.h>

#include <cerrno>

#include "codec/netlink_bytes.hpp"
#include "netlink/wireguard_codec.hpp"

namespace smtpegress::netlink {
namespace {

using test::ByteVector;
using test::payload_hex;
using test::raw;
using test::RawMessage;

constexpr std::uint16_t kFamily = 30;

ByteVector key(std::uint8_t fill) {
  return ByteVector(kWireGuardKeySize, fill);
}

ByteVector v4_allowed(std::uint8_t last, std::uint8_t length) {
  return RawMessage(0)
      .value<std::uint16_t>(WGALLOWEDIP_A_FAMILY, AF_INET)
      .attribute(WGALLOWEDIP_A_IPADDR, {10, 0, 0, last})
      .value<std::uint8_t>(WGALLOWEDIP_A_CIDR_MASK, length)
      .payload();
}

ByteVector list(std::initializer_list<ByteVector> entries) {
  RawMessage nest(0);
  for (const auto& entry : entries) {
    nest.attribute(NLA_F_NESTED, entry);
  }
  return nest.payload();
}

RawMessage device_message(std::initializer_list<ByteVector> peers) {
  RawMessage message(kFamily, raw(genlmsghdr{.cmd = WG_CMD_GET_DEVICE, .version = 1, .reserved = 0}));
  message.value<std::uint32_t>(WGDEVICE_A_IFINDEX, 7).text(WGDEVICE_A_IFNAME, "wg0");
  message.value<std::uint32_t>(WGDEVICE_A_FWMARK, 0xca6c);
  message.value<std::uint16_t>(WGDEVICE_A_LISTEN_PORT, 51820).attribute(WGDEVICE_A_PUBLIC_KEY, key(0));
  message.attribute(WGDEVICE_A_PEERS | NLA_F_NESTED, list(peers));
  return message;
}

ByteVector whole_peer() {
  sockaddr_in endpoint{};
  endpoint.sin_family = AF_INET;
  endpoint.sin_port = htons(51820);
  endpoint.sin_addr.s_addr = htonl(0xcb00710a);
  return RawMessage(0)
      .attribute(WGPEER_A_PUBLIC_KEY, key(0))
      .attribute(WGPEER_A_ENDPOINT, raw(endpoint))
      .value<std::uint16_t>(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, 25)
      .attribute(WGPEER_A_LAST_HANDSHAKE_TIME, raw(__kernel_timespec{.tv_sec = 1700000000, .tv_nsec = 1}))
      .value<std::uint64_t>(WGPEER_A_RX_BYTES, 1)
      .attribute(WGPEER_A_ALLOWEDIPS | NLA_F_NESTED, list({v4_allowed(0, 24), v4_allowed(1, 32)}))
      .payload();
}

WireGuardDevice wg0() {
  return {.name = IfName::parse("wg0").value(), .peers = {}};
}

TEST(WireGuardCodec, EncodeFamilyQuery_IsTheseBytes) {
  const auto message = encode_family_query();
  EXPECT_EQ(nlmsg_hdr(message.get())->nlmsg_type, GENL_ID_CTRL);
  EXPECT_EQ(payload_hex(nlmsg_hdr(message.get())), "03020000 0e000200 77697265 67756172 64000000");
}

TEST(WireGuardCodec, EncodeDeviceQuery_IsTheseBytes) {
  const auto message = encode_device_query(kFamily, IfName::parse("wg0").value());
  EXPECT_EQ(nlmsg_hdr(message.get())->nlmsg_type, kFamily);
  EXPECT_EQ(nlmsg_hdr(message.get())->nlmsg_flags & NLM_F_DUMP, NLM_F_DUMP);
  EXPECT_EQ(payload_hex(nlmsg_hdr(message.get())), "00010000 08000200 77673000");
}

TEST(WireGuardCodec, DecodeFamily_TakesTheNumber) {
  RawMessage message(GENL_ID_CTRL, raw(genlmsghdr{}));
  message.text(CTRL_ATTR_FAMILY_NAME, "wireguard").value<std::uint16_t>(CTRL_ATTR_FAMILY_ID, kFamily);
  EXPECT_EQ(decode_family(message.message()), kFamily);
  RawMessage none(GENL_ID_CTRL, raw(genlmsghdr{}));
  EXPECT_FALSE(decode_family(none.message()));
  EXPECT_FALSE(decode_family(none.message(17)));
}

TEST(WireGuardCodec, Decode_Peer_HasAllThatIsShown) {
  auto device = wg0();
  auto message = device_message({whole_peer()});
  ASSERT_TRUE(decode_device(device, message.message()));
  EXPECT_EQ(device.fwmark, 0xca6cU);
  EXPECT_EQ(device.listen_port, 51820);
  EXPECT_EQ(device.public_key, std::string(43, 'A') + '=');
  ASSERT_EQ(device.peers.size(), 1U);
  EXPECT_EQ(device.peers[0].public_key, std::string(43, 'A') + '=');
  EXPECT_EQ(device.peers[0].endpoint, "203.0.113.10:51820");
  EXPECT_EQ(device.peers[0].keepalive, 25);
  EXPECT_EQ(device.peers[0].last_handshake, 1700000000);
  EXPECT_EQ(device.peers[0].allowed_ips,
            (std::vector{Prefix::parse("10.0.0.0/24").value(), Prefix::parse("10.0.0.1/32").value()}));
}

TEST(WireGuardCodec, Decode_Ipv6EndpointAndAllowedIp_AreRead) {
  sockaddr_in6 endpoint{};
  endpoint.sin6_family = AF_INET6;
  endpoint.sin6_port = htons(51820);
  const auto ip = IpAddress::parse("2001:db8::1").value();
  std::memcpy(&endpoint.sin6_addr, ip.bytes.data(), ip.bytes.size());
  const auto allowed = RawMessage(0)
                           .value<std::uint16_t>(WGALLOWEDIP_A_FAMILY, AF_INET6)
                           .attribute(WGALLOWEDIP_A_IPADDR, ByteVector(16, 0))
                           .value<std::uint8_t>(WGALLOWEDIP_A_CIDR_MASK, 0)
                           .payload();
  const auto peer = RawMessage(0)
                        .attribute(WGPEER_A_PUBLIC_KEY, key(1))
                        .attribute(WGPEER_A_ENDPOINT, raw(endpoint))
                        .attribute(WGPEER_A_ALLOWEDIPS | NLA_F_NESTED, list({allowed}))
                        .payload();
  auto device = wg0();
  auto message = device_message({peer});
  ASSERT_TRUE(decode_device(device, message.message()));
  EXPECT_EQ(device.peers.at(0).endpoint, "[2001:db8::1]:51820");
  EXPECT_EQ(device.peers.at(0).allowed_ips, std::vector{Prefix::parse("::/0").value()});
}

TEST(WireGuardCodec, Decode_PeerContinuedInTheNextMessage_IsOnePeer) {
  auto device = wg0();
  auto first = device_message({whole_peer()});
  const auto rest = RawMessage(0)
                        .attribute(WGPEER_A_PUBLIC_KEY, key(0))
                        .attribute(WGPEER_A_ALLOWEDIPS | NLA_F_NESTED, list({v4_allowed(2, 32)}))
                        .payload();
  const auto another = RawMessage(0).attribute(WGPEER_A_PUBLIC_KEY, key(9)).payload();
  auto second = device_message({rest, another});
  ASSERT_TRUE(decode_device(device, first.message()));
  ASSERT_TRUE(decode_device(device, second.message()));
  ASSERT_EQ(device.peers.size(), 2U);
  EXPECT_EQ(device.peers[0].allowed_ips.size(), 3U);
  EXPECT_EQ(device.peers[0].keepalive, 25) << "what only the first message has must stay";
  EXPECT_TRUE(device.peers[1].allowed_ips.empty());
}

TEST(WireGuardCodec, Decode_MalformedPeer_IsAnError) {
  const auto keyless = RawMessage(0).value<std::uint16_t>(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, 25).payload();
  const auto short_key = RawMessage(0).attribute(WGPEER_A_PUBLIC_KEY, ByteVector(31, 0)).payload();
  const auto long_prefix = RawMessage(0)
                               .attribute(WGPEER_A_PUBLIC_KEY, key(1))
                               .attribute(WGPEER_A_ALLOWEDIPS, list({v4_allowed(0, 33)}))
                               .payload();
  const auto host_bits = RawMessage(0)
                             .attribute(WGPEER_A_PUBLIC_KEY, key(1))
                             .attribute(WGPEER_A_ALLOWEDIPS, list({v4_allowed(1, 24)}))
                             .payload();
  const auto before_the_epoch =
      RawMessage(0)
          .attribute(WGPEER_A_PUBLIC_KEY, key(1))
          .attribute(WGPEER_A_LAST_HANDSHAKE_TIME, raw(__kernel_timespec{.tv_sec = -1, .tv_nsec = 0}))
          .payload();
  for (const auto& peer : {keyless, short_key, long_prefix, host_bits, before_the_epoch}) {
    auto device = wg0();
    auto message = device_message({whole_peer(), peer});
    EXPECT_EQ(decode_device(device, message.message()).error().errnum, EBADMSG);
  }
}

TEST(WireGuardCodec, Decode_TruncatedOrSpoilt_NeverCrashes) {
  auto message = device_message({whole_peer()});
  for (std::size_t length = 0; length < message.size(); ++length) {
    auto device = wg0();
    (void)decode_device(device, message.message(length));
  }
  for (std::size_t i = sizeof(nlmsghdr); i < message.size(); ++i) {
    for (const int value : {0, 1, 3, 0x7f, 0x80, 0xff}) {
      auto device = wg0();
      const auto before = message.at(i);
      message.at(i) = static_cast<std::uint8_t>(value);
      (void)decode_device(device, message.message());
      message.at(i) = before;
    }
  }
}

}  // namespace
}  // namespace smtpegress::netlink
