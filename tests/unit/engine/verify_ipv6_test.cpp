// verify, where the mail has IPv6 or could have: each thing that is wrong with that family alone is told as its own.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>

#include "support/engine_host.hpp"
#include "support/faults.hpp"
#include "support/iptables_text.hpp"

namespace smtpegress {
namespace {

using test::EngineHost;
using test::FakeHost;
using test::Fault;

auto with_sysctl(std::string key, std::string value) {
  return [=](FakeHost& host) { host.sysctls.at(key) = value; };
}

auto with_ip6tables(std::string text) {
  return [text](FakeHost& host) { test::add_iptables(host.state.ruleset, text, nft::Family::kIp6); };
}

void allow_ipv4_alone(FakeHost& host) {
  std::erase_if(host.wireguards.at("wg0").peers.at(0).allowed_ips,
                [](const Prefix& prefix) { return prefix.address.family == IpFamily::kV6; });
}

void without_routes_to(FakeHost& host, std::string_view destination) {
  std::erase_if(host.state.routes, [&](const Route& r) { return r.destination == test::prefix(destination); });
}

std::vector<Fault> faults() {
  return {
      {"home_nothing", true, [](FakeHost&) {}, {}, ""},
      {"vps_nothing", false, [](FakeHost&) {}, {}, ""},
      {"home_allowed_ips", true, allow_ipv4_alone, {"allowed-ips"}, "no peer of wg0 covers ::/0; it has 0.0.0.0/0"},
      {"vps_allowed_ips", false, allow_ipv4_alone, {"allowed-ips"}, "no peer of wg0 covers fd00:203::/64"},
      {"forwarding",
       true,
       with_sysctl("net/ipv6/conf/all/forwarding", "0"),
       {"objects", "forwarding"},
       "net.ipv6.conf.all.forwarding is 0"},
      {"ipv6_off_on_the_tunnel",
       true,
       with_sysctl("net/ipv6/conf/wg0/disable_ipv6", "1"),
       {"forwarding"},
       "sysctl net.ipv6.conf.wg0.disable_ipv6=0"},
      {"anothers_rule_ahead",
       true,
       [](FakeHost& host) {
         auto rule = test::script_policy_rule();
         rule.family = IpFamily::kV6;
         rule.priority = {900};
         rule.mark.reset();
         rule.table = kMainTable;
         host.state.rules.push_back(rule);
         std::ranges::stable_sort(host.state.rules, {},
                                  [](const PolicyRule& r) { return std::pair(r.family, r.priority); });
       },
       {"route-marked"},
       "remove that rule (`ip -6 rule del pref 900`)"},
      {"no_route_back",
       true,
       [](FakeHost& host) { without_routes_to(host, "fd00:203::/64"); },
       {"route-back"},
       "`ip -6 rule` and `ip -6 route get fd00:203::2 from 2001:4860:4860::8888 iif wg0`"},
      {"vps_no_route_back",
       false,
       [](FakeHost& host) { without_routes_to(host, "fd00:203::/64"); },
       {"route-back"},
       "`ip route add fd00:203::/64 dev wg0`"},
      {"dropped_in_forward",
       false,
       with_ip6tables("*filter\n-I FORWARD -i wg0 -j DROP\n"),
       {"objects", "forwarded"},
       "ip6 filter FORWARD"},
      {"replies_dropped_in_raw",
       true,
       with_ip6tables("*raw\n-I PREROUTING -i wg0 -j DROP\n"),
       {"objects", "replies-arrive"},
       "ip6 raw PREROUTING"},
      {"public_address_gone",
       false,
       [](FakeHost& host) {
         std::erase_if(host.state.addresses, [](const auto& a) { return a.local == test::address("2001:db8:10::10"); });
       },
       {"host", "public-address"},
       "--public-ip6 ADDR"},
  };
}

class VerifyIpv6 : public testing::TestWithParam<Fault> {};

TEST_P(VerifyIpv6, WhatIsWrong_FailsItsOwnChecks) {
  const auto& fault = GetParam();
  EngineHost box(fault.home ? test::dual_home() : test::dual_vps());
  ASSERT_TRUE(box.enable(fault.home ? test::dual_home_profile() : test::dual_vps_profile()));
  fault.happens(box.host());
  const auto report = box.engine.verify(fault.home ? "mailu-home" : "mailu-vps", {});
  ASSERT_TRUE(report) << test::said(report);
  const auto [failed, told] = test::failures(*report);
  EXPECT_EQ(failed, fault.failing) << told;
  EXPECT_NE(told.find(fault.said), std::string::npos) << told;
}

INSTANTIATE_TEST_SUITE_P(Every, VerifyIpv6, testing::ValuesIn(faults()),
                         [](const auto& parameter) { return parameter.param.name; });

TEST(VerifyIpv6Alone, AnIpv4ProfileOnADualStackNetwork_IsToldWhatBecomesOfIpv6) {
  EngineHost box(test::dual_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  const auto report = box.engine.verify("mailu-home", {});
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->passed());
  const auto check = std::ranges::find(report->checks, "unsourced", &Check::id);
  ASSERT_NE(check, report->checks.end());
  EXPECT_NE(check->detail.find("fd00:203::/64"), std::string::npos);
  EXPECT_NE(check->detail.find("add fd00:203::/64 to the sources at home and on the VPS"), std::string::npos)
      << check->detail;
}

TEST(VerifyIpv6Alone, MasqueradeWithoutAnAddressOnTheTunnel_IsTold) {
  EngineHost box(test::dual_home());
  ASSERT_TRUE(box.enable(test::dual_home_profile({{{"nat", "masquerade"}}})));
  EXPECT_TRUE(box.engine.verify("mailu-home", {})->passed());
  std::erase_if(box.host().state.addresses, [](const auto& a) { return a.local == test::address("fd00:1::2"); });
  const auto report = box.engine.verify("mailu-home", {});
  const auto check = std::ranges::find(report->checks, Outcome::kFailed, &Check::outcome);
  ASSERT_NE(check, report->checks.end());
  EXPECT_EQ(check->title, "the tunnel has an IPv6 address for the mail to leave as");
}

TEST(VerifyIpv6Alone, EachFamilyIsAskedForInItsOwnWords) {
  EngineHost box(test::dual_home());
  ASSERT_TRUE(box.enable(test::dual_home_profile()));
  box.kernel.queries.clear();
  ASSERT_TRUE(box.engine.verify("mailu-home", {}));
  for (const auto& query : box.kernel.queries) {
    EXPECT_TRUE(!query.source || query.source->family == query.destination.family);
  }
  const auto asked = [&](const char* source, std::uint32_t mark) {
    return std::ranges::any_of(box.kernel.queries, [&](const RouteQuery& query) {
      return query.source == test::address(source) && query.mark == mark && query.incoming == test::ifname("br-mailu");
    });
  };
  EXPECT_TRUE(asked("fd00:203::2", 0x19));
  EXPECT_TRUE(asked("fd00:203::2", 0));
  EXPECT_TRUE(asked("192.168.203.2", 0x19));
}

TEST(VerifyIpv6, OneMachineOfABridge_ItsOtherAddressesAreNotKnown) {
  const auto profile = test::home_profile({{{"sources", "192.168.203.10/32"}}});
  const auto unsourced = [&](EngineHost& box) {
    const auto report = box.engine.verify(profile.name, {});
    const auto check = std::ranges::find(report->checks, "unsourced", &Check::id);
    return check == report->checks.end() ? Check{} : *check;
  };
  EngineHost box(test::dual_home());
  ASSERT_TRUE(box.enable(profile));
  const auto check = unsourced(box);
  EXPECT_EQ(check.outcome, Outcome::kFailed);
  EXPECT_NE(check.detail.find("br-mailu has fd00:203::/64 too"), std::string::npos) << check.detail;
  EXPECT_NE(check.mend.find("--subnet"), std::string::npos);

  std::erase_if(box.host().state.routes,
                [](const Route& route) { return route.family == IpFamily::kV6 && route.destination.is_default(); });
  EXPECT_EQ(unsourced(box).id, "") << "without a way to the internet nothing gets past";

  EngineHost named(test::dual_home());
  ASSERT_TRUE(named.enable(test::home_profile({{{"sources", "192.168.203.10/32,fd00:203::10/128"}}})));
  EXPECT_EQ(unsourced(named).id, "");
}

}  // namespace
}  // namespace smtpegress
