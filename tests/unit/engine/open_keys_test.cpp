// mark, table and priority that a profile leaves open: enable takes free ones, and keeps them.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "support/engine_host.hpp"
#include "support/iptables_text.hpp"

namespace smtpegress {
namespace {

using test::EngineHost;

Profile open_profile(const std::string& name = "mailu-home", const std::string& sources = "192.168.203.0/24") {
  auto profile =
      test::home_profile({{{"mark", "auto"}, {"table", "auto"}, {"priority", "auto"}, {"sources", sources}}});
  profile.name = name;
  return profile;
}

Profile recorded(EngineHost& box, const std::string& name) {
  return box.store.load(name)->value().profile;
}
std::string values_of(const Profile& profile) {
  return profile.mark.to_string() + " " + std::to_string(profile.table.value) + " " +
         std::to_string(profile.priority.value);
}

TEST(OpenKeys, OnAFreeHost_AreTheUsualValues) {
  EngineHost box(test::docker_home());
  const auto before = box.now();
  ASSERT_TRUE(box.enable(open_profile()));
  EXPECT_EQ(values_of(recorded(box, "mailu-home")), "0x19 100 10025");
  EXPECT_FALSE(recorded(box, "mailu-home").open.any());
  EXPECT_TRUE(box.engine.status("mailu-home", {})->as_it_should_be());
  ASSERT_TRUE(box.disable(open_profile()));
  EXPECT_EQ(box.now(), before);
}

TEST(OpenKeys, WhatOthersUse_IsLeftToThem) {
  auto host = test::docker_home();
  test::add_rule_from(host, 10025, "10.9.0.0/16", {7});  // the priority
  test::add_rule_from(host, 900, "10.9.1.0/24", {100});  // the table
  auto route = test::script_route();
  route.table = {101};
  route.protocol = {3};
  host.state.routes.insert(host.state.routes.begin(), route);
  auto rule = test::script_policy_rule();
  rule.priority = {901};
  rule.table = {7};
  rule.mark = Mark{0x19, 0xff};  // the mark, masked
  host.state.rules.push_back(rule);
  std::ranges::stable_sort(host.state.rules, {}, &PolicyRule::priority);
  test::add_iptables(host.state.ruleset, "*mangle\n-A PREROUTING -s 10.9.0.0/16 -j MARK --set-mark 0x1a\n");
  test::add_iptables(host.state.ruleset, "*filter\n-A FORWARD -m mark --mark 0x1b -j ACCEPT\n");
  EngineHost box(host);
  const auto before = box.now();
  const auto plan = box.engine.plan(open_profile(), LegacyScripts::kRefuse);
  ASSERT_TRUE(plan) << test::said(plan);
  EXPECT_EQ(values_of(plan->profile), "0x1c 102 10026");
  const auto report = box.enable(open_profile());
  ASSERT_TRUE(report) << test::said(report);
  EXPECT_EQ(report->notes, std::vector<std::string>{"free here, and taken: mark 0x1c, table 102, priority 10026"});
  EXPECT_EQ(values_of(recorded(box, "mailu-home")), "0x1c 102 10026");
  ASSERT_TRUE(box.disable(open_profile()));
  EXPECT_EQ(box.now(), before);
}

TEST(OpenKeys, AreKept_WhateverBecomesFree) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile({{{"sources", "10.7.0.0/16"}}})));
  auto second = open_profile("second");
  ASSERT_TRUE(box.enable(second));
  EXPECT_EQ(values_of(recorded(box, "second")), "0x1a 101 10026");
  ASSERT_TRUE(box.engine.disable("mailu-home", std::nullopt));
  box.kernel.forget_calls();
  ASSERT_TRUE(box.enable(second));
  EXPECT_EQ(box.kernel.calls, std::vector<std::string>{}) << "enable again touches nothing";
  EXPECT_EQ(values_of(recorded(box, "second")), "0x1a 101 10026");
}

TEST(OpenKeys, OneKeyOpen_TheOthersAreTheProfiles) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile({{{"sources", "10.7.0.0/16"}}})));
  auto second = test::home_profile({{{"mark", "0x77"}, {"table", "auto"}, {"priority", "12000"}}});
  second.name = "second";
  ASSERT_TRUE(box.enable(second));
  EXPECT_EQ(values_of(recorded(box, "second")), "0x77 101 12000");
}

TEST(OpenKeys, TheStateIsLost_WhatStandsIsKnownAgain) {
  for (const auto* steering : {"mark", "rule"}) {
    EngineHost box(test::docker_home());
    ASSERT_TRUE(box.enable(test::home_profile({{{"sources", "10.7.0.0/16"}}})));
    auto second = open_profile("second");
    second.steering = std::string(steering) == "mark" ? Steering::kMark : Steering::kRule;
    ASSERT_TRUE(box.enable(second));
    const auto enabled = box.now();
    ASSERT_TRUE(box.engine.disable("mailu-home", std::nullopt));
    std::filesystem::remove(box.store.directory() + "/second.json");
    const auto status = box.engine.status("second", second);
    ASSERT_TRUE(status) << test::said(status);
    EXPECT_TRUE(status->as_it_should_be()) << steering;
    box.kernel.forget_calls();
    ASSERT_TRUE(box.enable(second));
    EXPECT_EQ(box.kernel.calls, std::vector<std::string>{}) << steering;
    EXPECT_EQ(recorded(box, "second").table, TableId{101});
  }
}

TEST(OpenKeys, OnTheVps_TheMark) {
  auto host = test::vps();
  test::add_iptables(host.state.ruleset, "*filter\n-A FORWARD -m mark --mark 0x19 -j DROP\n");
  EngineHost box(host);
  ASSERT_TRUE(box.enable(test::vps_profile({{{"mark", "auto"}}})));
  EXPECT_EQ(recorded(box, "mailu-vps").mark, (Mark{0x1a}));
}

TEST(OpenKeys, NoneIsFree_IsToldByItsKey) {
  auto host = test::docker_home();
  for (std::uint32_t table = 100; table < 200; ++table) {
    test::add_rule_from(host, 900, "10.9.0.0/16", {table});
  }
  EngineHost box(host);
  const auto report = box.enable(open_profile());
  ASSERT_FALSE(report);
  EXPECT_EQ(exit_code_of(report.error().kind), 2);
  EXPECT_EQ(test::said(report),
            "enable: key 'table': is \"auto\", and 100 values from 100 on are all in use here; set one");
  EXPECT_TRUE(box.kernel.calls.empty());
}

TEST(OpenKeys, AProfileThatLeavesThemOpen_IsWrittenAsItWasRead) {
  const auto profile = open_profile();
  EXPECT_EQ(*parse_profile(profile.name, "x.json", profile_to_json(profile)), profile);
  EXPECT_NE(profile_to_json(profile).find("\"table\": \"auto\""), std::string::npos);
}

}  // namespace
}  // namespace smtpegress
