// A profile that takes another's place: whatever happens on the way, both can be taken back.
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>

#include "support/engine_host.hpp"

namespace smtpegress {
namespace {

using test::EngineHost;

Profile other_profile() {
  return test::home_profile({{{"mark", "0x21"}, {"table", "200"}, {"priority", "10100"}}});
}

/// As a crash leaves it: both profiles' objects stand, and the record is the one that was written ahead.
void enable_both(EngineHost& box) {
  ASSERT_TRUE(box.enable(other_profile()));
  const auto made = box.host().state;
  ASSERT_TRUE(box.enable(test::home_profile()));
  auto& state = box.host().state;
  const auto is_other = [](const auto& object) { return object.table == TableId{200}; };
  std::ranges::copy_if(made.routes, std::inserter(state.routes, state.routes.begin()), is_other);
  std::ranges::copy_if(made.rules, std::inserter(state.rules, state.rules.begin() + 1), is_other);
  auto record = box.store.load("mailu-home").value().value();
  record.phase = Phase::kEnabling;
  record.former = {other_profile()};
  ASSERT_TRUE(box.store.save(record));
}

TEST(FormerProfile, IsInTheRecordWhileItsObjectsMayStand) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(other_profile()));
  std::vector<Profile> former;
  box.kernel.before_call = [&](const std::string&) { former = box.store.load("mailu-home").value().value().former; };
  ASSERT_TRUE(box.enable(test::home_profile()));
  box.kernel.before_call = {};
  EXPECT_EQ(former, std::vector{other_profile()});
  EXPECT_EQ(box.store.load("mailu-home").value().value().former, std::vector<Profile>{});
}

Profile asked(const std::string& instance, ProfileOverrides overrides = {}) {
  auto profile = test::home_profile(overrides);
  profile.asked_for = {instance, std::move(overrides)};
  return profile;
}

TEST(FormerProfile, EnabledWithoutAnOptionThatWasThereBefore_ANoteTellsTheFormerCommand) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(asked("mailu-home", {{{"mark", "0x21"}}})));
  const auto report = box.enable(asked("mailu-home"));
  ASSERT_TRUE(report) << test::said(report);
  EXPECT_EQ(report->notes,
            std::vector<std::string>{"before this it was enabled as `smtp-egress enable mailu-home --set "
                                     "mark=0x21`, which is no longer so"});
}

TEST(FormerProfile, TheSameByOtherWords_ChangesNothingAndIsToldByTheNewOnes) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(asked("mailu-home")));
  const auto before = box.now();
  const auto report = box.enable(asked("/srv/mailu-home.json"));
  ASSERT_TRUE(report) << test::said(report);
  EXPECT_TRUE(report->changes.empty());
  EXPECT_TRUE(report->notes.empty());
  EXPECT_EQ(box.now(), before);
  EXPECT_EQ(box.store.load("mailu-home").value().value().profile.asked_for.instance, "/srv/mailu-home.json");
}

TEST(FormerProfile, VerifyMendsByTheWordsThatItWasEnabledBy) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(asked("mailu-home", {{{"mark", "0x21"}}})));
  box.host().state.rules.erase(box.host().state.rules.begin() + 1);
  const auto report = box.engine.verify("mailu-home", {});
  ASSERT_TRUE(report) << test::said(report);
  const auto failed = std::ranges::find(report->checks, Outcome::kFailed, &Check::outcome);
  ASSERT_NE(failed, report->checks.end());
  EXPECT_EQ(failed->mend, "`smtp-egress enable mailu-home --set mark=0x21`");
}

TEST(FormerProfile, AnotherPriority_TheRulesThatTheHostDecidesMoveWithTheRest) {
  for (const auto& [host, settings] : {std::pair{test::dual_home(), ProfileOverrides{}},
                                       {test::docker_home(), ProfileOverrides{{{"nat", "masquerade"}}}}}) {
    EngineHost box(host);
    const auto before = box.now();
    ASSERT_TRUE(box.enable(test::home_profile(settings)));
    auto moved = settings;
    moved.settings.emplace_back("priority", "5200");
    const auto report = box.enable(test::home_profile(moved));
    ASSERT_TRUE(report) << test::said(report);
    for (const auto& rule : box.host().state.rules) {
      EXPECT_TRUE(rule.protocol != kOurProtocol || rule.priority == RulePriority{5200}) << to_string(rule);
    }
    EXPECT_TRUE(box.engine.status("mailu-home", {})->as_it_should_be());
    ASSERT_TRUE(box.disable(test::home_profile()));
    EXPECT_EQ(box.now(), before);
  }
}

TEST(FormerProfile, AfterACrashInBetween_DisableTakesBackBoth) {
  EngineHost box(test::docker_home());
  const auto fresh = box.now();
  enable_both(box);
  ASSERT_TRUE(box.disable(test::home_profile()));
  EXPECT_EQ(box.now(), fresh);
}

TEST(FormerProfile, AfterACrashInBetween_EnableCompletesTheChange) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  const auto wanted = box.now();
  ASSERT_TRUE(box.disable(test::home_profile()));
  enable_both(box);
  ASSERT_TRUE(box.enable(test::home_profile()));
  EXPECT_EQ(box.now(), wanted);
}

TEST(FormerProfile, AfterACrashInBetween_EnableOfTheFormerGoesBack) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(other_profile()));
  const auto wanted = box.now();
  ASSERT_TRUE(box.disable(other_profile()));
  enable_both(box);
  ASSERT_TRUE(box.enable(other_profile()));
  EXPECT_EQ(box.now(), wanted);
}

TEST(FormerProfile, AfterACrashInBetween_StatusShowsWhatIsLeftOver) {
  EngineHost box(test::docker_home());
  enable_both(box);
  const auto status = box.engine.status("mailu-home", std::nullopt);
  ASSERT_TRUE(status);
  EXPECT_FALSE(status->as_it_should_be());
  EXPECT_EQ(std::ranges::count_if(status->findings, [](const Finding& f) { return f.detail.starts_with("left over"); }),
            8)
      << "six routes and two rules";
}

}  // namespace
}  // namespace smtpegress
