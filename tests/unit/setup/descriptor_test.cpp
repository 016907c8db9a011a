// An end's descriptor: there and back, and all that is refused; two of them held against each other.
#include "setup/descriptor.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "setup/pair.hpp"
#include "support/hosts.hpp"

namespace smtpegress::setup {
namespace {

constexpr const char* kHomeKey = "jeSW0frBOUKFd2mwkpdqhqCQdMVfw0VYfdOCnCqo1TA=";
constexpr const char* kVpsKey = "TWbKaASBH3ZYVdVXv1Zg1nR4+Cbr6RVTJJD06L5xZAo=";

Descriptor home() {
  return {.side = Side::kHome,
          .instance = "mailu-home",
          .sources = {test::prefix("192.168.203.0/24")},
          .mail_from = {test::prefix("192.168.203.0/24")},
          .ports = {{.first = 25, .last = 25}},
          .nat = HomeNat::kPreserve,
          .tunnel = "wg0",
          .tunnel_addresses = {test::address("10.0.1.2")},
          .mtu = 1420,
          .public_key = kHomeKey,
          .peers = {{.public_key = kVpsKey, .allowed_ips = {test::prefix("0.0.0.0/0")}, .endpoint = "203.0.113.10:1"}},
          .public_ip = {}};
}

Descriptor vps() {
  auto end = home();
  end.side = Side::kVps;
  end.instance = "mailu-vps";
  end.tunnel_addresses = {test::address("10.0.1.1")};
  end.public_key = kVpsKey;
  end.peers = {{.public_key = kHomeKey,
                .allowed_ips = {test::prefix("10.0.1.2/32"), test::prefix("192.168.203.0/24")},
                .endpoint = ""}};
  end.public_ip.v4 = test::address("203.0.113.10");
  return end;
}

std::string refused(const std::string& text) {
  const auto read = parse_descriptor("x.json", text);
  EXPECT_FALSE(read) << text;
  if (read) {
    return "";
  }
  EXPECT_EQ(read.error().kind, ErrorKind::kUsage);
  return read.error().message();
}

std::string replaced(std::string text, std::string_view what, std::string_view with) {
  const auto at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), with);
}

TEST(Descriptor, ThereAndBack) {
  auto dual = vps();
  dual.sources.push_back(test::prefix("fd00:203::/64"));
  dual.public_ip.v6 = test::address("2001:db8::10");
  dual.nat = HomeNat::kMasquerade;
  Descriptor bare;
  bare.instance = "x";
  for (const auto& end : {home(), vps(), dual, bare}) {
    const auto again = parse_descriptor("x", descriptor_to_json(end));
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(*again, end);
  }
}

TEST(Descriptor, MailOfTheHostItself_ComesFromItsAddress) {
  auto profile = test::home_profile();
  profile.sources = {test::prefix("192.168.203.0/24")};
  profile.host_senders = {{HostSender::Who::kUser, 997, {test::address("10.0.1.2")}}};
  const std::vector networks{test::prefix("10.0.1.2/32"), test::prefix("192.168.203.0/24")};
  auto end = describe_end(profile, {}, {}, {});
  EXPECT_EQ(end.sources, networks);
  EXPECT_EQ(end.mail_from, networks);
  profile.nat = HomeNat::kMasquerade;
  ResolvedHost host;
  host.snat_to.v4 = test::address("10.0.1.3");
  end = describe_end(profile, host, {}, {});
  EXPECT_EQ(end.mail_from, (std::vector{test::prefix("10.0.1.2/32"), test::prefix("10.0.1.3/32")}));
}

TEST(Descriptor, AllPeersAreTold) {
  const WireGuardDevice device{
      .name = test::ifname("wg0"),
      .peers = {{.public_key = kHomeKey, .allowed_ips = {test::prefix("10.0.1.2/32")}, .endpoint = {}},
                {.public_key = "laptop", .allowed_ips = {test::prefix("10.0.1.3/32")}, .endpoint = {}}}};
  const auto end = describe_end(test::vps_profile(), {}, {}, device);
  ASSERT_EQ(end.peers.size(), 2U) << "whether they let the mail through or not";
  EXPECT_EQ(end.peers.front().public_key, kHomeKey);
}

TEST(Descriptor, WhiteSpaceAndOrder_DoNotMatter) {
  auto text = descriptor_to_json(home());
  std::erase(text, '\n');
  EXPECT_TRUE(parse_descriptor("x", "\r\n  " + text + "\n\n"));
}

TEST(Descriptor, AnythingChanged_IsRefused) {
  const auto text = descriptor_to_json(home());
  EXPECT_NE(refused(replaced(text, "203.0/24", "204.0/24")).find("its checksum does not fit"), std::string::npos);
  EXPECT_NE(refused(replaced(text, "\"mtu\": 1420", "\"mtu\": 1419")).find("checksum"), std::string::npos);
  EXPECT_NE(refused(replaced(text, "\"nat\"", "\"Nat\"")).find("checksum"), std::string::npos);
  EXPECT_NE(refused(replaced(text, "crc32:", "crc33:")).find("checksum"), std::string::npos);
  EXPECT_NE(refused(replaced(text, "{", "{\"further\": 1,")).find("checksum"), std::string::npos);
  for (std::size_t size = 1; size < text.size(); ++size) {
    (void)refused(text.substr(0, size));
  }
}

TEST(Descriptor, AnotherVersion_IsTold) {
  const auto said = refused(replaced(descriptor_to_json(home()), "\"smtp-egress-pair\": 1", "\"smtp-egress-pair\": 2"));
  EXPECT_NE(said.find("is of version 2, and this program reads version 1; install the same smtp-egress at both ends"),
            std::string::npos);
}

TEST(Descriptor, WhatIsNone_IsRefused) {
  EXPECT_NE(refused("").find("is empty"), std::string::npos);
  EXPECT_NE(refused(" \n").find("is empty"), std::string::npos);
  EXPECT_NE(refused("[]").find("no JSON object"), std::string::npos);
  EXPECT_NE(refused("{}").find("no \"smtp-egress-pair\""), std::string::npos);
  EXPECT_NE(refused(std::string(10000, '[')).find("nested"), std::string::npos);
  EXPECT_NE(refused(std::string(kLongestDescriptor + 1, ' ')).find("too long"), std::string::npos);
}

std::vector<std::string> failures(const Descriptor& at_home, const Descriptor& at_vps) {
  std::vector<std::string> ids;
  for (const auto& check : compare_ends(at_home, at_vps)) {
    EXPECT_EQ(check.outcome == Outcome::kFailed, !check.mend.empty()) << check.id;
    if (check.outcome == Outcome::kFailed) {
      ids.push_back(check.id);
    }
  }
  return ids;
}

using Ids = std::vector<std::string>;

TEST(Pair, TwoEndsThatFit_FailNothing) {
  EXPECT_EQ(failures(home(), vps()), Ids{});
  for (const auto& check : compare_ends(home(), vps())) {
    EXPECT_EQ(check.outcome, Outcome::kPassed) << check.id;
  }
}

TEST(Pair, EachDisagreement_FailsItsCheck) {
  const struct {
    Ids wanted;
    void (*change)(Descriptor& at_home, Descriptor& at_vps);
  } kCases[] = {
      {{"sources", "vps-allowed-ips"}, [](auto& h, auto&) { h.mail_from.push_back(test::prefix("172.18.0.0/16")); }},
      {{"sources"}, [](auto&, auto& v) { v.sources.push_back(test::prefix("192.168.1.0/24")); }},
      {{"ports"}, [](auto& h, auto&) { h.ports.push_back({.first = 465, .last = 465}); }},
      {{"home-peer"}, [](auto& h, auto&) { h.peers.front().public_key = "other"; }},
      {{"vps-peer"}, [](auto&, auto& v) { v.peers.front().public_key = "other"; }},
      {{"home-allowed-ips"}, [](auto& h, auto&) { h.peers.front().allowed_ips = {test::prefix("10.0.0.0/8")}; }},
      {{"vps-allowed-ips"}, [](auto&, auto& v) { v.peers.front().allowed_ips.pop_back(); }},
      {{"mtu"}, [](auto& h, auto&) { h.mtu = 1380; }},
      {{}, [](auto&, auto& v) { v.mtu = 1380; }},  // the VPS's clamp
      {{"tunnel-addresses"}, [](auto&, auto& v) { v.tunnel_addresses = {test::address("10.0.1.2")}; }},
      {{"public-address"}, [](auto&, auto& v) { v.public_ip.v4.reset(); }},
      {{"sources", "home-allowed-ips", "vps-allowed-ips", "public-address6"},
       [](auto& h, auto&) { h.mail_from.push_back(test::prefix("fd00:203::/64")); }},
  };
  for (const auto& [wanted, change] : kCases) {
    auto at_home = home();
    auto at_vps = vps();
    change(at_home, at_vps);
    EXPECT_EQ(failures(at_home, at_vps), wanted);
  }
}

TEST(Pair, MendOfAllowedIps_IsTheWholeLine) {
  auto at_vps = vps();
  at_vps.peers.front().allowed_ips.pop_back();
  for (const auto& check : compare_ends(home(), at_vps)) {
    if (check.id == "vps-allowed-ips") {
      EXPECT_EQ(check.mend,
                "in wg0.conf at the VPS: AllowedIPs = 10.0.1.2/32, 192.168.203.0/24; then wg-quick down and up");
    }
  }
}

std::string mend_of(const char* id, const Descriptor& at_home, const Descriptor& at_vps) {
  const auto checks = compare_ends(at_home, at_vps);
  const auto check = std::ranges::find(checks, id, &Check::id);
  return check == checks.end() ? "" : check->mend;
}

TEST(Pair, AHomeWhoseMailHasNoAddressYet_IsToBringItsTunnelUp) {
  auto at_home = home();
  at_home.nat = HomeNat::kMasquerade;
  at_home.mail_from.clear();
  EXPECT_EQ(failures(at_home, vps()), Ids{"sources"});
  EXPECT_EQ(mend_of("sources", at_home, vps()),
            "at home: bring wg0 up (wg-quick up wg0), and let `smtp-egress pair` look anew");
  for (const auto& check : compare_ends(at_home, vps())) {
    EXPECT_EQ(check.outcome == Outcome::kSkipped, check.id.ends_with("-allowed-ips")) << check.id;
  }
}

TEST(Pair, OfSeveralPeers_TheOtherEndsIsJudgedAlone) {
  auto at_vps = vps();
  at_vps.peers.front().allowed_ips = {test::prefix("10.0.1.2/32")};
  at_vps.peers.push_back({.public_key = "laptop", .allowed_ips = {test::prefix("10.0.1.3/32")}, .endpoint = ""});
  EXPECT_EQ(failures(home(), at_vps), Ids{"vps-allowed-ips"});
  EXPECT_EQ(mend_of("vps-allowed-ips", home(), at_vps),
            std::string("in wg0.conf at the VPS: AllowedIPs = 10.0.1.2/32, 192.168.203.0/24 in the [Peer] with "
                        "PublicKey = ") +
                kHomeKey + "; then wg-quick down and up");
  at_vps.peers.back().allowed_ips = {test::prefix("192.168.0.0/16")};
  EXPECT_EQ(failures(home(), at_vps), Ids{"vps-allowed-ips"}) << "what a laptop may send is not home's";

  auto at_home = home();
  at_home.peers.front().allowed_ips = {test::prefix("10.0.1.1/32")};
  at_home.peers.push_back({.public_key = "work", .allowed_ips = {test::prefix("0.0.0.0/0")}, .endpoint = ""});
  EXPECT_EQ(failures(at_home, vps()), Ids{"home-allowed-ips"}) << "that way leads elsewhere";
}

TEST(Pair, ATunnelThatIsNoWireGuard_SkipsWhatItDoesNotTell) {
  auto at_home = home();
  auto at_vps = vps();
  for (auto* end : {&at_home, &at_vps}) {
    end->public_key.clear();
    end->peers.clear();
  }
  EXPECT_EQ(failures(at_home, at_vps), Ids{});
  EXPECT_EQ(failures(at_home, vps()), Ids{}) << "of one end alone no less";
  EXPECT_EQ(failures(home(), at_vps), Ids{});
}

}  // namespace
}  // namespace smtpegress::setup
