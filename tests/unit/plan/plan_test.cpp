// The difference between what should be and what is.
#include "smtpegress/plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>

#include "engine/survey.hpp"
#include "support/engine_host.hpp"
#include "support/iptables_text.hpp"

namespace smtpegress {
namespace {

using test::EngineHost;

struct Drift {
  std::string name;
  std::function<void(test::FakeHost&)> happens;
  std::vector<std::string> mended;  ///< "verb: kind"
  friend void PrintTo(const Drift& value, std::ostream* out) { *out << value.name; }
};

std::vector<std::string> text_of(const std::vector<Change>& changes) {
  constexpr std::array kVerbs{"create", "replace", "remove"};
  std::vector<std::string> lines;
  for (const auto& change : changes) {
    lines.push_back(std::string(kVerbs.at(static_cast<std::size_t>(change.verb))) + ": " + kind_of(change.object));
  }
  return lines;
}

constexpr auto kInet = nft::Family::kInet;
constexpr std::string_view kOurs = "smtp-egress-mailu-home";

std::vector<Drift> drifts() {
  return {
      {"none", [](auto&) {}, {}},
      {"policy_rules_gone",
       [](auto& h) { std::erase_if(h.state.rules, [](const auto& r) { return r.protocol == kOurProtocol; }); },
       {"create: policy rule", "create: policy rule"}},
      {"policy_rule_by_source_gone",
       [](auto& h) {
         std::erase_if(h.state.rules, [](const auto& r) { return r.protocol == kOurProtocol && !r.mark; });
       },
       {"create: policy rule"}},
      {"policy_rule_of_ours_that_is_not_wanted",
       [](auto& h) {
         auto rule = *std::ranges::find(h.state.rules, kOurProtocol, &PolicyRule::protocol);
         rule.mark = Mark{0x77};
         h.state.rules.push_back(rule);
       },
       {"remove: policy rule"}},
      {"policy_rule_altered",
       [](auto& h) { std::ranges::find(h.state.rules, kOurProtocol, &PolicyRule::protocol)->table = {101}; },
       {"replace: policy rule"}},
      {"route_gone",
       [](auto& h) {
         std::erase_if(h.state.routes,
                       [](const auto& r) { return r.protocol == kOurProtocol && !r.interface.empty(); });
       },
       {"create: egress route"}},
      {"local_networks_route_gone",
       [](auto& h) { std::erase_if(h.state.routes, [](const auto& r) { return r.type == RouteType::kThrow; }); },
       {"create: egress route", "create: egress route", "create: egress route", "create: egress route"}},
      {"route_of_ours_that_is_not_wanted",
       [](auto& h) {
         auto route = *std::ranges::find(h.state.routes, RouteType::kThrow, &Route::type);
         route.destination = test::prefix("10.7.0.0/16");
         h.state.routes.push_back(route);
       },
       {"remove: egress route"}},
      {"unreachable_gone",
       [](auto& h) { std::erase_if(h.state.routes, [](const auto& r) { return r.type == RouteType::kUnreachable; }); },
       {"create: egress route"}},
      {"route_altered",
       [](auto& h) {
         std::ranges::find_if(h.state.routes, [](const auto& r) {
           return r.protocol == kOurProtocol && !r.interface.empty();
         })->interface = test::ifname("eth0");
       },
       {"replace: egress route"}},
      {"table_gone",
       [](auto& h) {
         std::erase_if(h.state.ruleset.chains, [](const auto& c) { return c.key.table.family == kInet; });
         std::erase_if(h.state.ruleset.tables, [](const auto& t) { return t.family == kInet; });
       },
       {"create: table", "create: chain", "create: chain", "create: chain"}},
      {"table_dormant",
       [](auto& h) {
         for (auto& chain : h.state.ruleset.chains) {
           chain.dormant = chain.key.table.name == kOurs;
         }
       },
       {"replace: table"}},
      {"rule_of_ours_that_looks_up_another_table",
       [](auto& h) {
         auto rule = *std::ranges::find(h.state.rules, kOurProtocol, &PolicyRule::protocol);
         rule.table = TableId{101};
         h.state.rules.push_back(rule);
       },
       {"remove: policy rule"}},
      {"chain_gone",
       [](auto& h) { std::erase_if(h.state.ruleset.chains, [](const auto& c) { return c.key.name == "mark-mail"; }); },
       {"create: chain"}},
      {"chain_flushed", [](auto& h) { test::chain(h, kOurs, "forward", kInet).rules.clear(); }, {"replace: chain"}},
      {"chains_rules_in_another_order",
       [](auto& h) { std::ranges::reverse(test::chain(h, kOurs, "forward", kInet).rules); },
       {"replace: chain"}},
      {"chain_at_another_priority",
       [](auto& h) { test::chain(h, kOurs, "mark-mail", kInet).hook->priority = 0; },
       {"replace: chain"}},
      {"chain_that_is_not_ours_in_our_table",
       [](auto& h) {
         h.state.ruleset.chains.push_back({{{kInet, std::string(kOurs)}, "extra"}, 999, nft::BaseHook{}, {}});
       },
       {"remove: chain"}},
      {"admission_gone", [](auto& h) { test::chain(h, "filter", "DOCKER-USER").rules.clear(); }, {"create: admission"}},
      {"admission_altered",
       [](auto& h) {
         test::chain(h, "filter", "DOCKER-USER").rules.front().rule.statements.back() =
             nft::Verdict{nft::VerdictCode::kReturn, {}};
       },
       {"create: admission", "remove: admission"}},
      {"admission_doubled",
       [](auto& h) {
         auto& rules = test::chain(h, "filter", "DOCKER-USER").rules;
         rules.push_back(rules.front());
         rules.back().handle = 999;
       },
       {"remove: admission"}},
      {"raw_exception_gone",
       [](auto& h) {
         std::erase_if(test::chain(h, "raw", "PREROUTING").rules,
                       [](const auto& r) { return !r.rule.comment.empty(); });
       },
       {"create: raw exception"}},
      {"sysctl_altered", [](auto& h) { h.sysctls["net/ipv4/conf/all/rp_filter"] = "1"; }, {"replace: sysctl"}},
      {"forwarding_off", [](auto& h) { h.sysctls["net/ipv4/ip_forward"] = "0"; }, {"replace: sysctl"}},
      {"iptables_restore_turned_the_matches_round",
       [](auto& h) { std::ranges::reverse(test::chain(h, "raw", "PREROUTING").rules.front().rule.matches); },
       {}},
      {"counters_moved", [](auto& h) { test::chain(h, kOurs, "forward", kInet).rules.front().packets = 7; }, {}},
  };
}

class PlanAfter : public testing::TestWithParam<Drift> {};

TEST_P(PlanAfter, Drift_IsMendedAndNothingElse) {
  EngineHost box(test::docker_home());
  const auto profile = test::home_profile();
  ASSERT_TRUE(box.enable(profile));
  const auto enabled = box.now();
  GetParam().happens(box.host());
  const auto plan = box.engine.plan(profile, LegacyScripts::kRefuse);
  ASSERT_TRUE(plan) << test::said(plan);
  EXPECT_TRUE(plan->plan.foreign.empty());
  EXPECT_EQ(text_of(plan->plan.changes), GetParam().mended);
  for (const auto& change : plan->plan.changes) {
    EXPECT_FALSE(change.reason.empty()) << describe(change.object);
  }
  ASSERT_TRUE(box.enable(profile));
  EXPECT_TRUE(box.engine.status(profile.name, {})->as_it_should_be());
}

INSTANTIATE_TEST_SUITE_P(Every, PlanAfter, testing::ValuesIn(drifts()),
                         [](const auto& parameter) { return parameter.param.name; });

TEST(PlanReasons, EachChainOfOurs_HasItsOwnPurpose) {
  EngineHost box(test::docker_home());
  const auto plan = box.engine.plan(test::home_profile({{{"nat", "masquerade"}}}), LegacyScripts::kRefuse);
  ASSERT_TRUE(plan) << test::said(plan);
  std::map<std::string, std::string> reasons;
  for (const auto& change : plan->plan.changes) {
    if (const auto* chain = std::get_if<OwnChain>(&change.object); chain != nullptr) {
      reasons[chain->key.name] = change.reason;
    }
  }
  EXPECT_NE(reasons.at("forward").find("guard: refuses the sources' mail"), std::string::npos);
  EXPECT_NE(reasons.at("output").find("of this host's own"), std::string::npos) << reasons.at("output");
}

/// What stands in the way of enabling this host.
std::vector<std::string> in_the_way(const test::FakeHost& host) {
  EngineHost box(host);
  const auto plan = box.engine.plan(test::home_profile(), LegacyScripts::kRefuse);
  std::vector<std::string> found;
  for (const auto& finding : plan->plan.foreign) {
    found.push_back(describe(finding.current.value_or(finding.object)));
  }
  const auto before = box.now();
  const auto report = box.enable(test::home_profile());
  EXPECT_EQ(report.has_value(), found.empty());
  if (!report) {
    EXPECT_EQ(report.error().kind, ErrorKind::kUsage);
    EXPECT_EQ(box.now(), before);
    EXPECT_EQ(box.kernel.calls, std::vector<std::string>{});
  }
  return found;
}

using Lines = std::vector<std::string>;

/// A rule of ours' shape, made by a program with this protocol number.
PolicyRule rule_of(std::uint8_t protocol) {
  auto rule = test::script_policy_rule();
  rule.protocol = {protocol};
  return rule;
}

TEST(Diff, ForeignRuleOfSameShape_IsNotTakenForOurs) {
  auto host = test::docker_home();
  host.state.rules.push_back(rule_of(99));
  EXPECT_EQ(in_the_way(host), Lines{"10025: from all fwmark 0x19 lookup 100 proto 99"});
}

TEST(Diff, PriorityTakenByAnother_IsRefused) {
  auto host = test::docker_home();
  auto rule = rule_of(99);
  rule.mark = Mark{0x77, 0xffffffff};
  rule.table = {7};
  host.state.rules.push_back(rule);
  EXPECT_EQ(in_the_way(host), Lines{"10025: from all fwmark 0x77 lookup 7 proto 99"});
}

TEST(Diff, OurMarkUsedByAnother_IsRefused) {
  auto host = test::docker_home();
  auto rule = rule_of(99);
  rule.priority = {50};
  rule.table = {7};
  host.state.rules.push_back(rule);
  EXPECT_EQ(in_the_way(host), Lines{"50: from all fwmark 0x19 lookup 7 proto 99"});
}

TEST(Diff, OurTableUsedByAnother_IsRefused) {
  auto host = test::docker_home();
  auto rule = rule_of(99);
  rule.priority = {50};
  rule.mark.reset();
  host.state.rules.push_back(rule);
  EXPECT_EQ(in_the_way(host).size(), 1U);
}

TEST(Diff, AnotherInstancesRuleOnTheSameTable_IsRefused) {
  auto host = test::docker_home();
  auto rule = rule_of(kOurProtocol.value);
  rule.priority = {10026};
  rule.mark = Mark{0x20, 0xffffffff};
  host.state.rules.push_back(rule);
  EXPECT_EQ(in_the_way(host).size(), 1U);
}

TEST(Diff, ForeignRouteInTheEgressTable_IsRefused) {
  auto host = test::docker_home();
  auto route = test::script_route();
  host.state.routes.push_back(route);
  EXPECT_EQ(in_the_way(host), Lines{"default dev wg0 table 100 proto 3"})
      << "alone, it is not known to be the script's";
  host.state.routes.back().destination = test::prefix("10.0.0.0/8");
  EXPECT_EQ(in_the_way(host), Lines{"10.0.0.0/8 dev wg0 table 100 proto 3"});
}

TEST(Diff, OthersMarksTablesAndRules_AreNoneOfOurBusiness) {
  auto host = test::docker_home();
  auto rule = rule_of(99);
  rule.priority = {50};
  rule.mark = Mark{0x80000, 0xff0000};
  rule.table = {52};
  host.state.rules.push_back(rule);
  test::add_iptables(host.state.ruleset, "*filter\n-A DOCKER-USER -m mark --mark 0x19 -j ACCEPT\n");
  EXPECT_EQ(in_the_way(host), Lines{});
}

TEST(Diff, AForeignRuleOfOurAdmissionsShape_IsNeitherTakenNorRemoved) {
  auto host = test::docker_home();
  test::add_iptables(host.state.ruleset, "*filter\n-A DOCKER-USER -m mark --mark 0x19 -j ACCEPT\n");
  EngineHost box(host);
  ASSERT_TRUE(box.enable(test::home_profile()));
  EXPECT_EQ(test::chain(box.host(), "filter", "DOCKER-USER").rules.size(), 2U);
}

TEST(Diff, AnotherInstancesTaggedRules_AreLeftAlone) {
  auto host = test::docker_home();
  test::add_iptables(
      host.state.ruleset,
      "*filter\n-A DOCKER-USER -m mark --mark 0x20 -m comment --comment smtp-egress:other:admission -j ACCEPT\n");
  EngineHost box(host);
  const auto before = box.now();
  ASSERT_TRUE(box.enable(test::home_profile()));
  ASSERT_TRUE(box.disable(test::home_profile()));
  EXPECT_EQ(box.now(), before);
}

TEST(Inspect, FindingsSayWhatIsWrong) {
  EngineHost box(test::docker_home());
  const auto profile = test::home_profile();
  ASSERT_TRUE(box.enable(profile));
  const auto detail = [&](const std::string& kind) {
    const auto report = box.engine.status(profile.name, {});
    for (const auto& finding : report->findings) {
      if (kind_of(finding.object) == kind && finding.presence != Presence::kPresent) {
        return finding.detail;
      }
    }
    return std::string("nothing");
  };
  test::chain(box.host(), kOurs, "forward", kInet).rules.pop_back();
  EXPECT_EQ(detail("chain"), "missing or altered: guard ipv6");
  std::ranges::reverse(test::chain(box.host(), kOurs, "keep-address", kInet).rules);
  test::chain(box.host(), kOurs, "forward", kInet).hook->policy = nft::Policy::kDrop;
  EXPECT_EQ(detail("chain"), "hangs at another hook, priority or policy");
  box.host().sysctls["net/ipv4/conf/all/rp_filter"] = "1";
  EXPECT_EQ(detail("sysctl"), "is 1");
  std::erase_if(box.host().state.ruleset.chains,
                [](const auto& c) { return c.key.name == "PREROUTING" && c.key.table.name == "raw"; });
  EXPECT_EQ(detail("raw exception"), "nothing") << "where the chain is gone, no exception is wanted";
}

TEST(Inspect, CountersAreThoseOfTheKernel) {
  EngineHost box(test::docker_home());
  const auto profile = test::home_profile();
  ASSERT_TRUE(box.enable(profile));
  auto& admission = test::chain(box.host(), "filter", "DOCKER-USER").rules.front();
  admission.packets = 12;
  admission.bytes = 3456;
  const auto report = box.engine.status(profile.name, {});
  const auto found =
      std::ranges::find_if(report->findings, [](const auto& f) { return kind_of(f.object) == "admission"; });
  ASSERT_NE(found, report->findings.end());
  ASSERT_EQ(found->counters.size(), 1U);
  EXPECT_EQ(found->counters[0].packets, 12U);
  EXPECT_EQ(found->counters[0].bytes, 3456U);
}

}  // namespace
}  // namespace smtpegress
