// Each thing that can be wrong fails exactly its own check, and the check says how to mend it.
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

void nothing(FakeHost&) {}

auto with_allowed_ips(std::vector<std::string> list) {
  return [list](FakeHost& host) {
    auto& allowed = host.wireguards.at("wg0").peers.at(0).allowed_ips;
    allowed.clear();
    for (const auto& one : list) {
      allowed.push_back(test::prefix(one));
    }
  };
}

auto with_handshake(std::int64_t when) {
  return [when](FakeHost& host) { host.wireguards.at("wg0").peers.at(0).last_handshake = when; };
}

auto with_iptables(std::string text) {
  return [text](FakeHost& host) { test::add_iptables(host.state.ruleset, text); };
}

auto with_sysctls(std::map<std::string, std::string> values) {
  return [values](FakeHost& host) {
    for (const auto& [key, value] : values) {
      host.sysctls.at(key) = value;
    }
  };
}

void lose_exceptions(FakeHost& host) {
  std::erase_if(test::chain(host, "raw", "PREROUTING").rules,
                [](const nft::ObservedRule& rule) { return !rule.rule.comment.empty(); });
}

std::vector<Fault> faults() {
  return {
      {"home_nothing", true, nothing, {}, ""},
      {"vps_nothing", false, nothing, {}, ""},
      // the tunnel
      {"tunnel_gone",
       true,
       [](FakeHost& h) { test::remove_link(h, "wg0"); },
       {"objects", "tunnel", "route-marked"},
       "bring up wg0"},
      {"tunnel_down",
       true,
       [](FakeHost& h) { test::set_link_down(h, "wg0"); },
       {"objects", "tunnel", "route-marked"},
       "wg0 is down"},
      {"handshake_never", true, with_handshake(0), {"handshake"}, "peer peer-key= has never answered"},
      {"handshake_old", true, with_handshake(test::kNow - 600), {"handshake"}, "last answered 600 s ago"},
      {"handshake_just_being_renewed", true, with_handshake(test::kNow - 185), {}, ""},
      {"handshake_ahead_of_the_clock", true, with_handshake(test::kNow + 60), {}, ""},
      {"allowed_ips_too_narrow",
       true,
       with_allowed_ips({"10.0.1.0/24"}),
       {"allowed-ips"},
       "no peer of wg0 covers 0.0.0.0/0; it has 10.0.1.0/24"},
      {"allowed_ips_in_halves", true, with_allowed_ips({"0.0.0.0/1", "128.0.0.0/1"}), {}, ""},
      {"allowed_ips_one_half_missing",
       true,
       with_allowed_ips({"0.0.0.0/1", "128.0.0.0/2"}),
       {"allowed-ips"},
       "Table = off"},
      {"vps_allowed_ips_without_the_source",
       false,
       with_allowed_ips({"10.0.1.2/32"}),
       {"allowed-ips"},
       "no peer of wg0 covers 192.168.203.0/24"},
      {"vps_allowed_ips_of_half_the_source",
       false,
       with_allowed_ips({"192.168.203.0/25"}),
       {"allowed-ips"},
       "AllowedIPs = …, 192.168.203.0/24"},
      {"no_wireguard_at_all", true, [](FakeHost& h) { h.wireguards.clear(); }, {}, ""},
      // objects and routes
      {"policy_rule_gone",
       true,
       [](FakeHost& h) { std::erase_if(h.state.rules, [](const auto& r) { return r.protocol == kOurProtocol; }); },
       {"objects", "route-marked"},
       "policy rule 10025"},
      {"a_mark_that_overlaps_ours",
       true,
       [](FakeHost& h) {
         PolicyRule rule;
         rule.priority = {5210};
         rule.table = {52};
         rule.mark = Mark{0x11, 0x17};
         h.state.rules.insert(h.state.rules.begin() + 1, rule);
       },
       {"objects"},
       "5210: from all fwmark 0x11/0x17 lookup 52 has another program's object in its place: another policy rule uses "
       "the "
       "same mark"},
      {"a_mark_beside_ours",
       true,
       [](FakeHost& h) {
         PolicyRule rule;
         rule.priority = {5210};
         rule.table = {52};
         rule.mark = Mark{0x80000, 0xff0000};
         h.state.rules.insert(h.state.rules.begin() + 1, rule);
       },
       {},
       ""},
      {"a_rule_for_one_container_ahead",
       true,
       [](FakeHost& h) { test::add_rule_from(h, 100, "192.168.203.10/32", kMainTable); },
       {"route-marked"},
       "taken first, in part, by the rule 100: from 192.168.203.10/32 lookup main"},
      {"a_rule_for_the_source_ahead_that_leads_nowhere",
       true,
       [](FakeHost& h) { test::add_rule_from(h, 100, "192.168.203.0/24", {77}); },
       {},
       ""},
      {"a_rule_for_the_source_behind_ours",
       true,
       [](FakeHost& h) { test::add_rule_from(h, 20'000, "192.168.203.0/24", kMainTable); },
       {},
       ""},
      {"no_default_route",
       true,
       [](FakeHost& h) {
         std::erase_if(h.state.routes,
                       [](const auto& r) { return r.table == kMainTable && r.destination.is_default(); });
       },
       {"endpoint"},
       "no way to 198.51.100.1:51820"},
      {"the_source_is_nowhere",
       true,
       [](FakeHost& h) { test::remove_link(h, test::kBridge); },
       {"sources"},
       "no interface and no route of this host has it"},
      {"earlier_rule_catches_the_mark",
       true,
       [](FakeHost& h) {
         PolicyRule rule;
         rule.priority = {10};
         rule.table = kMainTable;
         rule.protocol = {99};
         h.state.rules.insert(h.state.rules.begin() + 1, rule);
       },
       {"route-marked"},
       "dev eth0 table 254"},
      {"everything_goes_into_the_tunnel",
       true,
       [](FakeHost& h) {
         std::erase_if(h.state.routes,
                       [](const auto& r) { return r.table == kMainTable && r.destination.is_default(); });
         auto route = test::script_route();
         route.table = kMainTable;
         h.state.routes.push_back(route);
       },
       {"endpoint", "route-unmarked"},
       "Table = off"},
      {"vps_no_way_back",
       false,
       [](FakeHost& h) {
         std::erase_if(h.state.routes, [](const auto& r) { return r.destination == test::prefix("192.168.203.0/24"); });
       },
       {"route-back"},
       "ip route add 192.168.203.0/24 dev wg0"},
      {"own_chain_flushed",
       true,
       [](FakeHost& h) { test::chain(h, "smtp-egress-mailu-home", "mark-mail", nft::Family::kInet).rules.clear(); },
       {"objects"},
       "missing or altered: mark"},
      // sysctls
      {"rp_filter_strict",
       true,
       with_sysctls({{"net/ipv4/conf/all/rp_filter", "0"}, {"net/ipv4/conf/wg0/rp_filter", "1"}}),
       {"objects", "rp-filter"},
       "sysctl"},
      // The egress table's throw routes send the reverse look-up of marked mail to the main table.
      {"src_valid_mark_on_a_strict_bridge_stops_nothing",
       true,
       with_sysctls({{"net/ipv4/conf/all/src_valid_mark", "1"},
                     {"net/ipv4/conf/br-mailu/rp_filter", "1"},
                     {"net/ipv4/conf/all/rp_filter", "1"}}),
       {"objects"},
       "sysctl"},
      {"halves_of_a_default_route",
       true,
       [](FakeHost& h) {
         test::add_link(h, "tun0", "tun", "10.66.0.2/24");
         for (const auto* half : {"0.0.0.0/1", "128.0.0.0/1"}) {
           auto route = test::script_route();
           route.table = kMainTable;
           route.destination = test::prefix(half);
           route.interface = test::ifname("tun0");
           h.state.routes.push_back(route);
         }
       },
       {},
       ""},
      {"forwarding_off", true, with_sysctls({{"net/ipv4/ip_forward", "0"}}), {"objects", "forwarding"}, "ip_forward"},
      {"one_interface_does_not_forward",
       true,
       with_sysctls({{"net/ipv4/conf/wg0/forwarding", "0"}}),
       {"forwarding"},
       "net.ipv4.conf.wg0.forwarding is 0"},
      {"vps_wan_does_not_forward",
       false,
       with_sysctls({{"net/ipv4/conf/eth0/forwarding", "0"}}),
       {"forwarding"},
       "net.ipv4.conf.eth0.forwarding is 0"},
      // others' rules
      {"raw_exception_gone", true, lose_exceptions, {"objects", "replies-arrive"}, "raw exception"},
      {"raw_drop_ahead",
       true,
       with_iptables("*raw\n-I PREROUTING -i wg0 -d 192.168.203.0/24 -j DROP\n"),
       {"objects", "replies-arrive"},
       "stands behind a rule"},
      {"mangle_drops_replies",
       true,
       with_iptables("*mangle\n:PREROUTING ACCEPT\n-A PREROUTING -i wg0 -p tcp --sport 25 -j DROP\n"),
       {"replies-arrive"},
       "ip mangle PREROUTING"},
      {"drop_ahead_of_admission",
       true,
       with_iptables("*filter\n-I DOCKER-USER -o wg0 -j DROP\n"),
       {"objects", "forwarded"},
       "stands behind a rule"},
      {"mangle_forward_drops",
       true,
       with_iptables("*mangle\n:FORWARD ACCEPT\n-A FORWARD -o wg0 -j DROP\n"),
       {"objects", "forwarded"},
       "admission"},
      {"dropped_as_it_leaves",
       true,
       with_iptables("*mangle\n:POSTROUTING ACCEPT\n-A POSTROUTING -o wg0 -p tcp --dport 25 -j DROP\n"),
       {"leaves"},
       "ip mangle POSTROUTING"},
      {"the_mail_is_dropped_as_it_comes_in",
       true,
       with_iptables("*mangle\n:PREROUTING ACCEPT\n-A PREROUTING -i br-mailu -p tcp --dport 25 -j DROP\n"),
       {"enters"},
       "ip mangle PREROUTING"},
      {"a_ban_list_may_drop", true, with_iptables("*raw\n-I PREROUTING -m set --match-set bans src -j DROP\n"), {}, ""},
      {"rewritten_before_ours",
       true,
       [](FakeHost& h) {
         test::add_iptables(h.state.ruleset, "*nat\n:POSTROUTING ACCEPT\n");
         nft::ObservedChain early{
             {{nft::Family::kIp, "early"}, "post"},
             900,
             nft::BaseHook{nft::ChainType::kNat, nft::Hook::kPostrouting, 50, nft::Policy::kAccept},
             {{test::iptables_rule("-o wg0 -j MASQUERADE"), 901, 0, 0}}};
         h.state.ruleset.tables.push_back(early.key.table);
         h.state.ruleset.chains.push_back(early);
       },
       {"address"},
       "ip early post"},
      {"vps_forward_drop_came_later",
       false,
       [](FakeHost& h) { test::chain(h, "filter", "FORWARD").rules.clear(); },
       {"objects", "forwarded"},
       "admission"},
      // the public address
      {"vps_the_address_is_no_more_on_the_wan",
       false,
       [](FakeHost& h) {
         const int wan = h.state.link(test::ifname("eth0"))->index;
         std::erase_if(h.state.addresses, [&](const auto& a) { return a.link == wan; });
       },
       {"host", "public-address"},
       "WAN interface eth0: has no IPv4 address"},
      {"vps_the_default_route_is_gone",
       false,
       [](FakeHost& h) { std::erase_if(h.state.routes, [](const auto& r) { return r.destination.is_default(); }); },
       {"host", "endpoint", "route-out"},
       "there is no default route"},
  };
}

class Verify : public testing::TestWithParam<Fault> {};

TEST_P(Verify, AFault_FailsItsOwnCheckAndNamesTheMend) {
  const auto& fault = GetParam();
  EngineHost box(fault.home ? test::docker_home() : test::vps());
  const auto profile = fault.home ? test::home_profile() : test::vps_profile();
  ASSERT_TRUE(box.enable(profile));
  fault.happens(box.host());
  const auto before = box.now();
  box.kernel.forget_calls();
  const auto report = box.engine.verify(profile.name, {});
  ASSERT_TRUE(report) << test::said(report);
  for (const auto& check : report->checks) {
    const bool failed = check.outcome == Outcome::kFailed;
    EXPECT_FALSE(check.id.empty());
    EXPECT_FALSE(check.title.empty());
    EXPECT_TRUE(!failed || !check.detail.empty()) << check.id;
    EXPECT_EQ(check.mend.empty(), !failed) << check.id;
  }
  const auto [failed, told] = test::failures(*report);
  EXPECT_EQ(failed, fault.failing) << told;
  EXPECT_NE(told.find(fault.said), std::string::npos) << told;
  EXPECT_EQ(report->passed(), fault.failing.empty());
  EXPECT_EQ(test::unlike_the_picture(*report), "");
  EXPECT_EQ(box.now(), before);
  EXPECT_EQ(box.kernel.calls, std::vector<std::string>{}) << "verify changes nothing";
}

INSTANTIATE_TEST_SUITE_P(Every, Verify, testing::ValuesIn(faults()),
                         [](const auto& parameter) { return parameter.param.name; });

TEST(VerifyOutcome, NotAWireGuard_IsSkippedNotFailed) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  box.host().wireguards.clear();
  const auto report = box.engine.verify("mailu-home", {});
  const auto check = std::ranges::find(report->checks, "handshake", &Check::id);
  ASSERT_NE(check, report->checks.end());
  EXPECT_EQ(check->outcome, Outcome::kSkipped);
}

TEST(VerifyOutcome, AnIdleTunnelOnTheVps_IsSkippedNotFailed) {
  EngineHost box(test::vps());
  ASSERT_TRUE(box.enable(test::vps_profile()));
  auto& peer = box.host().wireguards.at("wg0").peers.at(0);
  peer.last_handshake = test::kNow - 3600;
  peer.keepalive = 0;
  const auto report = box.engine.verify("mailu-vps", {});
  const auto check = std::ranges::find(report->checks, "handshake", &Check::id);
  ASSERT_NE(check, report->checks.end());
  EXPECT_EQ(check->outcome, Outcome::kSkipped);
  EXPECT_NE(check->detail.find("3600 s ago, and this end sends no keepalive"), std::string::npos) << check->detail;
  EXPECT_TRUE(report->passed());
  peer.keepalive = 25;  // now silence means something
  const auto kept = box.engine.verify("mailu-vps", {});
  EXPECT_EQ(std::ranges::find(kept->checks, "handshake", &Check::id)->outcome, Outcome::kFailed);
}

TEST(VerifyOutcome, NoDefaultRouteAtHome_IsNotBlamedOnWgQuick) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  std::erase_if(box.host().state.routes,
                [](const auto& r) { return r.table == kMainTable && r.destination.is_default(); });
  const auto report = box.engine.verify("mailu-home", {});
  for (const auto& check : report->checks) {
    EXPECT_EQ(check.mend.find("Table = off"), std::string::npos) << check.id << ": " << check.mend;
    if (check.id == "route-unmarked") {
      EXPECT_EQ(check.outcome, Outcome::kPassed);
      EXPECT_NE(check.detail.find("no default route"), std::string::npos) << check.detail;
    }
  }
}

TEST(VerifyOutcome, RoutesAreAskedAsForTheForwardedPackets) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  box.kernel.queries.clear();
  ASSERT_TRUE(box.engine.verify("mailu-home", {}));
  const auto marked = std::ranges::find(box.kernel.queries, 0x19U, &RouteQuery::mark);
  ASSERT_NE(marked, box.kernel.queries.end());
  EXPECT_EQ(marked->source, test::address("192.168.203.2"));
  EXPECT_EQ(marked->incoming, test::ifname(test::kBridge));
  EXPECT_EQ(marked->ip_protocol, 6);
  EXPECT_EQ(marked->destination_port, 25);
}

TEST(VerifyOutcome, AnUnknownPublicAddressBehindAMapping_IsSkipped) {
  auto host = test::vps();
  test::remove_link(host, "eth0");
  test::add_link(host, "eth0", {}, "10.0.0.5/24");
  test::add_default_route(host, "10.0.0.1", "eth0");
  EngineHost box(host);
  ASSERT_TRUE(box.enable(test::vps_profile()));
  const auto report = box.engine.verify("mailu-vps", {});
  const auto check = std::ranges::find(report->checks, "public-address", &Check::id);
  ASSERT_NE(check, report->checks.end());
  EXPECT_EQ(check->outcome, Outcome::kSkipped);
  EXPECT_TRUE(report->passed());
}

TEST(VerifyOutcome, ABanListThatMayDrop_IsTold) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  test::add_iptables(box.host().state.ruleset, "*raw\n-I PREROUTING -m set --match-set bans src -j DROP\n");
  const auto report = box.engine.verify("mailu-home", {});
  const auto check = std::ranges::find(report->checks, "replies-arrive", &Check::id);
  EXPECT_NE(check->detail.find("depends on the peer"), std::string::npos) << check->detail;
}

TEST(VerifyOutcome, NotEnabled_IsItsOwnError) {
  EngineHost box(test::docker_home());
  for (const auto& fallback : {std::optional<Profile>{}, std::optional(test::home_profile())}) {
    const auto verified = box.engine.verify("mailu-home", fallback);
    ASSERT_FALSE(verified);
    EXPECT_EQ(exit_code_of(verified.error().kind), 3);
    const auto status = box.engine.status("mailu-home", fallback);
    ASSERT_FALSE(status);
    EXPECT_EQ(test::said(status), "mailu-home is not enabled: `smtp-egress enable mailu-home` does that");
  }
}

TEST(Status, TheStateFileIsLost_TheKernelIsAskedAndTheLossTold) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  ASSERT_TRUE(box.store.remove("mailu-home"));
  const auto status = box.engine.status("mailu-home", test::home_profile());
  ASSERT_TRUE(status) << test::said(status);
  EXPECT_TRUE(status->as_it_should_be());
  ASSERT_EQ(status->notes.size(), 1U);
  EXPECT_NE(status->notes[0].find("its state file is gone"), std::string::npos);
}

TEST(Status, OfWhatWasEnabled_NotOfWhatTheProfileFileSaysNow) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile({{{"table", "200"}}})));
  const auto status = box.engine.status("mailu-home", test::home_profile());
  ASSERT_TRUE(status);
  EXPECT_EQ(status->profile.table, TableId{200});
  EXPECT_TRUE(status->as_it_should_be());
}

}  // namespace
}  // namespace smtpegress
