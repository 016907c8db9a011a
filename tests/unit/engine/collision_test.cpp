// Two instances on one host: what they must not have in common is refused before anything is touched, by name.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "support/engine_host.hpp"
#include "support/iptables_text.hpp"

namespace smtpegress {
namespace {

using test::EngineHost;

/// A second instance that has nothing in common with mailu-home but what `settings` say.
Profile second(const std::vector<std::pair<std::string, std::string>>& settings) {
  ProfileOverrides apart{
      {{"sources", "10.7.0.0/16"}, {"table", "200"}, {"mark", "0x1a"}, {"priority", "10026"}, {"ports", "25"}}};
  apart.settings.insert(apart.settings.end(), settings.begin(), settings.end());
  auto profile = test::home_profile(apart);
  profile.name = "second";
  return profile;
}

struct Collision {
  std::string name;
  std::vector<std::pair<std::string, std::string>> settings;
  std::string what;
  std::string mend;
  friend void PrintTo(const Collision& value, std::ostream* out) { *out << value.name; }
};

class Refused : public testing::TestWithParam<Collision> {};

INSTANTIATE_TEST_SUITE_P(
    Collisions, Refused,
    testing::Values(
        Collision{"the_same_source", {{"sources", "192.168.203.0/24"}}, "the same sources and ports", "its own"},
        Collision{"a_part_of_its_source", {{"sources", "192.168.203.64/26"}}, "the same sources and ports", "its own"},
        Collision{"a_network_around_its_source", {{"sources", "192.168.0.0/16"}}, "the same sources", "its own"},
        Collision{"one_of_several_sources", {{"sources", "10.8.0.0/16,192.168.203.0/24"}}, "the same", "its own"},
        Collision{"a_range_around_its_port",
                  {{"sources", "192.168.203.0/24"}, {"ports", "20-30"}},
                  "the same sources and ports",
                  "its own"},
        Collision{"the_same_table", {{"table", "100"}}, "has table 100 too", "--set table="},
        Collision{"the_same_priority", {{"priority", "10025"}}, "has priority 10025 too", "--set priority="},
        Collision{"the_same_mark", {{"mark", "0x19"}}, "mark 0x19, which 0x19 cannot be told from", "--set mark="},
        Collision{"an_overlapping_mark", {{"mark", "0x9/0xf"}}, "mark 0x19, which 0x9/0xf cannot", "--set mark="}),
    [](const auto& parameter) { return parameter.param.name; });

TEST_P(Refused, ByEnableAndByPlan_WithTheOthersName_NothingIsTouched) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  const auto before = box.now();
  const auto record = box.state_file("mailu-home");
  box.kernel.forget_calls();
  const auto profile = second(GetParam().settings);
  const auto enabled = box.enable(profile);
  ASSERT_FALSE(enabled);
  EXPECT_EQ(exit_code_of(enabled.error().kind), 2);
  for (const auto& words :
       {std::string("instance mailu-home"), GetParam().what, GetParam().mend, std::string("Nothing was changed")}) {
    EXPECT_NE(test::said(enabled).find(words), std::string::npos) << test::said(enabled);
  }
  const auto planned = box.engine.plan(profile, LegacyScripts::kRefuse);
  ASSERT_FALSE(planned);
  EXPECT_EQ(test::said(planned), test::said(enabled));
  EXPECT_EQ(box.kernel.calls, std::vector<std::string>{});
  EXPECT_EQ(box.now(), before);
  EXPECT_EQ(box.state_file("mailu-home"), record);
  EXPECT_EQ(*box.store.list(), std::vector<std::string>{"mailu-home"});
}

TEST(Collision, NothingInCommon_BothStand) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  const auto enabled = box.enable(second({}));
  ASSERT_TRUE(enabled) << test::said(enabled);
  EXPECT_TRUE(box.engine.status("mailu-home", {})->as_it_should_be());
  EXPECT_TRUE(box.engine.status("second", {})->as_it_should_be());
}

TEST(Collision, OneSourceWithAPortEach_IsNone) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  const auto enabled = box.enable(second({{"sources", "192.168.203.0/24"}, {"ports", "465"}}));
  ASSERT_TRUE(enabled) << test::said(enabled);
  EXPECT_TRUE(box.engine.status("mailu-home", {})->as_it_should_be());
}

TEST(Collision, ItsOwnRecord_IsNone) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  EXPECT_TRUE(box.enable(test::home_profile({{{"table", "200"}}})));
}

TEST(Collision, HomeAndVpsOnOneHost_ShareNoTableOrPriority) {
  EngineHost box(test::vps());
  ASSERT_TRUE(box.enable(test::vps_profile()));
  const auto enabled = box.enable(second({{"mark", "0x19"}}));
  EXPECT_TRUE(enabled) << test::said(enabled);
}

TEST(Collision, AnUnreadableRecordOfAnother_IsRefusedToo) {  // what it collides with cannot be told
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  const auto before = box.now();
  box.directory.write("state/mailu-home.json", "{");
  const auto enabled = box.enable(second({}));
  ASSERT_FALSE(enabled);
  EXPECT_EQ(enabled.error().kind, ErrorKind::kUsage);
  EXPECT_NE(test::said(enabled).find("instance mailu-home: has a damaged state file"), std::string::npos)
      << test::said(enabled);
  EXPECT_EQ(box.now(), before);
}

Result<ApplyReport> enable_beside(std::string_view iptables) {
  EngineHost box(test::docker_home());
  test::add_iptables(box.host().state.ruleset, iptables);
  const auto before = box.now();
  auto report = box.enable(test::home_profile());
  EXPECT_EQ(report || box.now() == before, true) << "something was touched";
  return report;
}

TEST(Collision, MarksInDifferentBits_AreToldApart) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile({{{"mark", "0x19/0xff"}}})));
  const auto beside = box.enable(second({{"mark", "0x1900/0xff00"}}));
  EXPECT_TRUE(beside) << test::said(beside);
  ASSERT_TRUE(box.engine.disable("second", {}));
  EXPECT_FALSE(box.enable(second({{"mark", "0x9/0xf"}}))) << "these are not";
}

TEST(Collision, APolicyRuleOnOtherBits_IsNotInTheWay) {
  auto host = test::docker_home();
  PolicyRule rule;
  rule.priority = {5210};
  rule.table = kMainTable;
  rule.mark = Mark{0x80000, 0xff0000};
  host.state.rules.insert(host.state.rules.begin() + 1, rule);
  EngineHost box(host);
  const auto enabled = box.enable(test::home_profile({{{"mark", "0x19/0xff"}}}));
  EXPECT_TRUE(enabled) << test::said(enabled);
  EXPECT_TRUE(box.engine.status("mailu-home", {})->as_it_should_be());
}

TEST(Collision, AnotherProgramPutsOurMarkOnItsPackets_IsRefusedByItsRule) {
  for (const auto* mark : {"0x19/0xffffffff", "0x19"}) {
    const auto enabled = enable_beside(fmt::format("*mangle\n-A PREROUTING -i eth7 -j MARK --set-xmark {}\n", mark));
    ASSERT_FALSE(enabled) << mark;
    EXPECT_EQ(exit_code_of(enabled.error().kind), 2);
    const auto said = test::said(enabled);
    EXPECT_NE(said.find("in the way is rule ip mangle PREROUTING: iifname \"eth7\""), std::string::npos) << said;
    EXPECT_NE(said.find("puts our mark on other packets; remove it, or choose another with --set mark="),
              std::string::npos)
        << said;
  }
}

TEST(Collision, AnotherProgramsOwnMarks_AreNone) {
  for (const auto* mark : {"0x1a/0xffffffff", "0x40000/0xff0000", "0x10/0x10"}) {
    EXPECT_TRUE(enable_beside(fmt::format("*mangle\n-A PREROUTING -i eth7 -j MARK --set-xmark {}\n", mark))) << mark;
  }
}

}  // namespace
}  // namespace smtpegress
