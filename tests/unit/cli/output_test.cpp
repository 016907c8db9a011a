#include "cli/output.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "support/engine_host.hpp"

namespace smtpegress::cli {
namespace {

using nlohmann::json;
using test::EngineHost;

Options options_of(std::string command) {
  Options options;
  options.command_name = std::move(command);
  options.instance = "mailu-home";
  options.format = Format::kJson;
  return options;
}

/// Parsed, with what every document must have.
json document(const std::string& text, std::string_view command, int exit_code) {
  const auto parsed = json::parse(text);
  EXPECT_EQ(parsed.at("version"), 1);
  EXPECT_EQ(parsed.at("command"), command);
  EXPECT_EQ(parsed.at("ok"), exit_code == 0);
  EXPECT_EQ(parsed.at("exit"), exit_code);
  EXPECT_TRUE(text.ends_with("}\n"));
  return parsed;
}

class Output : public testing::Test {
 protected:
  EngineHost box_{test::docker_home()};
  Profile profile_ = test::home_profile();
};

TEST_F(Output, Json_EnableAndDisable) {
  const auto enabled = box_.enable(profile_);
  auto parsed = document(apply_json(options_of("enable"), *enabled, 0), "enable", 0);
  EXPECT_EQ(parsed.at("instance"), "mailu-home");
  EXPECT_EQ(parsed.at("side"), "home");
  EXPECT_EQ(parsed.at("changed"), true);
  EXPECT_EQ(parsed.at("was_enabled"), false);
  EXPECT_EQ(parsed.at("changes").size(), enabled->changes.size());
  EXPECT_EQ(parsed.at("changes").at(0).at("verb"), "create");
  EXPECT_EQ(parsed.at("changes").at(0).at("kind"), "table");
  EXPECT_TRUE(parsed.at("waiting").is_array() && parsed.at("notes").is_array());
  parsed = document(apply_json(options_of("enable"), *box_.enable(profile_), 0), "enable", 0);
  EXPECT_EQ(parsed.at("changed"), false);
  EXPECT_EQ(parsed.at("was_enabled"), true);
  parsed = document(apply_json(options_of("disable"), *box_.disable(profile_), 0), "disable", 0);
  EXPECT_EQ(parsed.at("changed"), true);
}

TEST_F(Output, Json_Plan) {
  auto parsed =
      document(plan_json(options_of("plan"), *box_.engine.plan(profile_, LegacyScripts::kRefuse), 0), "plan", 0);
  EXPECT_FALSE(parsed.at("changes").empty());
  EXPECT_FALSE(parsed.at("changes").at(0).at("reason").get<std::string>().empty());
  test::add_home_scripts(box_.host());
  parsed = document(plan_json(options_of("plan"), *box_.engine.plan(profile_, LegacyScripts::kRefuse), 0), "plan", 0);
  EXPECT_EQ(parsed.at("legacy").size(), 7U);
}

TEST_F(Output, Json_StatusAndVerify) {
  ASSERT_TRUE(box_.enable(profile_));
  auto parsed = document(status_json(options_of("status"), *box_.engine.status("mailu-home", {}), 0), "status", 0);
  for (const auto& object : parsed.at("objects")) {
    EXPECT_EQ(object.at("state"), "present");
  }
  EXPECT_EQ(parsed.at("problem"), "");
  test::set_link_down(box_.host(), "wg0");
  parsed = document(status_json(options_of("status"), *box_.engine.status("mailu-home", {}), 1), "status", 1);
  EXPECT_NE(parsed.dump().find("\"waiting\""), std::string::npos);
  parsed = document(verify_json(options_of("verify"), *box_.engine.verify("mailu-home", {}), 1), "verify", 1);
  EXPECT_EQ(parsed.at("checks").at(0).at("outcome"), "failed");
  EXPECT_FALSE(parsed.at("checks").at(0).at("mend").get<std::string>().empty());
  const auto& path = parsed.at("path");
  EXPECT_EQ(path.front(), json::parse(R"({"id": "sender", "way": "out", "name": "192.168.203.0/24", "outcome": "ok",
                                          "seen": "", "checks": ["sources"], "mend": ""})"));
  const auto broken = std::ranges::find(path, "broken", [](const json& hop) { return hop.at("outcome"); });
  EXPECT_EQ(broken->at("id"), "tunnel");
  EXPECT_EQ(broken->at("seen"), "wg0 is down");
  EXPECT_EQ(broken->at("mend"), "`ip link set wg0 up`");
  EXPECT_EQ(path.back().at("way"), "back");
}

TEST_F(Output, Json_AnError) {
  const Error error = system_error("add route", "default", EPERM, "no", "run it as root").error();
  const auto parsed = document(error_json(options_of("enable"), error, 4), "enable", 4);
  EXPECT_EQ(parsed.at("error").at("kind"), "permission");
  EXPECT_EQ(parsed.at("error").at("errno"), EPERM);
  EXPECT_EQ(parsed.at("error").at("message"), error.message());
  EXPECT_EQ(parsed.at("error").at("kernel"), "no");
}

TEST_F(Output, Json_EachKindOfErrorHasItsName) {
  for (const auto& [kind, name] :
       {std::pair(ErrorKind::kUsage, "usage"), std::pair(ErrorKind::kNotEnabled, "not-enabled"),
        std::pair(ErrorKind::kPermission, "permission"), std::pair(ErrorKind::kKernel, "kernel"),
        std::pair(ErrorKind::kDamaged, "damaged"), std::pair(ErrorKind::kElsewhere, "elsewhere"),
        std::pair(ErrorKind::kStale, "stale")}) {
    Error error;
    error.kind = kind;
    EXPECT_EQ(json::parse(error_json(options_of("enable"), error, 2)).at("error").at("kind"), name);
  }
}

TEST_F(Output, Json_BytesThatAreNoText_AreReplaced) {
  EXPECT_NO_THROW(
      (void)document(error_json(options_of("enable"), usage_error("read", "\xff", "\xfe").error(), 2), "enable", 2));
}

TEST_F(Output, Text_Profiles_StandInColumnsHoweverLongTheirNames) {
  const auto text = profiles_text({{{"vps", "/x/vps.json", true}, profile_, "needs --subnet CIDR", false},
                                   {{"docker-mailserver-home", "/x/y.json", true}, profile_, "", true}});
  EXPECT_EQ(text, "vps                             " + profile_.description +
                      "\n                                /x/vps.json\n                                needs --subnet "
                      "CIDR\ndocker-mailserver-home enabled  " +
                      profile_.description + "\n                                /x/y.json\n");
}

TEST_F(Output, Json_Profiles) {
  const auto parsed = document(
      profiles_json(options_of("profiles"), {{{"mailu-home", "/x/mailu-home.json", true}, profile_, "", true}}),
      "profiles", 0);
  EXPECT_EQ(parsed.at("profiles").at(0).at("enabled"), true);
  EXPECT_EQ(parsed.at("profiles").at(0).at("shipped"), true);
  const auto unread =
      document(profiles_json(options_of("profiles"), {{{"mine", "/x/mine.json", false}, {}, "no", {}}}), "profiles", 0);
  EXPECT_TRUE(unread.at("profiles").at(0).at("side").is_null());
  EXPECT_TRUE(unread.at("profiles").at(0).at("enabled").is_null());
}

TEST_F(Output, Json_Error_HasTheMembersOfAll) {
  const auto parsed = document(error_json(options_of("verify"), usage_error("read", "x", "y").error(), 2), "verify", 2);
  EXPECT_EQ(parsed.at("instance"), "mailu-home");
  EXPECT_TRUE(parsed.at("side").is_null());
}

/// One good file, one with two mistakes, one that cannot be read.
std::vector<CheckedFile> checked_files() {
  return {{"/x/good.json", {}},
          {"/x/bad.json", check_profile("/x/bad.json", R"({"side": "home", "mark": 0})")},
          {"/x/closed.json", {{{}, system_error("read profile", "/x/closed.json", EACCES).error()}}},
          {"/x/a b.json", {{{}, check_instance_name("a b").error()}}}};
}

TEST_F(Output, Json_Check) {
  const auto parsed = document(check_json(options_of("check"), checked_files(), 2), "check", 2);
  EXPECT_FALSE(parsed.contains("instance"));
  const auto& files = parsed.at("files");
  ASSERT_EQ(files.size(), 4U);
  EXPECT_EQ(files[0], (json{{"path", "/x/good.json"}, {"ok", true}, {"errors", json::array()}}));
  EXPECT_EQ(files[1].at("ok"), false);
  ASSERT_EQ(files[1].at("errors").size(), 2U);
  EXPECT_EQ(files[1].at("errors")[0].at("key"), "mark");
  EXPECT_EQ(files[1].at("errors")[0].at("message"),
            parse_profile("bad", "/x/bad.json", R"({"side": "home", "mark": 0})").error().message());
  EXPECT_EQ(files[1].at("errors")[1].at("key"), "sources");
  EXPECT_EQ(files[2].at("errors")[0].at("kind"), "permission");
  EXPECT_EQ(files[2].at("errors")[0].at("key"), "");
}

TEST_F(Output, Text_Check_ALineForEachMistakeAndForEachGoodFile) {
  const std::string mistakes =
      "/x/bad.json: key 'mark': '0': is mark 0, which every unmarked packet has; choose another, such as 0x19\n"
      "/x/bad.json: key 'sources': names no network; give the mail stack's, such as --subnet 192.168.203.0/24\n"
      "/x/closed.json: Permission denied (EACCES)\n"
      "/x/a b.json: instance name 'a b': use letters, digits, '.', '_' and '-', at most 48 bytes, such as mailu-home\n";
  EXPECT_EQ(check_text(checked_files(), Verbosity::kNormal), "/x/good.json: as it should be\n" + mistakes);
  EXPECT_EQ(check_text(checked_files(), Verbosity::kQuiet), mistakes);
  EXPECT_EQ(check_text({{"/x/\x1b[2J.json", {}}}, Verbosity::kNormal), "/x/\\x1b[2J.json: as it should be\n");
}

TEST_F(Output, Text_EnableTellsTheThreeOutcomesApart) {
  EXPECT_TRUE(enable_text(*box_.enable(profile_), Verbosity::kNormal)
                  .starts_with("mailu-home enabled: tcp/25 from 192.168.203.0/24"));
  EXPECT_NE(enable_text(*box_.enable(profile_), Verbosity::kNormal).find("nothing changed"), std::string::npos);
  box_.host().sysctls["net/ipv4/conf/all/rp_filter"] = "0";
  EXPECT_TRUE(enable_text(*box_.enable(profile_), Verbosity::kNormal).starts_with("mailu-home mended (1 change):"));
}

TEST_F(Output, Text_WaitingSaysThatItIsClosed) {
  test::remove_link(box_.host(), "wg0");
  const auto text = enable_text(*box_.enable(profile_), Verbosity::kNormal);
  EXPECT_NE(text.find("mailu-home: closed."), std::string::npos) << text;
  EXPECT_NE(text.find("the tunnel wg0 does not exist"), std::string::npos) << text;
}

TEST_F(Output, Text_PlanInTheWay) {
  auto rule = test::script_policy_rule();
  rule.protocol = {99};
  box_.host().state.rules.push_back(rule);
  const auto text = plan_text(*box_.engine.plan(profile_, LegacyScripts::kRefuse));
  EXPECT_TRUE(text.starts_with("mailu-home: enable would refuse, and change nothing:\n")) << text;
  EXPECT_NE(text.find("10025: from all fwmark 0x19 lookup 100 proto 99"), std::string::npos) << text;
}

TEST_F(Output, Text_PlanOfAnEnabledHost_NothingToDo) {
  ASSERT_TRUE(box_.enable(profile_));
  EXPECT_EQ(plan_text(*box_.engine.plan(profile_, LegacyScripts::kRefuse)),
            "mailu-home: nothing to do, everything is as it should be.\n");
}

TEST_F(Output, Text_StatusShowsEveryObject) {
  ASSERT_TRUE(box_.enable(profile_));
  auto text = status_text(*box_.engine.status("mailu-home", {}));
  EXPECT_TRUE(text.starts_with("mailu-home (home): as it should be\n")) << text;
  for (const auto* what :
       {"10025: from all fwmark 0x19 lookup 100", "default dev wg0 table 100", "unreachable default", "guard",
        "ip filter DOCKER-USER", "ip raw PREROUTING", "net.ipv4.ip_forward = 1", "packets"}) {
    EXPECT_NE(text.find(what), std::string::npos) << what << "\n" << text;
  }
  box_.host().sysctls["net/ipv4/ip_forward"] = "0";
  text = status_text(*box_.engine.status("mailu-home", {}));
  EXPECT_TRUE(text.starts_with("mailu-home (home): NOT as it should be\n")) << text;
}

TEST_F(Output, Text_VerifyNamesTheMend) {
  ASSERT_TRUE(box_.enable(profile_));
  box_.host().wireguards.at("wg0").peers[0].last_handshake = 0;
  const auto text = verify_text(*box_.engine.verify("mailu-home", {}), {});
  EXPECT_TRUE(text.starts_with("mailu-home (home): 1 check failed\n")) << text;
  EXPECT_NE(text.find("FAILED   the tunnel's last handshake is recent"), std::string::npos) << text;
  EXPECT_NE(text.find("mend: "), std::string::npos) << text;
  EXPECT_NE(text.find("\n      X   X   tunnel      peer peer-key= has never answered\n"), std::string::npos) << text;
  EXPECT_LT(text.find(" tunnel "), text.find("FAILED   ")) << "the picture comes first\n" << text;
  EXPECT_TRUE(std::ranges::all_of(text, [](unsigned char byte) { return byte < 0x80; })) << text;
}

TEST(PairText, TheVerdictCountsWhatWasNotAsked) {
  PairReport report{.here = {}, .there = setup::Descriptor{}, .checks = {}};
  report.here.instance = "mailu-home";
  report.there->instance = "mailu-vps";
  const auto verdict = [&](std::vector<Outcome> outcomes) {
    report.checks.clear();
    for (const auto outcome : outcomes) {
      report.checks.push_back({.id = "x", .title = "x", .outcome = outcome, .detail = {}, .mend = {}});
    }
    const auto text = pair_text(report);
    return text.substr(0, text.find('\n'));
  };
  using enum Outcome;
  EXPECT_EQ(verdict({kPassed, kPassed}), "mailu-home and mailu-vps: the two ends fit");
  EXPECT_EQ(verdict({kPassed, kSkipped}),
            "mailu-home and mailu-vps: the two ends fit as far as asked, 1 check skipped");
  EXPECT_EQ(verdict({kFailed, kSkipped, kSkipped}), "mailu-home and mailu-vps: 1 check failed, 2 checks skipped");
  EXPECT_EQ(verdict({kFailed, kFailed}), "mailu-home and mailu-vps: 2 checks failed");
}

TEST_F(Output, Text_DisableOfWhatIsNotEnabled) {
  EXPECT_EQ(disable_text(*box_.engine.disable("mailu-home", profile_), Verbosity::kNormal),
            "mailu-home is not enabled: nothing to take back.\n");
}

}  // namespace
}  // namespace smtpegress::cli
