#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "support/engine_host.hpp"
#include "support/iptables_text.hpp"

namespace smtpegress {
namespace {

using test::EngineHost;
using test::FakeHost;

struct Case {
  std::string name;
  FakeHost (*host)();
  Profile (*profile)();
  friend void PrintTo(const Case& value, std::ostream* out) { *out << value.name; }
};

FakeHost home_without_docker_user() {
  auto host = test::docker_home();
  test::chain(host, "filter", "FORWARD").rules.erase(test::chain(host, "filter", "FORWARD").rules.begin());
  std::erase_if(host.state.ruleset.chains, [](const auto& c) { return c.key.name == "DOCKER-USER"; });
  return host;
}

FakeHost strict_home() {
  auto host = test::bare_home();
  for (auto& [key, value] : host.sysctls) {
    if (key.ends_with("/rp_filter")) {
      value = "1";
    }
  }
  return host;
}

Profile home() {
  return test::home_profile();
}
Profile home_tunnel_only() {
  return test::home_profile({{{"rp_filter", "tunnel"}}});
}
Profile home_two_ports() {
  return test::home_profile({{{"ports", "25,465-466"}, {"sources", "192.168.203.0/25,10.7.0.0/16"}}});
}
Profile vps() {
  return test::vps_profile();
}

class EnableOn : public testing::TestWithParam<Case> {};

INSTANTIATE_TEST_SUITE_P(
    Hosts, EnableOn,
    testing::Values(Case{"docker_home", test::docker_home, home}, Case{"bare_home", test::bare_home, home},
                    Case{"home_without_docker_user", home_without_docker_user, home},
                    Case{"strict_home", strict_home, home}, Case{"tunnel_only", strict_home, home_tunnel_only},
                    Case{"two_ports", test::docker_home, home_two_ports}, Case{"vps", test::vps, vps}),
    [](const auto& parameter) { return parameter.param.name; });

TEST_P(EnableOn, Enable_ReachesTheDesiredState) {
  EngineHost box(GetParam().host());
  const auto profile = GetParam().profile();
  const auto report = box.enable(profile);
  ASSERT_TRUE(report) << test::said(report);
  EXPECT_FALSE(report->changes.empty());
  EXPECT_FALSE(report->was_enabled);
  EXPECT_TRUE(box.engine.plan(profile, LegacyScripts::kRefuse)->plan.empty());
  EXPECT_TRUE(box.engine.status(profile.name, {})->as_it_should_be());
  EXPECT_EQ(box.store.load(profile.name)->value().phase, Phase::kEnabled);
}

TEST_P(EnableOn, EnableTwice_SecondTimeMakesNoMutatingCall) {
  EngineHost box(GetParam().host());
  const auto profile = GetParam().profile();
  ASSERT_TRUE(box.enable(profile));
  const auto record = box.state_file(profile.name);
  box.kernel.forget_calls();
  const auto again = box.enable(profile);
  ASSERT_TRUE(again) << test::said(again);
  EXPECT_TRUE(again->changes.empty());
  EXPECT_TRUE(again->was_enabled);
  EXPECT_EQ(box.kernel.calls, std::vector<std::string>{});
  EXPECT_EQ(box.state_file(profile.name), record);
}

TEST_P(EnableOn, EnableThenDisable_LeavesTheHostExactlyAsItWas) {
  EngineHost box(GetParam().host());
  const auto profile = GetParam().profile();
  const auto before = box.now();
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(box.enable(profile));
    if (round == 1) {
      ASSERT_TRUE(box.enable(profile));
    }
    EXPECT_NE(box.now(), before);
    const auto report = box.disable(profile);
    ASSERT_TRUE(report) << test::said(report);
    EXPECT_TRUE(report->was_enabled);
    EXPECT_EQ(box.now(), before);
    EXPECT_FALSE(std::filesystem::exists(box.store.directory() + "/" + profile.name + ".json"));
  }
}

TEST_P(EnableOn, Plan_ChangesNothingAndLeavesNoState) {
  EngineHost box(GetParam().host());
  const auto before = box.now();
  const auto plan = box.engine.plan(GetParam().profile(), LegacyScripts::kRefuse);
  ASSERT_TRUE(plan);
  EXPECT_FALSE(plan->plan.empty());
  EXPECT_EQ(box.now(), before);
  EXPECT_EQ(box.kernel.calls, std::vector<std::string>{});
  EXPECT_FALSE(std::filesystem::exists(box.store.directory()));
}

TEST_P(EnableOn, Enable_DoesExactlyWhatPlanSaid) {
  EngineHost box(GetParam().host());
  const auto plan = box.engine.plan(GetParam().profile(), LegacyScripts::kRefuse);
  const auto report = box.enable(GetParam().profile());
  ASSERT_TRUE(report);
  ASSERT_EQ(report->changes.size(), plan->plan.changes.size());
  for (std::size_t i = 0; i < report->changes.size(); ++i) {
    EXPECT_EQ(describe(report->changes[i].object), describe(plan->plan.changes[i].object));
  }
}

TEST(Enable, TheRecordIsWrittenAheadOfTheFirstChange) {
  EngineHost box(test::docker_home());
  std::string first;
  std::optional<InstanceRecord> record;
  box.kernel.before_call = [&](const std::string& call) {
    if (first.empty()) {
      first = call;
      record = box.store.load("mailu-home").value_or(std::nullopt);
    }
  };
  ASSERT_TRUE(box.enable(home()));
  ASSERT_FALSE(first.empty());
  ASSERT_TRUE(record) << "no record stood before: " << first;
  EXPECT_EQ(record->phase, Phase::kEnabling);
  EXPECT_NE(std::ranges::find(record->sysctls.saved, "net/ipv4/conf/all/rp_filter", &SavedSysctl::key),
            record->sysctls.saved.end());
}

TEST(Enable, TheGuardStandsBeforeAnythingElse) {
  EngineHost box(test::bare_home());
  ASSERT_TRUE(box.enable(home()));
  ASSERT_FALSE(box.kernel.calls.empty());
  EXPECT_TRUE(box.kernel.calls.front().starts_with("commit "));
  EXPECT_TRUE(box.kernel.calls[1].starts_with("add route unreachable default")) << box.kernel.calls[1];
  EXPECT_TRUE(box.kernel.calls.back().starts_with("add rule "))
      << "the policy rule is the switch: " << box.kernel.calls.back();
}

TEST(Enable, AllOfNftablesIsOneTransaction) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(home()));
  EXPECT_EQ(std::ranges::count_if(box.kernel.calls, [](const auto& c) { return c.starts_with("commit"); }), 1);
}

TEST(Enable, ADriftIsMended_TheRecordEndsAsEnabled) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(home()));
  const auto record = box.state_file("mailu-home");
  test::chain(box.host(), "filter", "DOCKER-USER").rules.clear();
  std::optional<InstanceRecord> meanwhile;
  box.kernel.before_call = [&](const std::string&) { meanwhile = box.store.load("mailu-home").value_or(std::nullopt); };
  ASSERT_TRUE(box.enable(home()));
  ASSERT_TRUE(meanwhile);
  EXPECT_EQ(meanwhile->phase, Phase::kEnabling) << "written ahead of the mend";
  EXPECT_EQ(box.store.load("mailu-home")->value().phase, Phase::kEnabled);
  EXPECT_EQ(box.state_file("mailu-home"), record);
  EXPECT_TRUE(box.engine.status("mailu-home", {})->notes.empty()) << "no enable was cut short";
}

TEST(Enable, AfterACrashWithNothingLeftToDo_TheRecordEndsAsEnabled) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(home()));
  auto record = box.store.load("mailu-home")->value();
  record.phase = Phase::kEnabling;  // killed between the last change and the last note of it
  ASSERT_TRUE(box.store.save(record));
  EXPECT_FALSE(box.engine.status("mailu-home", {})->notes.empty());
  ASSERT_TRUE(box.enable(home()));
  EXPECT_EQ(box.store.load("mailu-home")->value().phase, Phase::kEnabled);
}

TEST(Enable, AStaleCommit_IsRetriedOnAFreshLook) {
  EngineHost box(test::docker_home());
  box.kernel.stale_commits = 3;
  const auto report = box.enable(home());
  ASSERT_TRUE(report) << test::said(report);
  EXPECT_TRUE(box.engine.status("mailu-home", {})->as_it_should_be());
}

TEST(Enable, AnotherProgramsChangeInBetween_IsSeenAndKept) {
  EngineHost box(test::docker_home());
  bool done = false;
  box.kernel.before_call = [&](const std::string& call) {
    if (!done && call.starts_with("commit")) {
      done = true;
      test::add_iptables(box.host().state.ruleset, "*filter\n-I DOCKER-USER -s 198.51.100.0/24 -j DROP\n");
      ++box.host().state.ruleset.generation;
    }
  };
  ASSERT_TRUE(box.enable(home()));
  EXPECT_EQ(test::chain(box.host(), "filter", "DOCKER-USER").rules.size(), 2U);
}

TEST(Enable, AnotherComesInTheWayWhileItIsAtWork_IsRefusedAndRolledBack) {
  EngineHost box(test::docker_home());
  auto theirs = test::script_policy_rule();
  theirs.priority = {50};
  theirs.protocol = {99};
  auto with_theirs = test::docker_home();
  with_theirs.state.rules.insert(with_theirs.state.rules.begin() + 1, theirs);
  bool done = false;
  box.kernel.before_call = [&](const std::string& call) {
    if (!done && call.starts_with("add rule")) {
      done = true;
      auto& rules = box.host().state.rules;
      rules.insert(rules.begin() + 1, theirs);
    }
  };
  const auto report = box.enable(home());
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().kind, ErrorKind::kUsage);
  EXPECT_NE(test::said(report).find("everything was rolled back"), std::string::npos) << test::said(report);
  EXPECT_EQ(box.now(), test::snapshot(with_theirs));
  EXPECT_FALSE(*box.store.load("mailu-home"));
}

TEST(Enable, StaleForever_FailsAndLeavesTheHostAsItWas) {
  EngineHost box(test::docker_home());
  const auto before = box.now();
  box.kernel.stale_commits = 1000;
  const auto report = box.enable(home());
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().kind, ErrorKind::kKernel);
  EXPECT_NE(test::said(report).find("another program kept changing the same objects"), std::string::npos)
      << test::said(report);
  EXPECT_EQ(box.now(), before);
  EXPECT_FALSE(*box.store.load("mailu-home"));
}

TEST(Enable, TheRecordCannotBeWritten_NothingIsTouched) {
  EngineHost box(test::docker_home());
  std::filesystem::create_directories(box.store.directory() + "/mailu-home.json.new");
  const auto before = box.now();
  const auto report = box.enable(home());
  ASSERT_FALSE(report);
  EXPECT_EQ(exit_code_of(report.error().kind), 2);
  EXPECT_EQ(box.kernel.calls, std::vector<std::string>{});
  EXPECT_EQ(box.now(), before);
}

TEST(Enable, TheRecordCannotBeWrittenAtTheEnd_IsDoneSaysSoAndCanBeUndone) {
  EngineHost box(test::docker_home());
  const auto before = box.now();
  box.kernel.before_call = [&](const std::string&) {
    std::filesystem::create_directories(box.store.directory() + "/mailu-home.json.new");
  };
  const auto report = box.enable(home());
  ASSERT_TRUE(report) << test::said(report);
  ASSERT_EQ(report->notes.size(), 1U);
  EXPECT_NE(report->notes.front().find("the state file still says"), std::string::npos) << report->notes.front();
  std::filesystem::remove(box.store.directory() + "/mailu-home.json.new");
  box.kernel.before_call = {};
  ASSERT_TRUE(box.disable(home()));
  EXPECT_EQ(box.now(), before);
}

TEST(Enable, AProfileThatChanged_LeavesNothingOfTheEarlierOne) {
  EngineHost box(test::docker_home());
  const auto before = box.now();
  ASSERT_TRUE(box.enable(home()));
  const auto changed =
      test::home_profile({{{"table", "200"}, {"mark", "0x1900"}, {"priority", "10026"}, {"ports", "25,465"}}});
  const auto report = box.enable(changed);
  ASSERT_TRUE(report) << test::said(report);
  const auto now = box.now();
  EXPECT_EQ(now.find("table 100"), std::string::npos);
  EXPECT_EQ(now.find("lookup 100"), std::string::npos);
  EXPECT_EQ(now.find("mark 0x19 "), std::string::npos);
  EXPECT_TRUE(box.engine.plan(changed, LegacyScripts::kRefuse)->plan.empty());
  ASSERT_TRUE(box.disable(changed));
  EXPECT_EQ(box.now(), before);
}

TEST(Enable, AProfileThatChanged_DoesExactlyWhatPlanSaid) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(home()));
  const auto smaller = test::home_profile({{{"rp_filter", "tunnel"}, {"table", "200"}}});
  const auto plan = box.engine.plan(smaller, LegacyScripts::kRefuse);
  const auto report = box.enable(smaller);
  ASSERT_TRUE(plan && report);
  std::vector<std::string> said;
  std::vector<std::string> done;
  for (const auto& change : plan->plan.changes) {
    said.push_back(describe(change.object));
  }
  for (const auto& change : report->changes) {
    done.push_back(describe(change.object));
  }
  EXPECT_EQ(said, done);
}

TEST(Enable, AfterACrashHalfWay_CompletesAndDisableStillRestores) {
  const auto before = EngineHost(test::bare_home()).now();
  for (std::size_t reached = 1;; ++reached) {
    EngineHost box(test::bare_home());
    struct Crash {};
    box.kernel.before_call = [&](const std::string&) {
      if (box.kernel.calls.size() == reached) {
        throw Crash{};
      }
    };
    bool crashed = false;
    try {
      (void)box.enable(home());
    } catch (const Crash&) {
      crashed = true;
    }
    if (!crashed) {
      EXPECT_GT(reached, 5U);
      return;
    }
    box.kernel.before_call = nullptr;
    if (reached % 2 == 0) {
      ASSERT_TRUE(box.enable(home()));
      EXPECT_TRUE(box.engine.status("mailu-home", {})->as_it_should_be());
    }
    const auto report = box.disable(home());
    ASSERT_TRUE(report) << test::said(report);
    EXPECT_EQ(box.now(), before) << "crashed before call " << reached;
  }
}

TEST(Enable, TheStackIsDown_WhatWasMadeForItsBridgeIsNoDrift) {
  for (const auto& [host, profile] : {std::pair{test::docker_home(), test::home_profile()},
                                      {test::dual_home(), test::home_profile()},
                                      {test::dual_home(), test::dual_home_profile()}}) {
    EngineHost box(host);
    ASSERT_TRUE(box.enable(profile));
    test::remove_link(box.host(), test::kBridge);
    const auto status = box.engine.status(profile.name, {});
    ASSERT_TRUE(status);
    for (const auto& finding : status->findings) {
      EXPECT_EQ(finding.presence, Presence::kPresent) << describe(finding.object) << ": " << finding.detail;
    }
    box.kernel.forget_calls();
    ASSERT_TRUE(box.enable(profile));
    EXPECT_EQ(box.kernel.calls, std::vector<std::string>{});
    test::add_link(box.host(), "br-another", "bridge", "192.168.203.1/24");
    EXPECT_FALSE(box.engine.status(profile.name, {})->as_it_should_be()) << "its IPv6 guard goes by the name";
    ASSERT_TRUE(box.enable(profile));
    EXPECT_TRUE(box.engine.status(profile.name, {})->as_it_should_be());
  }
}

TEST(Enable, BeforeTheSourcesNetworkIsThere_ForwardingIsLeftToWhatBringsIt) {
  auto host = test::hardened_home();
  test::remove_link(host, test::kBridge);
  EngineHost box(host);
  const auto report = box.enable(test::home_profile());
  ASSERT_TRUE(report) << test::said(report);
  EXPECT_EQ(box.host().sysctls.at("net/ipv4/ip_forward"), "0");
  ASSERT_EQ(report->notes.size(), 1U);
  EXPECT_NE(report->notes.front().find("net.ipv4.ip_forward stays 0 as long as"), std::string::npos);
  EXPECT_TRUE(box.engine.status("mailu-home", {})->as_it_should_be());
  test::forward(box.host());  // Docker does
  test::add_link(box.host(), test::kBridge, "bridge", "192.168.203.1/24");
  ASSERT_TRUE(box.enable(test::home_profile()));
  ASSERT_TRUE(box.disable(test::home_profile()));
  EXPECT_EQ(box.host().sysctls.at("net/ipv4/ip_forward"), "1") << "not ours to switch off";
}

TEST(Enable, OtherSourcesWhileTheOldBridgeStands_GuardNothingByIt) {
  EngineHost box(test::dual_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  ASSERT_TRUE(box.enable(test::home_profile({{{"sources", "10.7.0.0/16"}}})));
  for (const auto& rule : box.host().state.rules) {
    EXPECT_TRUE(selectors_of(rule).incoming.empty()) << to_string(rule);
  }
}

TEST(Enable, TheStackWentDownAndForwardingWasSwitchedOff_IsMended) {
  EngineHost box(test::hardened_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  test::remove_link(box.host(), test::kBridge);
  box.host().sysctls["net/ipv4/ip_forward"] = "0";
  EXPECT_FALSE(box.engine.status("mailu-home", {})->as_it_should_be());
  ASSERT_TRUE(box.enable(test::home_profile()));
  EXPECT_EQ(box.host().sysctls.at("net/ipv4/ip_forward"), "1");
}

}  // namespace
}  // namespace smtpegress
