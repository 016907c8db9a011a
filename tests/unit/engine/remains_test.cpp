// State files that are lost, damaged or of an earlier boot: what is recognisably ours goes, and nothing else.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "support/engine_host.hpp"

namespace smtpegress {
namespace {

using test::EngineHost;

/// With a table, mark and priority that no shipped profile has, as flags of enable make it.
Profile unusual() {
  return test::home_profile({{{"table", "200"}, {"mark", "0x1a"}, {"priority", "10026"}}});
}
Profile second() {
  auto profile =
      test::home_profile({{{"table", "300"}, {"mark", "0x1b"}, {"priority", "10027"}, {"sources", "10.7.0.0/16"}}});
  profile.name = "second";
  return profile;
}

std::string state_of(const EngineHost& box, const std::string& name) {
  return box.store.directory() + "/" + name + ".json";
}
void lose(const EngineHost& box, const std::string& name) {
  std::filesystem::remove(state_of(box, name));
}
void damage(EngineHost& box, const std::string& name) {
  box.directory.write("state/" + name + ".json", box.state_file(name).substr(0, 100));
}
bool stands(const EngineHost& box, std::string_view text) {
  return box.now().find(text) != std::string::npos;
}
/// The host but for its sysctls, whose former values a lost state file takes with it.
std::string objects(const EngineHost& box) {
  const auto text = box.now();
  return text.substr(0, text.find("sysctl "));
}
bool notes_say(const std::vector<std::string>& notes, std::string_view text) {
  return std::ranges::any_of(notes, [&](const auto& note) { return note.find(text) != std::string::npos; });
}
bool nothing_of_ours_stands(const EngineHost& box) {
  return !stands(box, "smtp-egress") && !stands(box, "proto 25");
}

TEST(Remains, NeverEnabled_AnotherInstanceWithTheSameTableAndMark_IsLeftAlone) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  const auto before = box.now();
  auto other = test::home_profile({{{"sources", "10.7.0.0/16"}}});
  other.name = "other";
  const auto report = box.engine.disable("other", other);
  ASSERT_TRUE(report) << test::said(report);
  EXPECT_FALSE(report->was_enabled);
  EXPECT_EQ(box.now(), before);
}

class Forgotten : public testing::TestWithParam<bool> {
 protected:
  static bool damaged() { return GetParam(); }
  static void forget(EngineHost& box, const std::string& name) { damaged() ? damage(box, name) : lose(box, name); }
};
INSTANTIATE_TEST_SUITE_P(State, Forgotten, testing::Bool(),
                         [](const auto& parameter) { return parameter.param ? "damaged" : "lost"; });

TEST_P(Forgotten, EnabledWithFlags_DisableFindsRuleAndRoutesByItsMark) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(unusual()));
  forget(box, "mailu-home");
  const auto report = box.engine.disable("mailu-home", test::home_profile());
  ASSERT_TRUE(report) << test::said(report);
  EXPECT_TRUE(report->was_enabled);
  EXPECT_TRUE(nothing_of_ours_stands(box)) << box.now();
  EXPECT_TRUE(notes_say(report->notes, damaged() ? "was damaged, and is now" : "was gone"));
  EXPECT_TRUE(notes_say(report->notes, "is not known, so they stay as they are"));
}

TEST_P(Forgotten, NoProfileOfThatName_DisableGoesByTheTable) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(unusual()));
  forget(box, "mailu-home");
  const auto report = box.engine.disable("mailu-home", std::nullopt);
  ASSERT_TRUE(report) << test::said(report);
  EXPECT_TRUE(nothing_of_ours_stands(box)) << box.now();
}

TEST_P(Forgotten, TheTableIsGoneToo_RoutesAndRuleOfAnotherInstanceStay) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(second()));
  const auto before = objects(box);
  ASSERT_TRUE(box.enable(test::home_profile()));
  std::erase_if(box.host().state.ruleset.chains,
                [](const auto& c) { return c.key.table.name == "smtp-egress-mailu-home"; });
  std::erase_if(box.host().state.ruleset.tables, [](const auto& t) { return t.name == "smtp-egress-mailu-home"; });
  forget(box, "mailu-home");
  ASSERT_TRUE(box.engine.disable("mailu-home", test::home_profile()));
  EXPECT_EQ(objects(box), before);
}

TEST_P(Forgotten, TwoInstances_EachDisableTakesItsOwn) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(unusual()));
  const auto first_alone = objects(box);
  ASSERT_TRUE(box.enable(second()));
  forget(box, "mailu-home");
  forget(box, "second");
  ASSERT_TRUE(box.engine.disable("second", std::nullopt));
  EXPECT_EQ(objects(box), first_alone);
  ASSERT_TRUE(box.engine.disable("mailu-home", std::nullopt));
  EXPECT_TRUE(nothing_of_ours_stands(box)) << box.now();
}

TEST_P(Forgotten, Enable_ReplacesWhatStandsAndSaysWhatIsNotKnown) {
  EngineHost box(test::docker_home());
  const auto before = box.now();
  ASSERT_TRUE(box.enable(unusual()));
  forget(box, "mailu-home");
  const auto report = box.enable(test::home_profile());
  ASSERT_TRUE(report) << test::said(report);
  EXPECT_FALSE(stands(box, "lookup 200")) << box.now();
  EXPECT_FALSE(stands(box, "table 200")) << box.now();
  EXPECT_TRUE(notes_say(report->notes, "what stood before the first enable is not known, so disable will leave "));
  EXPECT_TRUE(notes_say(report->notes, "net.ipv4.ip_forward=1"));
  ASSERT_TRUE(box.disable(test::home_profile()));
  EXPECT_TRUE(nothing_of_ours_stands(box));
  EXPECT_NE(box.now(), before) << "nobody knows the sysctls' former values";
}

TEST_P(Forgotten, Status_ShowsTheKernelsView) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  forget(box, "mailu-home");
  const auto report = box.engine.status("mailu-home", test::home_profile());
  ASSERT_TRUE(report) << test::said(report);
  EXPECT_TRUE(std::ranges::all_of(report->findings, [](const auto& f) { return f.presence == Presence::kPresent; }));
  EXPECT_EQ(report->as_it_should_be(), !damaged()) << "a damaged state file is to be looked at";
  EXPECT_EQ(report->problem.find("is damaged: its checksum") != std::string::npos, damaged()) << report->problem;
}

TEST(Remains, AnotherInstanceIsForgotten_ItsTableAndPriorityAreNotTaken) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(unusual()));
  lose(box, "mailu-home");
  const auto before = box.now();
  const std::vector<std::pair<std::string, std::string>> apart{
      {"table", "300"}, {"mark", "0x1b"}, {"priority", "10027"}, {"sources", "10.7.0.0/16"}};
  for (const auto& [key, taken] : {std::pair{"table", "200"}, {"priority", "10026"}}) {
    ProfileOverrides settings{apart};
    settings.settings.emplace_back(key, taken);
    auto profile = test::home_profile(settings);
    profile.name = "second";
    const auto report = box.enable(profile);
    ASSERT_FALSE(report) << key;
    EXPECT_EQ(report.error().kind, ErrorKind::kUsage);
    EXPECT_NE(test::said(report).find("whose state file is lost: `smtp-egress disable mailu-home` first"),
              std::string::npos)
        << test::said(report);
    EXPECT_EQ(box.now(), before);
  }
  EXPECT_TRUE(box.enable(second())) << "beside it";
}

TEST(Remains, AVpsAndAHomeForgotten_TheSameMark_TheVpsTakesNothingOfTheHomes) {
  EngineHost box(test::docker_home());
  const auto vps = test::vps_profile({{{"sources", "10.9.0.0/24"}}});
  ASSERT_TRUE(box.enable(test::home_profile()));
  const auto of_home = box.host().state.rules;
  const auto routes_of_home = box.host().state.routes;
  const auto enabled = box.enable(vps);
  ASSERT_TRUE(enabled) << test::said(enabled);
  for (const auto* name : {"mailu-home", "mailu-vps"}) {
    ASSERT_TRUE(box.store.remove(name));
  }
  ASSERT_TRUE(box.engine.disable("mailu-vps", vps));
  EXPECT_EQ(box.host().state.rules, of_home);
  EXPECT_EQ(box.host().state.routes, routes_of_home);
  ASSERT_TRUE(box.engine.disable("mailu-home", test::home_profile()));
  EXPECT_EQ(box.now().find("proto 25"), std::string::npos);
}

TEST(Remains, ADamagedFile_IsKeptBesideTheNewOne) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  damage(box, "mailu-home");
  const auto damaged = box.state_file("mailu-home");
  ASSERT_TRUE(box.enable(test::home_profile()));
  EXPECT_EQ(box.directory.read("state/mailu-home.json.damaged-1"), damaged);
  EXPECT_TRUE(box.store.load("mailu-home")->has_value());
}

TEST(Remains, ADamagedFileAndAnEnableThatFails_IsKeptAndNamed) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(unusual()));
  damage(box, "mailu-home");
  const auto before = box.now();
  box.kernel.forget_calls();
  box.kernel.fault = {2, ENOBUFS};
  const auto report = box.enable(test::home_profile());
  ASSERT_FALSE(report);
  EXPECT_NE(test::said(report).find("mailu-home.json.damaged-1"), std::string::npos) << test::said(report);
  EXPECT_EQ(box.now(), before);
}

TEST(Remains, TheRulesetWasFlushedToo_StatusStillShowsWhatStands) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  lose(box, "mailu-home");
  box.host().state.ruleset = {};  // nft flush ruleset
  const auto status = box.engine.status("mailu-home", test::home_profile());
  ASSERT_TRUE(status) << test::said(status);
  EXPECT_FALSE(status->as_it_should_be());
  ASSERT_TRUE(box.engine.disable("mailu-home", test::home_profile()));
  EXPECT_TRUE(nothing_of_ours_stands(box)) << box.now();
  EXPECT_EQ(box.engine.status("mailu-home", test::home_profile()).error().kind, ErrorKind::kNotEnabled);
}

TEST(Remains, AStateOfAnEarlierBoot_IsNotBelieved) {
  EngineHost box(test::docker_home());
  const auto fresh = box.now();
  StateStore earlier(box.store.directory(), {"an earlier boot", {}});
  ASSERT_TRUE(Engine(box.kernel, earlier, [] { return test::kNow; }, {}).enable(unusual(), LegacyScripts::kRefuse));
  box.kernel.host = test::docker_home();  // the reboot
  box.host().sysctls["net/ipv4/conf/all/rp_filter"] = "1";
  const auto status = box.engine.status("mailu-home", test::home_profile());
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().kind, ErrorKind::kNotEnabled);
  const auto disabled = box.engine.disable("mailu-home", test::home_profile());
  ASSERT_TRUE(disabled) << test::said(disabled);
  EXPECT_FALSE(disabled->was_enabled);
  EXPECT_EQ(box.host().sysctls.at("net/ipv4/conf/all/rp_filter"), "1") << "not to what another boot's record says";
  ASSERT_TRUE(box.enable(test::home_profile()));
  ASSERT_TRUE(box.disable(test::home_profile()));
  EXPECT_EQ(box.host().sysctls.at("net/ipv4/conf/all/rp_filter"), "1");
  box.host().sysctls["net/ipv4/conf/all/rp_filter"] = "0";
  EXPECT_EQ(box.now(), fresh);
}

}  // namespace
}  // namespace smtpegress
