// Both families at once through every command; what IPv6 forwarding does to a host that learns its way from a router.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

#include "support/engine_host.hpp"
#include "support/iptables_text.hpp"

namespace smtpegress {
namespace {

using test::EngineHost;

constexpr const char* kForwarding = "net/ipv6/conf/all/forwarding";

/// Learned its default route by eth0; wg0 forwards already.
test::FakeHost advertised_home() {
  auto host = test::dual_bare_home();
  std::erase_if(host.state.routes,
                [](const Route& r) { return r.family == IpFamily::kV6 && r.destination.is_default(); });
  test::add_advertised_route(host, "eth0");
  host.sysctls["net/ipv6/conf/wg0/forwarding"] = "1";
  return host;
}

bool has_learned_route(const EngineHost& box) {
  return std::ranges::any_of(box.kernel.host.state.routes,
                             [](const Route& route) { return route.protocol == kRouterProtocol; });
}

bool stands(const EngineHost& box, std::string_view text) {
  return box.now().find(text) != std::string::npos;
}

TEST(Ipv6, EnableTwiceAndDisable_BothSides) {
  const std::tuple<test::FakeHost, Profile, const char*> sides[] = {
      {test::dual_home(), test::dual_home_profile(), "mailu-home"},
      {test::dual_bare_home(), test::dual_home_profile(), "mailu-home"},
      {test::dual_bare_home(), test::home_profile(), "mailu-home"},
      {test::dual_vps(), test::dual_vps_profile(), "mailu-vps"}};
  for (const auto& [host, profile, name] : sides) {
    EngineHost box(host);
    const auto before = box.now();
    ASSERT_TRUE(box.enable(profile));
    const auto enabled = box.now();
    EXPECT_TRUE(box.enable(profile)->changes.empty());
    EXPECT_EQ(box.now(), enabled);
    EXPECT_TRUE(box.engine.status(name, {})->as_it_should_be());
    ASSERT_TRUE(box.disable(profile));
    EXPECT_EQ(box.now(), before);
  }
}

TEST(Ipv6, Forwarding_TheHostsOwnAdvertisedRouteIsKept) {
  EngineHost box(advertised_home());
  const auto before = box.now();
  ASSERT_TRUE(box.enable(test::dual_home_profile()));
  EXPECT_TRUE(has_learned_route(box));
  EXPECT_EQ(box.host().sysctls.at("net/ipv6/conf/eth0/accept_ra"), "2");
  EXPECT_EQ(box.host().sysctls.at("net/ipv6/conf/br-mailu/accept_ra"), "1") << "learned of no router there";
  EXPECT_TRUE(box.engine.status("mailu-home", {})->as_it_should_be());
  ASSERT_TRUE(box.disable(test::dual_home_profile()));
  EXPECT_EQ(box.now(), before) << "values, and the route that was learned";
}

TEST(Ipv6, Forwarding_ARouteThatIsGoneForAWhile_ChangesNothing) {
  EngineHost box(advertised_home());
  ASSERT_TRUE(box.enable(test::dual_home_profile()));
  std::erase_if(box.host().state.routes, [](const Route& route) { return route.protocol == kRouterProtocol; });
  EXPECT_TRUE(box.enable(test::dual_home_profile())->changes.empty()) << "the router may come back";
  EXPECT_TRUE(box.engine.status("mailu-home", {})->as_it_should_be());
}

TEST(Ipv6, Forwarding_WhereAProgramTakesTheAdvertisements_TheKernelStaysOutOfIt) {
  auto host = advertised_home();
  host.sysctls["net/ipv6/conf/eth0/accept_ra"] = "0";
  EngineHost box(host);
  ASSERT_TRUE(box.enable(test::dual_home_profile()));
  EXPECT_EQ(box.host().sysctls.at("net/ipv6/conf/eth0/accept_ra"), "0");
}

TEST(Ipv6, Forwarding_AnyCallFails_ValuesAndTheLearnedRouteAreAsBefore) {
  for (std::size_t number = 1;; ++number) {
    EngineHost box(advertised_home());
    const auto before = box.now();
    box.kernel.fault = {number, EPERM};
    const auto result = box.enable(test::dual_home_profile());
    if (result) {
      EXPECT_GT(number, 10U);
      break;
    }
    EXPECT_EQ(box.now(), before) << number << ": " << box.kernel.calls[number - 1];
  }
}

TEST(Ipv6, SourcesTakenOutOfTheProfile_GoBackToWhatWas) {
  EngineHost box(advertised_home());
  EngineHost only_ipv4(advertised_home());
  ASSERT_TRUE(only_ipv4.enable(test::home_profile()));
  ASSERT_TRUE(box.enable(test::dual_home_profile()));
  ASSERT_TRUE(box.enable(test::home_profile()));
  EXPECT_EQ(box.now(), only_ipv4.now());
  EXPECT_TRUE(box.engine.status("mailu-home", {})->as_it_should_be());
}

TEST(Ipv6, TwoInstances_TheLastOneOutSwitchesForwardingOff) {
  EngineHost box(advertised_home());
  const auto before = box.now();
  auto second = test::home_profile(
      {{{"table", "200"}, {"mark", "0x1a"}, {"priority", "10026"}, {"sources", "10.7.0.0/16,fd00:7::/64"}}});
  second.name = "second";
  ASSERT_TRUE(box.enable(test::dual_home_profile()));
  ASSERT_TRUE(box.enable(second));
  ASSERT_TRUE(box.disable(test::dual_home_profile()));
  EXPECT_EQ(box.host().sysctls.at(kForwarding), "1");
  EXPECT_TRUE(has_learned_route(box));
  ASSERT_TRUE(box.disable(second));
  EXPECT_EQ(box.now(), before);
}

TEST(Ipv6, ForwardingThatDockerOrAMasqueradeNeeds_Stays) {
  EngineHost box(test::dual_bare_home());
  ASSERT_TRUE(box.enable(test::dual_home_profile()));
  test::add_iptables(box.host().state.ruleset, "*nat\n-A POSTROUTING -s 10.88.0.0/16 -j MASQUERADE\n");
  test::add_iptables(box.host().state.ruleset, "*nat\n-A POSTROUTING -s fd00:88::/64 -j MASQUERADE\n",
                     nft::Family::kIp6);
  const auto report = box.disable(test::dual_home_profile());
  ASSERT_TRUE(report);
  EXPECT_EQ(box.host().sysctls.at(kForwarding), "1");
  EXPECT_TRUE(std::ranges::any_of(report->notes, [](const std::string& note) {
    return note.find("net.ipv6.conf.all.forwarding stays 1: made since enable, and needs it: ip6 nat POSTROUTING") !=
           std::string::npos;
  }));
}

TEST(Ipv6, AMasqueradeOfIpv4_IsNoNeedOfIpv6s) {
  EngineHost box(test::dual_bare_home());
  ASSERT_TRUE(box.enable(test::dual_home_profile()));
  test::add_iptables(box.host().state.ruleset, "*nat\n-A POSTROUTING -s 10.88.0.0/16 -j MASQUERADE\n");
  ASSERT_TRUE(box.disable(test::dual_home_profile()));
  EXPECT_EQ(box.host().sysctls.at(kForwarding), "0");
  EXPECT_EQ(box.host().sysctls.at("net/ipv4/ip_forward"), "1");
}

TEST(Ipv6, LostState_WhatItMadeIsFoundInBothFamilies) {
  for (const auto& profile : {test::dual_home_profile(), test::home_profile()}) {
    for (const auto& file : {std::optional<Profile>(profile), std::optional<Profile>()}) {
      EngineHost box(test::dual_home());
      ASSERT_TRUE(box.enable(profile));
      ASSERT_TRUE(stands(box, "rule IPv6 10025: from all iif br-mailu"));
      ASSERT_TRUE(box.store.remove("mailu-home"));
      ASSERT_TRUE(box.engine.disable("mailu-home", file));
      EXPECT_FALSE(stands(box, "proto 25")) << box.now();
    }
  }
}

TEST(Ipv6, AnotherTableOfTheSameNumber_IsNotInTheWay) {
  auto host = test::dual_bare_home();
  std::erase_if(host.state.addresses, [](const auto& a) { return a.local.family == IpFamily::kV6; });
  auto rule = test::script_policy_rule();
  rule.family = IpFamily::kV6;
  rule.priority = {5000};
  host.state.rules.push_back(rule);
  EngineHost box(host);
  EXPECT_TRUE(box.enable(test::home_profile())) << "its table 100 and its mark are IPv6's";
  EngineHost dual(test::dual_bare_home());
  dual.host().state.rules.push_back(rule);
  const auto refused = dual.enable(test::dual_home_profile());
  EXPECT_NE(test::said(refused).find("in the way is policy rule IPv6 5000: from all fwmark 0x19 lookup 100"),
            std::string::npos)
      << test::said(refused);
}

TEST(Ipv6, Flows_OfTheOldPathAreDropped) {
  auto host = test::dual_home();
  host.flows = {test::mail_flow("fd00:203::10", "2001:db8:25::25", 25, "2001:db8:51::2"),
                test::mail_flow("fd00:203::10", "2001:db8:25::25", 443, "2001:db8:51::2"),
                test::mail_flow("192.168.203.10", "192.0.2.25", 25, "192.168.1.10")};
  EngineHost box(host);
  EXPECT_EQ(box.enable(test::dual_home_profile())->flows_dropped, 2U);
  ASSERT_EQ(box.host().flows.size(), 1U);
  EXPECT_EQ(box.host().flows.front().destination_port, 443);
}

TEST(Ipv6, AStateFileOfTheVersionBefore_IsRead) {
  EngineHost box(test::dual_bare_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  auto record = box.store.load("mailu-home").value().value();
  auto text = record_to_json(record, Whereabouts{"boot", ""});
  for (const auto* key : {"\"other_networks\"", "\"snat_to6\"", "\"public_ip6\"", "\"advertised_links\""}) {
    const auto at = text.find(key);
    ASSERT_NE(at, std::string::npos) << key;
    text.replace(at + 1, 1, "_");  // as if it were not there
  }
  const auto read = read_record("mailu-home", "file", text);
  ASSERT_TRUE(read) << test::said(read);
  record.host.other_networks.clear();
  EXPECT_EQ(read->record, record);
}

TEST(Ipv6, ASysctlBelowNetIpv6_IsOnlyWrittenBelowConf) {
  EngineHost box(test::dual_bare_home());
  ASSERT_TRUE(box.enable(test::dual_home_profile()));
  const auto text = record_to_json(box.store.load("mailu-home").value().value(), Whereabouts{"boot", ""});
  EXPECT_TRUE(read_record("mailu-home", "file", text));
  for (const auto* key : {"net/ipv6/bindv6only", "net/ipv6/conf/../route/flush"}) {
    auto altered = text;
    altered.replace(altered.find(kForwarding), std::string_view(kForwarding).size(), key);
    EXPECT_NE(test::said(read_record("mailu-home", "file", altered)).find("names a sysctl that is not ours"),
              std::string::npos)
        << key;
  }
}

}  // namespace
}  // namespace smtpegress
