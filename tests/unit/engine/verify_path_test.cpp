// Other programs' chains on the mail's way: which check tells of which, and that its mend is true.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>

#include "support/engine_host.hpp"
#include "support/faults.hpp"
#include "support/iptables_text.hpp"

namespace smtpegress {
namespace {

using nft::ChainType;
using nft::Family;
using nft::Hook;
using nft::Policy;
using test::EngineHost;
using test::FakeHost;
using test::Fault;

nft::ObservedChain& add_chain(FakeHost& host, Family family, const nft::BaseHook& hook, const std::string& rule) {
  nft::ObservedChain chain{{{family, "theirs"}, "chain"}, 900, hook, {}};
  if (!rule.empty()) {
    chain.rules.push_back({test::iptables_rule(rule), 901, 0, 0});
  }
  host.state.ruleset.tables.push_back(chain.key.table);
  return host.state.ruleset.chains.emplace_back(chain);
}

auto filter(Hook hook, std::int32_t priority, std::string rule, Family family = Family::kInet) {
  return [=](FakeHost& host) {
    add_chain(host, family, {nft::ChainType::kFilter, hook, priority, Policy::kAccept}, rule);
  };
}

auto on_device(Hook hook, std::string device, std::string rule, Policy policy = Policy::kAccept,
               Family family = Family::kNetdev) {
  return [=](FakeHost& host) {
    auto& chain = add_chain(host, family, {nft::ChainType::kFilter, hook, 0, policy}, rule);
    const bool wildcard = device.ends_with('*');
    chain.devices.push_back({nft::Way::kIn, wildcard ? device.substr(0, device.size() - 1) : device, wildcard});
  };
}

auto iptables(std::string text) {
  return [text](FakeHost& host) { test::add_iptables(host.state.ruleset, text); };
}

auto legacy(std::string text) {
  return [text](FakeHost& host) { test::add_iptables(host.legacy, text); };
}

std::vector<Fault> all() {
  return {
      // an interface's own chains
      {"ingress_of_the_tunnel",
       true,
       on_device(Hook::kIngress, "wg0", "-p tcp --sport 25 -j DROP"),
       {"ingress"},
       "replies from tcp/25 to 192.168.203.0/24 on wg0 are dropped by netdev theirs chain"},
      {"ingress_of_interfaces_so_called",
       true,
       on_device(Hook::kIngress, "wg*", "-p tcp --sport 25 -j DROP"),
       {"ingress"},
       "on wg0"},
      {"ingress_in_inet",
       true,
       on_device(Hook::kIngress, "wg0", "", Policy::kDrop, Family::kInet),
       {"ingress"},
       "inet theirs chain: policy drop"},
      {"ingress_of_the_bridge",
       true,
       on_device(Hook::kIngress, "br-mailu", "-p tcp --dport 25 -j DROP"),
       {"ingress"},
       "tcp/25 from 192.168.203.0/24 on br-mailu"},
      {"ingress_of_the_bridge_drops_what_never_comes_by",
       true,
       on_device(Hook::kIngress, "br-mailu", "-p tcp --sport 25 -j DROP"),
       {},
       ""},
      {"ingress_of_another", true, on_device(Hook::kIngress, "eth0", "", Policy::kDrop), {}, ""},
      {"vps_ingress_of_the_wan",
       false,
       on_device(Hook::kIngress, "eth0", "-d 203.0.113.10/32 -p tcp --sport 25 -j DROP"),
       {"ingress"},
       "on eth0"},
      {"vps_ingress_of_the_tunnel",
       false,
       on_device(Hook::kIngress, "wg0", "-s 192.168.203.0/24 -j DROP"),
       {"ingress"},
       "on wg0"},
      {"egress_of_the_tunnel",
       true,
       on_device(Hook::kEgress, "wg0", "-p tcp --dport 25 -j DROP"),
       {"leaves"},
       "on wg0"},
      {"egress_of_the_bridge",
       true,
       on_device(Hook::kEgress, "br-mailu", "-p tcp --sport 25 -j DROP"),
       {"leaves"},
       "replies from tcp/25 to 192.168.203.0/24 on br-mailu"},
      {"vps_egress_sees_the_public_address",
       false,
       on_device(Hook::kEgress, "eth0", "-s 203.0.113.10/32 -p tcp --dport 25 -j DROP"),
       {"leaves"},
       "on eth0"},
      // postrouting, mail and replies
      {"replies_dropped_in_postrouting",
       true,
       filter(Hook::kPostrouting, 0, "-o br-mailu -p tcp --sport 25 -j DROP"),
       {"leaves"},
       "replies from tcp/25"},
      {"vps_mail_dropped_behind_snat",
       false,
       filter(Hook::kPostrouting, 150, "-s 203.0.113.10/32 -p tcp --dport 25 -j DROP"),
       {"leaves"},
       "tcp/25 from"},
      {"vps_mail_before_snat_has_another_address",
       false,
       filter(Hook::kPostrouting, 0, "-s 203.0.113.10/32 -p tcp --dport 25 -j DROP"),
       {},
       ""},
      {"vps_replies_before_their_address_is_put_back",
       false,
       filter(Hook::kPrerouting, -150, "-d 192.168.203.0/24 -p tcp --sport 25 -j DROP"),
       {},
       ""},
      {"vps_replies_behind_it",
       false,
       filter(Hook::kPrerouting, -50, "-d 192.168.203.0/24 -p tcp --sport 25 -j DROP"),
       {"replies-arrive"},
       "inet theirs chain"},
      {"invalid_packets_dropped_once_tracked",
       true,
       filter(Hook::kPrerouting, -150, "-m conntrack --ctstate INVALID -j DROP"),
       {},
       ""},
      {"new_connections_dropped_once_tracked",
       true,
       filter(Hook::kPrerouting, -150, "-p tcp --dport 25 -m conntrack --ctstate NEW -j DROP"),
       {"enters"},
       "inet theirs chain"},
      // another destination
      {"a_transparent_proxy",
       true,
       iptables("*nat\n-I PREROUTING -s 192.168.203.0/24 -p tcp --dport 25 -j DNAT --to-destination 10.0.0.9\n"),
       {"destination"},
       "are turned elsewhere by ip nat PREROUTING"},
      {"a_published_port_of_another_interface",
       true,
       iptables("*nat\n-I PREROUTING -i eth0 -p tcp --dport 25 -j DNAT --to-destination 192.168.203.10\n"),
       {},
       ""},
      {"a_tproxy", true, filter(Hook::kPrerouting, -150, "-i br-mailu -p tcp --dport 25 -j TPROXY"), {}, ""},
      // iptables-legacy
      {"legacy_tables_at_rest", true, legacy("*filter\n:FORWARD ACCEPT\n*nat\n:PREROUTING ACCEPT\n"), {}, ""},
      {"legacy_forward_policy", true, legacy("*filter\n:FORWARD DROP\n"), {"legacy-iptables"}, "iptables-legacy-save"},
      {"legacy_rule",
       true,
       legacy("*filter\n:FORWARD ACCEPT\n-A FORWARD -o wg0 -j REJECT\n"),
       {"legacy-iptables"},
       "ip filter FORWARD: oifname \"wg0\" counter reject"},
      {"legacy_mangle_drops_replies",
       true,
       legacy("*mangle\n:PREROUTING ACCEPT\n-A PREROUTING -i wg0 -j DROP\n"),
       {"legacy-iptables"},
       "replies from tcp/25"},
      {"legacy_accepts_the_mail",
       true,
       legacy("*filter\n:FORWARD DROP\n-A FORWARD -i br-mailu -j ACCEPT\n-A FORWARD -o br-mailu -j ACCEPT\n"),
       {},
       ""},
      {"legacy_dnat",
       true,
       legacy("*nat\n:PREROUTING ACCEPT\n-A PREROUTING -p tcp --dport 25 -j DNAT --to-destination 10.0.0.9\n"),
       {"legacy-iptables"},
       "turned elsewhere"},
      {"legacy_masquerade_comes_after_ours",
       true,
       legacy("*nat\n:POSTROUTING ACCEPT\n-A POSTROUTING -j MASQUERADE\n"),
       {},
       ""},
      {"vps_legacy_forward_policy", false, legacy("*filter\n:FORWARD DROP\n"), {"legacy-iptables"}, "policy drop"},
  };
}

class VerifyPath : public testing::TestWithParam<Fault> {};

TEST_P(VerifyPath, AForeignChain_FailsItsOwnCheckWhereItStopsTheMail) {
  const auto& fault = GetParam();
  EngineHost box(fault.home ? test::docker_home() : test::vps());
  const auto profile = fault.home ? test::home_profile() : test::vps_profile();
  ASSERT_TRUE(box.enable(profile));
  fault.happens(box.host());
  const auto report = box.engine.verify(profile.name, {});
  ASSERT_TRUE(report) << test::said(report);
  const auto [failed, told] = test::failures(*report);
  EXPECT_EQ(failed, fault.failing) << told;
  EXPECT_NE(told.find(fault.said), std::string::npos) << told;
  EXPECT_EQ(told.find("`smtp-egress enable"), std::string::npos) << "enable mends none of these: " << told;
}

INSTANTIATE_TEST_SUITE_P(Every, VerifyPath, testing::ValuesIn(all()),
                         [](const auto& parameter) { return parameter.param.name; });

TEST(VerifyMend, WhatEnableMends_IsSaidToBeMendedByIt) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  test::add_iptables(box.host().state.ruleset, "*filter\n-I DOCKER-USER -o wg0 -j DROP\n");
  auto report = box.engine.verify("mailu-home", {});
  const auto check = std::ranges::find(report->checks, "forwarded", &Check::id);
  EXPECT_EQ(check->outcome, Outcome::kFailed);
  EXPECT_EQ(check->mend, "`smtp-egress enable mailu-home` puts our rule at that chain's head");
  ASSERT_TRUE(box.enable(test::home_profile()));
  report = box.engine.verify("mailu-home", {});
  EXPECT_TRUE(report->passed());
}

/// Wherever enable puts the admission: what verify says of it has to come true.
TEST(VerifyMend, ADropAheadOfTheJumpToDockerUser_IsMendedByEnableJustWhereThatIsSaid) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  test::add_iptables(box.host().state.ruleset, "*filter\n-I FORWARD -o wg0 -j DROP\n");
  const auto forwarded = [&box] {
    const auto report = box.engine.verify("mailu-home", {});
    return *std::ranges::find(report->checks, "forwarded", &Check::id);
  };
  const auto before = forwarded();
  ASSERT_EQ(before.outcome, Outcome::kFailed);
  const bool promised = before.mend.find("smtp-egress enable") != std::string::npos;
  ASSERT_TRUE(box.enable(test::home_profile()));
  EXPECT_EQ(forwarded().outcome == Outcome::kPassed, promised) << before.mend;
}

TEST(VerifyMend, ADropThatEnableLeaves_IsSaidToBeTheAdministrators) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  test::add_iptables(box.host().state.ruleset, "*mangle\n:PREROUTING ACCEPT\n-A PREROUTING -i wg0 -j DROP\n");
  const auto report = box.engine.verify("mailu-home", {});
  const auto check = std::ranges::find(report->checks, "replies-arrive", &Check::id);
  const auto handle = test::chain(box.host(), "mangle", "PREROUTING").rules.front().handle;
  EXPECT_EQ(
      check->mend,
      fmt::format("remove or move that rule, or let it spare the mail: enable does not touch it; `nft delete rule "
                  "ip mangle PREROUTING handle {}` removes it until its owner makes it again",
                  handle));
}

struct ReversePath {
  bool by_mark;
  std::int32_t priority;
  bool has_default_route;
  bool fails;
};

TEST(VerifyReversePath, AFilterThatDropsAllReplies_IsToldAndOneThatLetsThemPassIsNot) {
  for (const auto& [by_mark, priority, has_default_route, fails] : {ReversePath{false, 10, true, true},
                                                                    {true, 10, true, false},     // firewalld's
                                                                    {true, -300, true, true},    // ahead of our mark
                                                                    {false, 10, false, false}})  // not known here
  {
    EngineHost box(test::dual_home());
    ASSERT_TRUE(box.enable(test::dual_home_profile()));
    auto& chain =
        add_chain(box.host(), Family::kIp6, {ChainType::kFilter, Hook::kPrerouting, priority, Policy::kAccept}, "");
    chain.rules.push_back(
        {{{nft::MatchReversePath{by_mark, nft::Sense::kIsNot}}, {nft::Verdict{nft::VerdictCode::kDrop, {}}}, {}},
         901,
         0,
         0});
    if (!has_default_route) {
      std::erase_if(box.host().state.routes, [](const Route& route) {
        return route.family == IpFamily::kV6 && route.table == kMainTable && route.destination.is_default();
      });
    }
    const auto [failed, told] = test::failures(*box.engine.verify("mailu-home", {}));
    EXPECT_EQ(failed.contains("replies-arrive"), fails) << by_mark << priority << told;
    EXPECT_EQ(told.find("missing drop") != std::string::npos, fails) << told;
  }
}

}  // namespace
}  // namespace smtpegress
