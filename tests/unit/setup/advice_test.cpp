// What the tunnel as it runs lacks.
#include "setup/advice.hpp"

#include <gtest/gtest.h>

#include "support/hosts.hpp"

namespace smtpegress::setup {
namespace {

DescribedPeer peer(const std::string& key, const std::vector<std::string_view>& allowed) {
  DescribedPeer peer{.public_key = key, .allowed_ips = {}, .endpoint = {}};
  for (const auto network : allowed) {
    peer.allowed_ips.push_back(test::prefix(network));
  }
  return peer;
}

Descriptor vps_with(std::vector<DescribedPeer> peers) {
  Descriptor end;
  end.side = Side::kVps;
  end.instance = "mailu-vps";
  end.mail_from = {test::prefix("192.168.203.0/24")};
  end.tunnel = "wg0";
  end.public_key = "vps";
  end.peers = std::move(peers);
  return end;
}

std::string mistakes(const Descriptor& end, const std::string& other_key = {}) {
  std::string said;
  for (const auto& [what, mend] : check_running(end, wants_of(end, other_key))) {
    said += what + " -> " + mend;
  }
  return said;
}

TEST(Running, OfOnePeer_TheWholeLineIsTold) {
  EXPECT_EQ(mistakes(vps_with({peer("home", {"10.0.1.2/32", "192.168.203.0/24"})})), "");
  EXPECT_EQ(
      mistakes(vps_with({peer("home", {"10.0.1.2/32"})})),
      "wg0 as it runs lets no 192.168.203.0/24 through -> AllowedIPs = 10.0.1.2/32, 192.168.203.0/24 in wg0.conf, "
      "then `wg-quick down wg0` and up");
}

TEST(Running, OfSeveralPeers_OnlyTheOtherEndsIsMended) {
  const auto end = vps_with({peer("laptop", {"10.0.1.3/32"}), peer("home", {"10.0.1.2/32"})});
  EXPECT_EQ(
      mistakes(end, "home"),
      "wg0 as it runs lets no 192.168.203.0/24 through -> AllowedIPs = 10.0.1.2/32, 192.168.203.0/24 in the [Peer] "
      "with PublicKey = home in wg0.conf, then `wg-quick down wg0` and up");
  EXPECT_EQ(mistakes(end),
            "wg0 as it runs lets no 192.168.203.0/24 through -> AllowedIPs = …, 192.168.203.0/24 in the [Peer] that is "
            "the mail's other end in wg0.conf, then `wg-quick down wg0` and up");
}

TEST(Running, WhatAnotherPeerLetsThrough_IsNoneOfTheMails) {
  auto home = vps_with({peer("other", {"0.0.0.0/0"}), peer("vps", {"10.0.1.1/32"})});
  home.side = Side::kHome;
  EXPECT_EQ(mistakes(home, "other"), "");
  EXPECT_EQ(mistakes(home), "") << "where nothing tells them apart, it may be that one";
  EXPECT_NE(mistakes(home, "vps").find("AllowedIPs = 10.0.1.1/32, 0.0.0.0/0 in the [Peer] with PublicKey = vps"),
            std::string::npos);
}

TEST(Running, NoWireGuard_HasNone) {
  auto end = vps_with({});
  end.public_key.clear();
  EXPECT_EQ(mistakes(end), "");
}

}  // namespace
}  // namespace smtpegress::setup
