#include "cli/options.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

namespace smtpegress::cli {
namespace {

std::variant<Options, int> parse(std::vector<const char*> words) {
  words.insert(words.begin(), "smtp-egress");
  return parse_options(static_cast<int>(words.size()), words.data());
}

Options options(const std::vector<const char*>& words) {
  auto parsed = parse(words);
  EXPECT_TRUE(std::holds_alternative<Options>(parsed));
  return std::holds_alternative<Options>(parsed) ? std::get<Options>(parsed) : Options{};
}

int exit_of(const std::vector<const char*>& words) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  auto parsed = parse(words);
  (void)testing::internal::GetCapturedStdout();
  (void)testing::internal::GetCapturedStderr();
  return std::holds_alternative<int>(parsed) ? std::get<int>(parsed) : -1;
}

std::string told(const std::vector<const char*>& words) {
  testing::internal::CaptureStderr();
  (void)parse(words);
  return testing::internal::GetCapturedStderr();
}

TEST(Options, EveryCommand) {
  EXPECT_EQ(options({"enable", "x"}).command, Command::kEnable);
  EXPECT_EQ(options({"disable", "x"}).command, Command::kDisable);
  EXPECT_EQ(options({"status", "x"}).command, Command::kStatus);
  EXPECT_EQ(options({"verify", "x"}).command, Command::kVerify);
  EXPECT_EQ(options({"plan", "x"}).command, Command::kPlan);
  EXPECT_EQ(options({"profiles"}).command, Command::kProfiles);
  EXPECT_EQ(options({"check"}).command, Command::kCheck);
  EXPECT_EQ(options({"enable", "x"}).command_name, "enable");
}

TEST(Options, TheInstanceMayBeLeftOut) {
  EXPECT_EQ(options({"status"}).instance, "");
  EXPECT_EQ(options({"status", "mailu-home"}).instance, "mailu-home");
}

TEST(Options, Verify_ProbesOnlyWhereItIsTold) {
  EXPECT_FALSE(options({"verify", "mailu-home"}).probe.asked);
  const auto bare = options({"verify", "mailu-home", "--probe"}).probe;
  EXPECT_TRUE(bare.asked);
  EXPECT_TRUE(bare.servers.empty());
  const auto named = options({"verify", "mailu-home", "--probe", "mx.example.org", "--probe", "192.0.2.25:26",
                              "[2001:db8::25]:25", "--probe-timeout", "2.5"});
  EXPECT_EQ(named.instance, "mailu-home");
  EXPECT_EQ(named.probe.servers,
            (std::vector<MailServer>{{"mx.example.org", {}}, {"192.0.2.25", 26}, {"2001:db8::25", 25}}));
  EXPECT_EQ(named.probe.patience, std::chrono::milliseconds(2500));
  EXPECT_EQ(bare.patience, std::chrono::seconds(10));
  EXPECT_EQ(exit_of({"verify", "x", "--probe", "a b"}), 2);
  EXPECT_EQ(exit_of({"verify", "x", "--probe", "mx", "--probe-timeout", "0"}), 2);
  EXPECT_EQ(exit_of({"status", "x", "--probe", "mx"}), 2);
}

TEST(Options, Verify_LooksUpOnlyWhereItIsTold) {
  EXPECT_FALSE(options({"verify", "mailu-home"}).dns.asked);
  const auto bare = options({"verify", "--dns", "mailu-home"});
  EXPECT_TRUE(bare.dns.asked);
  EXPECT_EQ(bare.instance, "mailu-home");
  EXPECT_EQ(bare.dns.instead, DnsExpectations{});
  EXPECT_EQ(bare.dns.patience, std::chrono::seconds(10));
  const auto named = options({"verify", "--dns", "--mail-name", "mail.example.org", "--mail-domain", "example.org",
                              "--mail-domain", "example.net", "--blocklist", "bl.example.com", "--resolver",
                              "192.0.2.53@5353", "--trust-anchor", "root.key", "--dns-timeout", "2.5"});
  EXPECT_EQ(named.dns.instead.mail_name, DnsName::parse("mail.example.org").value());
  EXPECT_EQ(named.dns.instead.mail_domains.size(), 2U);
  EXPECT_EQ(named.dns.instead.blocklists.size(), 1U);
  EXPECT_EQ(named.dns.resolvers, std::vector<std::string>{"192.0.2.53@5353"});
  EXPECT_EQ(named.dns.trust_anchor, "root.key");
  EXPECT_EQ(named.dns.patience, std::chrono::milliseconds(2500));
  EXPECT_EQ(exit_of({"verify", "x", "--mail-name", "mail.example.org"}), 2);
  EXPECT_EQ(options({"verify", "--dns", "--mail-domain", "example.org", "mailu-home"}).instance, "mailu-home");
  EXPECT_EQ(exit_of({"verify", "x", "--dns", "--mail-name", "mail"}), 2);
  EXPECT_EQ(options({"verify", "--dns", "--address", "203.0.113.10"}).dns.addresses.size(), 1U);
  EXPECT_EQ(exit_of({"verify", "x", "--dns", "--address", "mail.example.org"}), 2);
  EXPECT_EQ(exit_of({"verify", "x", "--dns", "--resolver", "ns.example.org"}), 2);
  EXPECT_EQ(exit_of({"verify", "x", "--dns", "--dns-timeout", "0"}), 2);
  EXPECT_EQ(exit_of({"status", "x", "--dns"}), 2);
}

TEST(Options, Check_TakesAnyNumberOfNamesAndPaths) {
  EXPECT_EQ(options({"check"}).files, std::vector<std::string>{});
  EXPECT_EQ(options({"check", "mailu-home", "./a.json", "--json", "b.json"}).files,
            (std::vector<std::string>{"mailu-home", "./a.json", "b.json"}));
  EXPECT_EQ(options({"check", "mailu-home"}).instance, "") << "it is about files, not an instance";
  EXPECT_EQ(exit_of({"check", "x", "--tunnel", "wg0"}), 2);
}

TEST(Options, GlobalOptionsBeforeAndAfterTheCommand) {
  EXPECT_EQ(options({"--json", "status"}).format, Format::kJson);
  EXPECT_EQ(options({"status", "--json"}).format, Format::kJson);
  EXPECT_EQ(options({"enable", "x", "-q"}).verbosity, Verbosity::kQuiet);
  EXPECT_EQ(options({"-v", "enable", "x"}).verbosity, Verbosity::kVerbose);
  EXPECT_EQ(options({"status"}).verbosity, Verbosity::kNormal);
}

TEST(Options, OverridesBecomeSettingsOfTheProfile) {
  const auto given =
      options({"enable", "x", "--tunnel", "wg7", "--subnet", "10.1.0.0/16", "--subnet", "10.2.0.0/16", "--wan", "ens3",
               "--public-ip", "203.0.113.10", "--set", "table=200", "--set", "mark=0x20/0xff"});
  const std::vector<std::pair<std::string, std::string>> wanted{
      {"tunnel", "wg7"}, {"sources", R"(["10.1.0.0/16","10.2.0.0/16"])"},
      {"wan", "ens3"},   {"public_ip", "203.0.113.10"},
      {"table", "200"},  {"mark", "0x20/0xff"}};
  EXPECT_EQ(given.overrides.settings, wanted);
  EXPECT_TRUE(options({"enable", "x"}).overrides.empty());
}

TEST(Options, TheInstanceMayComeBehindAnOptionOfTheProfile) {
  for (const auto& pair :
       {std::pair{"--subnet", "10.1.0.0/16"}, {"--docker-network", "mailu"}, {"--set", "table=200"}}) {
    const auto given = options({"enable", pair.first, pair.second, "home"});
    EXPECT_EQ(given.instance, "home") << pair.first;
    EXPECT_EQ(given.overrides.settings.size(), 1U) << pair.first;
  }
}

TEST(Options, AWrongCommandIsNamedWhateverComesBeforeIt) {
  EXPECT_NE(told({"--state-dir", "/tmp/x", "enabl"}).find("there is no command 'enabl'"), std::string::npos);
  EXPECT_NE(told({"enabl", "mailu-home"}).find("there is no command 'enabl'"), std::string::npos);
}

TEST(Options, AWrongWord_TheDocumentNamesItsCommand) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  (void)parse({"--json", "enable", "mailu-home", "--nonsense"});
  (void)testing::internal::GetCapturedStderr();
  const auto document = nlohmann::json::parse(testing::internal::GetCapturedStdout());
  EXPECT_EQ(document.at("command"), "enable");
  EXPECT_TRUE(document.at("side").is_null());
}

TEST(Options, ASettingKeepsItsEqualsSigns) {
  EXPECT_EQ(options({"plan", "x", "--set", "description=a=b"}).overrides.settings.at(0).second, "a=b");
}

TEST(Options, TakeOver) {
  EXPECT_EQ(options({"enable", "x", "--take-over"}).legacy, LegacyScripts::kTakeOver);
  EXPECT_EQ(options({"plan", "x"}).legacy, LegacyScripts::kRefuse);
}

TEST(Options, WrongUsage_IsExitTwoAndOneLine) {
  const std::vector<std::vector<const char*>> wrong{{},
                                                    {"enabel", "x"},
                                                    {"enable", "x", "--nonsense"},
                                                    {"enable", "x", "--set", "table"},
                                                    {"enable", "x", "--set", "=1"},
                                                    {"status", "x", "--tunnel", "wg0"},
                                                    {"enable", "x", "y"},
                                                    {"-q", "-v", "status"},
                                                    {"enable", "x", "--tunnel"},
                                                    {"disable", "x", "--take-over"}};
  for (const auto& words : wrong) {
    EXPECT_EQ(exit_of(words), 2);
    const auto text = told(words);
    EXPECT_TRUE(text.starts_with("smtp-egress: ")) << text;
    EXPECT_EQ(std::ranges::count(text, '\n'), 1) << text;
  }
}

TEST(Options, WrongUsage_WithJsonAnywhere_IsADocumentToo) {
  const std::vector<std::vector<const char*>> wrong{{"--json"},
                                                    {"--json", "enabel", "x"},
                                                    {"enable", "x", "--nonsense", "--json"},
                                                    {"enable", "x", "--set", "table", "--json"},
                                                    {"-q", "-v", "status", "--json"}};
  for (const auto& words : wrong) {
    testing::internal::CaptureStdout();
    const auto message = told(words);
    const auto document = nlohmann::json::parse(testing::internal::GetCapturedStdout(), nullptr, false);
    ASSERT_TRUE(document.is_object()) << message;
    EXPECT_EQ(document["version"], 1);
    EXPECT_EQ(document["ok"], false);
    EXPECT_EQ(document["exit"], 2);
    EXPECT_EQ(document["error"]["kind"], "usage");
    const auto said = document["error"]["message"].get<std::string>();
    EXPECT_FALSE(said.empty());
    EXPECT_NE(message.find(said), std::string::npos) << message << " is not " << said;
  }
}

TEST(Options, WrongUsage_WithoutJson_LeavesStdoutEmpty) {
  testing::internal::CaptureStdout();
  (void)told({"enabel", "x"});
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
}

TEST(Options, AnEmptyTunnel_IsPassedOn) {  // not taken for one that was not given: the profile refuses it by its key
  const std::vector<std::pair<std::string, std::string>> wanted{{"tunnel", ""}};
  EXPECT_EQ(options({"enable", "x", "--tunnel", ""}).overrides.settings, wanted);
  EXPECT_EQ(exit_of({"enable", "x", "--tunnel="}), 2);
}

TEST(Options, Init_TakesASideANameAndWhatAProfileTakes) {
  const auto given = options({"init", "vps", "mine", "--yes", "--print", "--force", "--from-home", "-", "--wg-conf",
                              "/x.conf", "--wan", "ens3"});
  EXPECT_EQ(given.command, Command::kInit);
  EXPECT_EQ(given.setup.side, "vps");
  EXPECT_EQ(given.instance, "mine");
  EXPECT_TRUE(given.setup.yes && given.setup.print && given.setup.force);
  EXPECT_EQ(given.setup.from_home, "-");
  EXPECT_EQ(given.setup.wg_conf, "/x.conf");
  EXPECT_EQ(given.overrides.settings, (std::vector<std::pair<std::string, std::string>>{{"wan", "ens3"}}));
  EXPECT_EQ(options({"init", "home"}).instance, "");
  for (const auto& wrong : std::vector<std::vector<const char*>>{{"init"},
                                                                 {"init", "here"},
                                                                 {"init", "home", "a", "b"},
                                                                 {"init", "home", "--take-over"},
                                                                 {"pair", "--yes"}}) {
    EXPECT_EQ(exit_of(wrong), 2);
  }
}

TEST(Options, Pair_TakesTheOtherEnd) {
  const auto given = options({"pair", "mine", "--with", "-"});
  EXPECT_EQ(given.command, Command::kPair);
  EXPECT_EQ(given.instance, "mine");
  EXPECT_EQ(given.setup.with, "-");
  EXPECT_EQ(options({"pair"}).setup.with, "");
}

TEST(Options, Report_GoesToStandardOutputUnlessAFileIsNamed) {
  const auto plain = options({"report"});
  EXPECT_EQ(plain.command, Command::kReport);
  EXPECT_EQ(plain.report.output, "");
  const auto filed = options({"report", "mailu-home", "-o", "report.txt", "--force"});
  EXPECT_EQ(filed.instance, "mailu-home");
  EXPECT_EQ(filed.report.output, "report.txt");
  EXPECT_EQ(filed.report.existing, Existing::kReplace);
  EXPECT_EQ(options({"report", "--output", "-"}).report.existing, Existing::kRefuse);
  EXPECT_EQ(exit_of({"report", "--force"}), 2) << "there is no file to replace";
  EXPECT_EQ(exit_of({"report", "--output", ""}), 2) << "an unset variable of a script's";
}

TEST(Options, HelpAndVersion_AreExitZero) {
  EXPECT_EQ(exit_of({"init", "--help"}), 0);
  EXPECT_EQ(exit_of({"--help"}), 0);
  EXPECT_EQ(exit_of({"--version"}), 0);
  EXPECT_EQ(exit_of({"enable", "--help"}), 0);
}

TEST(Options, StateDirectory_OptionThenEnvironmentThenRun) {
  ::unsetenv("SMTP_EGRESS_STATE_DIR");
  EXPECT_EQ(options({"status"}).state_dir, "/run/smtp-egress");
  ::setenv("SMTP_EGRESS_STATE_DIR", "/tmp/elsewhere", 1);
  EXPECT_EQ(options({"status"}).state_dir, "/tmp/elsewhere");
  EXPECT_EQ(options({"status", "--state-dir", "/tmp/here"}).state_dir, "/tmp/here");
  ::unsetenv("SMTP_EGRESS_STATE_DIR");
}

TEST(Options, Trace_TakesATimeANumberAndAKnock) {
  const auto plain = options({"trace", "mine"});
  EXPECT_EQ(plain.command, Command::kTrace);
  EXPECT_EQ(plain.follow.seconds, 10U);
  EXPECT_EQ(plain.follow.packets, 0U);
  EXPECT_FALSE(plain.follow.probe);
  const auto all = options({"trace", "--probe", "--to", "192.0.2.25:25", "--seconds", "3", "--packets", "7"});
  EXPECT_TRUE(all.follow.probe);
  EXPECT_EQ(all.follow.to, "192.0.2.25:25");
  EXPECT_EQ(all.follow.seconds, 3U);
  EXPECT_EQ(all.follow.packets, 7U);
}

}  // namespace
}  // namespace smtpegress::cli
