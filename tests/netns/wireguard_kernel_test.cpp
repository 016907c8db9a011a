// read_wireguard against the kernel's own WireGuard, by generic netlink. Where the running kernel has none, these tests
// fail: run them where it has one (a virtual machine with Debian's kernel does).
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string>
#include <thread>

#include "netlink/wireguard.hpp"
#include "netns/fresh_namespace.hpp"

namespace smtpegress::netlink {
namespace {

using test::in_fresh_namespace;
using test::output_of;
using test::Run;
using test::shell;

IfName wg0() {
  return IfName::parse("wg0").value();
}

std::string new_public_key() {
  auto text = output_of("wg genkey | wg pubkey").text;
  text.erase(text.find('\n'));
  return text;
}

/// As `wg show wg0 dump` has a peer: key, endpoint, allowed IPs in any order, handshake, keepalive.
std::string text_of(const WireGuardPeer& peer) {
  std::vector<std::string> allowed;
  for (const Prefix& prefix : peer.allowed_ips) {
    allowed.push_back(prefix.to_string());
  }
  std::sort(allowed.begin(), allowed.end());
  if (allowed.empty()) {
    allowed.push_back("(none)");
  }
  auto text = peer.public_key + ' ' + (peer.endpoint.empty() ? "(none)" : peer.endpoint) + ' ' +
              std::to_string(peer.last_handshake) + ' ' +
              (peer.keepalive == 0 ? "off" : std::to_string(peer.keepalive));
  for (const auto& prefix : allowed) {
    text += ' ' + prefix;
  }
  return text;
}

/// The same from wg(8).
std::vector<std::string> peers_of_wg() {
  const auto output = output_of(
      "wg show wg0 dump | awk -F'\\t' 'NR > 1 { n = split($4, a, \",\"); print $1 \" \" $3 \" \" $5 \" \" $8 \" | \" "
      "$4 }' "
      "| while read -r key endpoint time keepalive bar allowed; do "
      "echo $key \"$endpoint\" $time $keepalive $(echo $allowed | tr ',' '\\n' | LC_ALL=C sort); done");
  std::vector<std::string> peers;
  for (std::size_t start = 0, end = 0; (end = output.text.find('\n', start)) != std::string::npos; start = end + 1) {
    peers.push_back(output.text.substr(start, end - start));
  }
  return peers;
}

void expect_as_wg_shows() {
  const auto device = read_wireguard(wg0());
  ASSERT_TRUE(device) << device.error().message();
  std::vector<std::string> peers;
  for (const auto& peer : device->peers) {
    peers.push_back(text_of(peer));
  }
  EXPECT_EQ(peers, peers_of_wg());
}

TEST(ReadKernelWireGuard, Peers_AreThoseThatWgShows) {
  in_fresh_namespace(
      [] {
        shell("ip link add wg0 type wireguard");
        expect_as_wg_shows();
        shell("wg set wg0 peer " + new_public_key() +
              " endpoint 203.0.113.10:51820 persistent-keepalive 25 allowed-ips 0.0.0.0/0,fd00::/64 peer " +
              new_public_key() + " endpoint '[2001:db8::1]:51821' allowed-ips 10.0.0.2/32 peer " + new_public_key());
        expect_as_wg_shows();
        EXPECT_EQ(read_wireguard(wg0()).value().peers.size(), 3U);
      },
      Run::kOwn);
}

TEST(ReadKernelWireGuard, PeerThatFillsSeveralMessages_IsOnePeer) {
  in_fresh_namespace(
      [] {
        shell("ip link add wg0 type wireguard");
        for (int i = 0; i < 2; ++i) {
          const auto net = std::to_string(10 + i);
          shell("wg set wg0 peer " + new_public_key() +
                " allowed-ips $(for i in $(seq 0 19); do for j in $(seq 0 99); do " + "printf " + net +
                ".$i.$j.0/24,; done; done | sed 's/,$//')");
        }
        const auto device = read_wireguard(wg0());
        ASSERT_TRUE(device) << device.error().message();
        ASSERT_EQ(device->peers.size(), 2U);
        EXPECT_EQ(device->peers[0].allowed_ips.size(), 2000U);
        expect_as_wg_shows();
      },
      Run::kOwn);
}

TEST(ReadKernelWireGuard, AfterAHandshake_HasItsTime) {
  in_fresh_namespace(
      [] {
        shell("ip link add wg0 type wireguard && ip link add wg1 type wireguard && ip link set lo up");
        shell("ip link set wg0 up && ip link set wg1 up && wg genkey > /run/a && wg genkey > /run/b");
        shell("wg set wg1 private-key /run/b listen-port 51821 peer $(wg pubkey < /run/a) allowed-ips 0.0.0.0/0");
        shell(
            "wg set wg0 private-key /run/a listen-port 51820 peer $(wg pubkey < /run/b) allowed-ips 0.0.0.0/0 "
            "endpoint 127.0.0.1:51821 persistent-keepalive 1");
        for (int i = 0; i < 200 && read_wireguard(wg0()).value().peers.at(0).last_handshake == 0; ++i) {
          std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }
        EXPECT_NE(read_wireguard(wg0()).value().peers.at(0).last_handshake, 0);
        expect_as_wg_shows();
      },
      Run::kOwn);
}

TEST(ReadKernelWireGuard, NoSuchInterface_OrOfAnotherKind_IsENODEV) {
  in_fresh_namespace(
      [] {
        EXPECT_EQ(read_wireguard(wg0()).error().errnum, ENODEV);
        shell("ip tuntap add mode tun wg0");
        EXPECT_EQ(read_wireguard(wg0()).error().errnum, ENODEV);
      },
      Run::kOwn);
}

TEST(ReadKernelWireGuard, WithoutCapNetAdmin_IsAPermissionError) {
  in_fresh_namespace([] {
    shell("ip link add wg0 type wireguard");
    ASSERT_EQ(::setresuid(65534, 65534, 65534), 0);
    const auto device = read_wireguard(wg0());
    ASSERT_FALSE(device);
    EXPECT_EQ(device.error().kind, ErrorKind::kPermission);
    EXPECT_NE(device.error().hint.find("CAP_NET_ADMIN"), std::string::npos);
  });
}

}  // namespace
}  // namespace smtpegress::netlink
