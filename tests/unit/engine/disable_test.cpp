#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "support/engine_host.hpp"
#include "support/iptables_text.hpp"

namespace smtpegress {
namespace {

using test::EngineHost;

TEST(Disable, NotEnabled_SucceedsWithoutAnyChange) {
  EngineHost box(test::docker_home());
  const auto before = box.now();
  const auto report = box.engine.disable("mailu-home", test::home_profile());
  ASSERT_TRUE(report) << test::said(report);
  EXPECT_FALSE(report->was_enabled);
  EXPECT_TRUE(report->changes.empty());
  EXPECT_EQ(box.kernel.calls, std::vector<std::string>{});
  EXPECT_EQ(box.now(), before);
}

TEST(Disable, UnknownName_IsRefusedWithAWayToFindIt) {
  EngineHost box(test::docker_home());
  const auto report = box.engine.disable("nobody", std::nullopt);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().kind, ErrorKind::kUsage);
  EXPECT_NE(test::said(report).find("smtp-egress profiles"), std::string::npos);
}

TEST(Disable, TheStateFileIsLost_WhatIsRecognisablyOursGoes) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  std::filesystem::remove(box.store.directory() + "/mailu-home.json");
  const auto report = box.engine.disable("mailu-home", test::home_profile());
  ASSERT_TRUE(report) << test::said(report);
  EXPECT_TRUE(report->was_enabled);
  const auto now = box.now();
  EXPECT_EQ(now.find("smtp-egress"), std::string::npos);
  EXPECT_EQ(now.find("proto 25"), std::string::npos);
}

TEST(Disable, ObjectsOfOthersOfTheSameShape_Stay) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  auto rule = test::script_policy_rule();
  rule.priority = {20000};
  box.host().state.rules.insert(box.host().state.rules.end() - 2, rule);
  test::add_iptables(box.host().state.ruleset, "*filter\n-A DOCKER-USER -m mark --mark 0x19 -j ACCEPT\n");
  auto route = test::script_route();
  route.metric = 5;
  box.host().state.routes.push_back(route);
  const auto report = box.disable(test::home_profile());
  ASSERT_TRUE(report) << test::said(report);
  EXPECT_NE(std::ranges::find(box.host().state.rules, rule), box.host().state.rules.end());
  EXPECT_NE(std::ranges::find(box.host().state.routes, route), box.host().state.routes.end());
  EXPECT_EQ(test::chain(box.host(), "filter", "DOCKER-USER").rules.size(), 1U);
}

TEST(Disable, TheRuleIsTheFirstToGoAndTheFirewallTheLast) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  box.kernel.forget_calls();
  ASSERT_TRUE(box.disable(test::home_profile()));
  EXPECT_TRUE(box.kernel.calls.front().starts_with("delete rule ")) << box.kernel.calls.front();
  EXPECT_TRUE(box.kernel.calls.back().starts_with("commit ")) << box.kernel.calls.back();
}

TEST(Disable, HalfGoneAlready_TakesBackTheRest) {
  EngineHost box(test::docker_home());
  const auto before = box.now();
  ASSERT_TRUE(box.enable(test::home_profile()));
  std::erase_if(box.host().state.rules, [](const auto& r) { return r.protocol == kOurProtocol; });
  std::erase_if(box.host().state.routes, [](const auto& r) { return r.type == RouteType::kUnreachable; });
  ASSERT_TRUE(box.disable(test::home_profile()));
  EXPECT_EQ(box.now(), before);
}

TEST(Disable, GoneBetweenLookingAndDeleting_IsNoError) {
  EngineHost box(test::docker_home());
  const auto before = box.now();
  ASSERT_TRUE(box.enable(test::home_profile()));
  box.kernel.before_call = [&](const std::string& call) {
    if (call.starts_with("delete rule")) {
      std::erase_if(box.host().state.rules, [](const auto& r) { return r.protocol == kOurProtocol; });
    }
  };
  const auto report = box.disable(test::home_profile());
  ASSERT_TRUE(report) << test::said(report);
  EXPECT_EQ(box.now(), before);
}

TEST(Disable, ASecondTagOfOursInAChain_GoesToo) {
  EngineHost box(test::docker_home());
  const auto before = box.now();
  ASSERT_TRUE(box.enable(test::home_profile()));
  auto& rules = test::chain(box.host(), "filter", "DOCKER-USER").rules;
  rules.push_back(rules.front());  // as iptables-restore of an older dump leaves it
  rules.back().handle = 999;
  ASSERT_TRUE(box.disable(test::home_profile()));
  EXPECT_EQ(box.now(), before);
}

TEST(Disable, AStaleCommit_IsRetriedAndSysctlsAreNotTakenForSomebodyElses) {
  EngineHost box(test::bare_home());
  const auto before = box.now();
  ASSERT_TRUE(box.enable(test::home_profile()));
  box.kernel.stale_commits = 2;
  const auto report = box.disable(test::home_profile());
  ASSERT_TRUE(report) << test::said(report);
  EXPECT_TRUE(report->notes.empty());
  EXPECT_EQ(box.now(), before);
}

TEST(Disable, TheWanIsGone_TheVpsIsStillTakenBack) {
  EngineHost box(test::vps());
  ASSERT_TRUE(box.enable(test::vps_profile()));
  test::remove_link(box.host(), "eth0");
  const auto report = box.disable(test::vps_profile());
  ASSERT_TRUE(report) << test::said(report);
  EXPECT_EQ(box.now().find("smtp-egress"), std::string::npos);
}

TEST(Disable, KilledAtAnyCall_TheNextOneLeavesNothing) {
  for (std::size_t number = 1;; ++number) {
    EngineHost box(test::hardened_home());
    const auto before = box.now();
    ASSERT_TRUE(box.enable(test::home_profile()));
    const bool crashed = crashes_at(box, number, [&] { return box.disable(test::home_profile()); });
    if (!crashed) {
      EXPECT_EQ(box.now(), before);
      EXPECT_GT(number, 5U);
      return;
    }
    const auto report = box.disable(test::home_profile());
    ASSERT_TRUE(report) << test::said(report);
    EXPECT_EQ(box.now(), before) << "killed before call " << number;
    EXPECT_EQ(report->notes, std::vector<std::string>{});
  }
}

TEST(Disable, KilledAtAnyCall_AndEnabledAgain_TheNextOneLeavesNothing) {
  for (const bool twice : {false, true}) {  // the enable that follows is killed at its first call, too
    for (std::size_t number = 1;; ++number) {
      EngineHost box(test::hardened_home());
      const auto before = box.now();
      ASSERT_TRUE(box.enable(test::home_profile()));
      if (!crashes_at(box, number, [&] { return box.disable(test::home_profile()); })) {
        EXPECT_GT(number, 5U);
        break;
      }
      if (twice) {
        (void)crashes_at(box, 1, [&] { return box.enable(test::home_profile()); });
      }
      ASSERT_TRUE(box.enable(test::home_profile()));
      const auto report = box.disable(test::home_profile());
      ASSERT_TRUE(report) << test::said(report);
      EXPECT_EQ(box.now(), before) << "killed before call " << number << (twice ? ", twice" : "");
      EXPECT_EQ(report->notes, std::vector<std::string>{});
    }
  }
}

TEST(Disable, TheRollbackFailsToo_TheNextOneLeavesNothing) {
  std::size_t failed = 0;
  for (std::size_t number = 2;; ++number) {
    EngineHost box(test::hardened_home());
    const auto before = box.now();
    ASSERT_TRUE(box.enable(test::home_profile()));
    box.kernel.forget_calls();
    box.kernel.fault = {number, EIO};
    box.kernel.before_call = [&](const std::string&) {
      if (box.kernel.calls.size() > number) {
        box.kernel.fault = {box.kernel.calls.size(), EIO};  // the way back, too
      }
    };
    const auto result = box.disable(test::home_profile());
    box.kernel.before_call = nullptr;
    box.kernel.fault.reset();
    if (result) {
      EXPECT_GT(failed, 2U);
      return;
    }
    if (test::said(result).find("not everything could be rolled back") != std::string::npos) {
      ++failed;
      EXPECT_EQ(box.store.load("mailu-home")->value().phase, Phase::kDisabling) << number;
      EXPECT_NE(test::said(result).find("`smtp-egress disable mailu-home` once more"), std::string::npos);
    }
    const auto report = box.disable(test::home_profile());
    ASSERT_TRUE(report) << test::said(report);
    EXPECT_EQ(box.now(), before) << "call " << number;
    EXPECT_EQ(report->notes, std::vector<std::string>{}) << "call " << number;
  }
}

TEST(Disable, KilledAtAnyCall_TheNextOneDropsTheTunnelsFlows) {
  for (std::size_t number = 1;; ++number) {
    EngineHost box(test::docker_home());
    ASSERT_TRUE(box.enable(test::home_profile()));
    box.host().flows = {test::mail_flow("192.168.203.10", "198.51.100.25", 25, "192.168.203.10")};
    const bool crashed = crashes_at(box, number, [&] { return box.disable(test::home_profile()); });
    if (!crashed) {
      return;
    }
    ASSERT_TRUE(box.disable(test::home_profile()));
    EXPECT_TRUE(box.host().flows.empty()) << "killed before call " << number;
  }
}

TEST(Enable, KilledAtAnyCall_TheNextOneDropsTheOldPathsFlows) {
  for (std::size_t number = 1;; ++number) {
    EngineHost box(test::docker_home());
    box.host().flows = {test::mail_flow("192.168.203.10", "198.51.100.25", 25, "192.168.1.10")};
    const bool crashed = crashes_at(box, number, [&] { return box.enable(test::home_profile()); });
    ASSERT_TRUE(box.enable(test::home_profile()));
    EXPECT_TRUE(box.host().flows.empty()) << "killed before call " << number;
    if (!crashed) {
      return;
    }
  }
}

TEST(Disable, ARecordFromACrashedDisable_IsCompleted) {
  EngineHost box(test::docker_home());
  const auto before = box.now();
  ASSERT_TRUE(box.enable(test::home_profile()));
  box.kernel.before_call = [&](const std::string& call) {
    if (call.starts_with("commit")) {
      throw test::Crash{};
    }
  };
  EXPECT_THROW((void)box.disable(test::home_profile()), test::Crash);
  EXPECT_EQ(box.store.load("mailu-home")->value().phase, Phase::kDisabling);
  box.kernel.before_call = nullptr;
  EXPECT_FALSE(box.engine.status("mailu-home", {})->notes.empty());
  ASSERT_TRUE(box.disable(test::home_profile()));
  EXPECT_EQ(box.now(), before);
}

}  // namespace
}  // namespace smtpegress
