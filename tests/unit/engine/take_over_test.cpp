#include <gtest/gtest.h>

#include <algorithm>

#include "support/engine_host.hpp"

namespace smtpegress {
namespace {

using test::EngineHost;

test::FakeHost scripted_home() {
  auto host = test::docker_home();
  test::add_home_scripts(host);
  return host;
}
test::FakeHost scripted_vps() {
  auto host = test::vps();
  test::add_vps_scripts(host);
  return host;
}

TEST(TakeOver, WithoutTheFlag_EnableSaysSoAndChangesNothing) {
  for (const bool home : {true, false}) {
    EngineHost box(home ? scripted_home() : scripted_vps());
    const auto before = box.now();
    const auto report = box.enable(home ? test::home_profile() : test::vps_profile());
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().kind, ErrorKind::kUsage);
    EXPECT_NE(test::said(report).find("the shell scripts' set-up is active on this host"), std::string::npos);
    EXPECT_NE(test::said(report).find("--take-over"), std::string::npos);
    EXPECT_NE(test::said(report).find("Nothing was changed"), std::string::npos);
    EXPECT_EQ(box.now(), before);
    EXPECT_EQ(box.kernel.calls, std::vector<std::string>{});
  }
}

TEST(TakeOver, Home_ReplacesEveryObjectOfTheScript) {
  EngineHost box(scripted_home());
  const auto report = box.enable(test::home_profile(), LegacyScripts::kTakeOver);
  ASSERT_TRUE(report) << test::said(report);
  auto expected = test::docker_home();
  test::EngineHost fresh(expected);
  ASSERT_TRUE(fresh.enable(test::home_profile()));
  // The script's mangle chain stays, empty: it may be anybody's.
  auto now = box.now();
  for (const std::string line :
       {"table ip mangle\n",
        "chain ip mangle PREROUTING { type filter hook prerouting priority -150; policy accept }\n"}) {
    ASSERT_NE(now.find(line), std::string::npos) << now;
    now.erase(now.find(line), line.size());
  }
  EXPECT_EQ(now, fresh.now());
  EXPECT_TRUE(box.engine.status("mailu-home", {})->as_it_should_be());
}

TEST(TakeOver, Home_AtNoInstantIsThereNoWayButTheTunnel) {
  EngineHost box(scripted_home());
  const auto marked_leaves_by = [&] {
    const auto answer = box.kernel.look_up_route({test::address("198.51.100.25"), {}, {}, 0x19});
    return answer->errnum != 0 ? std::string("nowhere") : answer->interface.str();
  };
  box.kernel.before_call = [&](const std::string& call) { EXPECT_NE(marked_leaves_by(), "eth0") << call; };
  ASSERT_TRUE(box.enable(test::home_profile(), LegacyScripts::kTakeOver));
  EXPECT_EQ(marked_leaves_by(), "wg0");
}

TEST(TakeOver, Home_TheFirewallIsSwappedInOneTransactionBehindTheRoutes) {
  EngineHost box(scripted_home());
  ASSERT_TRUE(box.enable(test::home_profile(), LegacyScripts::kTakeOver));
  const auto& calls = box.kernel.calls;
  EXPECT_TRUE(calls.front().starts_with("add route unreachable")) << calls.front();
  EXPECT_EQ(std::ranges::count_if(calls, [](const auto& c) { return c.starts_with("commit"); }), 1);
}

TEST(TakeOver, Vps_ReplacesEveryObjectOfTheScript) {
  EngineHost box(scripted_vps());
  const auto report = box.enable(test::vps_profile(), LegacyScripts::kTakeOver);
  ASSERT_TRUE(report) << test::said(report);
  EXPECT_TRUE(test::chain(box.host(), "mangle", "FORWARD").rules.empty());
  EXPECT_EQ(test::chain(box.host(), "nat", "POSTROUTING").rules.size(), 1U)
      << "the generic MASQUERADE is not the script's";
  const auto& forward = test::chain(box.host(), "filter", "FORWARD").rules;
  ASSERT_EQ(forward.size(), 1U);
  EXPECT_EQ(forward.front().rule.comment, "smtp-egress:mailu-vps:admission");
}

TEST(TakeOver, Vps_AdmissionIsPartOfTheOneTransaction) {
  EngineHost box(scripted_vps());
  const auto plan = box.engine.plan(test::vps_profile(), LegacyScripts::kTakeOver);
  ASSERT_TRUE(plan) << test::said(plan);
  EXPECT_TRUE(std::ranges::any_of(plan->plan.changes, [](const Change& c) { return kind_of(c.object) == "admission"; }))
      << "the script's accepts go, and FORWARD drops without them";
  ASSERT_TRUE(box.enable(test::vps_profile(), LegacyScripts::kTakeOver));
  EXPECT_EQ(std::ranges::count_if(box.kernel.calls, [](const auto& c) { return c.starts_with("commit"); }), 1);
}

TEST(TakeOver, Vps_TheScriptRunAgainWhileEnabled_LeavesTheAdmissionWanted) {
  EngineHost box(test::vps());
  ASSERT_TRUE(box.enable(test::vps_profile()));
  test::add_vps_scripts(box.host());
  EXPECT_TRUE(box.engine.status("mailu-vps", {})->as_it_should_be());
}

TEST(TakeOver, ThenDisable_NothingOfEitherIsLeft) {
  EngineHost box(scripted_home());
  ASSERT_TRUE(box.enable(test::home_profile(), LegacyScripts::kTakeOver));
  ASSERT_TRUE(box.disable(test::home_profile()));
  const auto now = box.now();
  EXPECT_EQ(now.find("smtp-egress"), std::string::npos) << now;
  EXPECT_EQ(now.find("0x19"), std::string::npos) << now;
  EXPECT_EQ(now.find("table 100"), std::string::npos) << now;
}

TEST(TakeOver, OnAHostWithoutScripts_IsAnOrdinaryEnable) {
  EngineHost box(test::docker_home());
  const auto report = box.enable(test::home_profile(), LegacyScripts::kTakeOver);
  ASSERT_TRUE(report) << test::said(report);
  EXPECT_TRUE(box.kernel.calls.front().starts_with("commit"));
}

TEST(TakeOver, Plan_NamesTheScriptsObjectsUntilTold) {
  EngineHost box(scripted_home());
  EXPECT_FALSE(box.engine.plan(test::home_profile(), LegacyScripts::kRefuse)->legacy.empty());
  const auto told = box.engine.plan(test::home_profile(), LegacyScripts::kTakeOver);
  EXPECT_TRUE(told->legacy.empty());
  EXPECT_EQ(told->plan.course, Course::kTakeOver);
}

TEST(TakeOver, TheOtherPolicyRuleOfAStranger_StillRefuses) {
  auto host = scripted_home();
  auto strange = test::script_policy_rule();
  strange.priority = {9000};
  host.state.rules.push_back(strange);
  EngineHost box(host);
  const auto before = box.now();
  const auto report = box.enable(test::home_profile(), LegacyScripts::kTakeOver);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().kind, ErrorKind::kUsage);
  EXPECT_NE(test::said(report).find("9000: from all fwmark 0x19 lookup 100"), std::string::npos) << test::said(report);
  EXPECT_EQ(box.now(), before);
}

}  // namespace
}  // namespace smtpegress
