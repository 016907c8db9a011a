// What a report is made of, and that each part stands for itself.
#include "cli/support_report.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "support/engine_host.hpp"

namespace smtpegress::cli {
namespace {

using test::EngineHost;

class SupportReportTest : public testing::Test {
 protected:
  SupportReportTest() {
    std::filesystem::create_directory(box_.directory.file("etc"));
    box_.directory.write("etc/mailu-home.json",
                         R"({"side": "home", "sources": ["192.168.203.0/24"], "description": "Alice's"})");
    ::setenv("SMTP_EGRESS_CONFIG_DIR", box_.directory.file("etc").c_str(), 1);
    files_.emplace();
  }
  ~SupportReportTest() override { ::unsetenv("SMTP_EGRESS_CONFIG_DIR"); }
  SupportReportTest(const SupportReportTest&) = delete;
  SupportReportTest& operator=(const SupportReportTest&) = delete;

  Result<SupportReport> collect(const Subject& subject) { return collect_report(informants({"atlas"}), subject); }
  Informants informants(const std::vector<std::string>& own_names) {
    parts_.state = box_.host().state;
    return {box_.engine, box_.kernel, box_.store, *files_, [this] { return parts_; }, test::kNow, own_names};
  }
  [[nodiscard]] Subject enabled() const { return {"mailu-home", "mailu-home", profile_}; }

  static const report::Section& section(const SupportReport& report, std::string_view id) {
    static const report::Section kNone;
    const auto found = std::ranges::find(report.sections, id, &report::Section::id);
    EXPECT_NE(found, report.sections.end()) << id;
    return found == report.sections.end() ? kNone : *found;
  }

  EngineHost box_{test::docker_home()};
  ObservedParts parts_{};  ///< its errors are what a look at the host ends with
  Profile profile_ = test::home_profile();
  std::optional<ProfileFiles> files_;
};

TEST_F(SupportReportTest, OfAnEnabledInstance_HasEveryPartWithoutAnError) {
  ASSERT_TRUE(box_.enable(profile_));
  const auto report = collect(enabled());
  ASSERT_TRUE(report) << test::said(report);
  std::vector<std::string> ids;
  for (const auto& part : report->sections) {
    ids.push_back(part.id);
    EXPECT_EQ(part.error, "") << part.id;
    EXPECT_FALSE(part.lines.empty()) << part.id;
  }
  EXPECT_EQ(ids, (std::vector<std::string>{"program", "host", "profile", "state", "plan", "status", "verify",
                                           "neighbours", "interfaces", "policy-rules", "routes", "sysctls", "wireguard",
                                           "flows", "nftables", "iptables-legacy"}));
}

TEST_F(SupportReportTest, TheTunnelsEnd_HasOneWordInEveryPart) {
  ASSERT_TRUE(box_.enable(profile_));
  box_.host().wireguards.at("wg0").peers.front().endpoint = "203.0.113.10:51820";
  const auto text = report_text(*collect(enabled()));
  EXPECT_FALSE(text.contains("203.0.113.10"));
  const auto word = text.find("endpoint {public4-1}:51820");
  EXPECT_NE(word, std::string::npos) << text;
  EXPECT_LT(text.find("{public4-1}"), word) << "verify tells of it, too";
}

TEST_F(SupportReportTest, APersonsOwnWordsAndThisHostsName_AreNotTold) {
  ASSERT_TRUE(box_.enable(test::home_profile({{{"description", "on atlas"}}})));
  const auto text = report_text(*collect(enabled()));
  EXPECT_FALSE(text.contains("Alice"));
  EXPECT_FALSE(text.contains("atlas"));
  EXPECT_TRUE(text.contains(R"("description": "...")"));
}

TEST_F(SupportReportTest, ADescriptionThatWasSetBesideTheProfile_IsNotToldEither) {
  profile_ = test::home_profile({{{"description", "Alice Miller's"}}});
  profile_.asked_for = {"mailu-home", {{{"description", "Alice Miller's"}}}};
  ASSERT_TRUE(box_.enable(profile_));
  box_.host().state.rules.clear();  // so that status says how to mend it
  const auto text = report_text(*collect(enabled()));
  EXPECT_TRUE(text.contains("smtp-egress enable mailu-home")) << text;
  EXPECT_FALSE(text.contains("Alice")) << text;
}

TEST_F(SupportReportTest, AProfileBehindALinkThatCannotBeRead_IsSearchedForNamesToo) {
  box_.directory.write("broken.json", R"({"probe": ["mx.example.org"], "tenants": [{"name": "alice"}], 7)");
  std::filesystem::remove(box_.directory.file("etc/mailu-home.json"));
  std::filesystem::create_symlink("../broken.json", box_.directory.file("etc/mailu-home.json"));
  const auto report = collect({"mailu-home", "mailu-home", {}, {}});
  ASSERT_TRUE(report) << test::said(report);
  EXPECT_EQ(section(*report, "profile").lines.at(1),
            R"({"probe": ["{server-1}"], "tenants": [{"name": "{tenant-1}"}], 7)");
}

TEST_F(SupportReportTest, NamesThatAProfileWritesAsEscapes_AreNotTold) {
  box_.directory.write("etc/mailu-home.json", R"({"side": "vps", "mail_domains": ["m\u00fcller.de"],
                                                  "tenants": [{"name": "J\u00fcrgen", "sources": ["10.1.0.0/16"]}],
                                                  "descr\u0069ption": "Alice's"})");
  const auto report = collect({"mailu-home", "mailu-home", {}, {}});
  ASSERT_TRUE(report) << test::said(report);
  const auto text = report_text(*report);
  for (const auto* hidden : {"müller.de", R"(m\u00fcller.de)", "00fcller", "Jürgen", R"(J\u00fcrgen)", "Alice"}) {
    EXPECT_FALSE(text.contains(hidden)) << hidden << " in " << text;
  }
  EXPECT_TRUE(text.contains(R"("mail_domains": ["{domain-1}"])")) << text;
  EXPECT_TRUE(text.contains("key 'mail_domains': '{domain-1}': is no domain name")) << text;
  EXPECT_TRUE(section(*report, "plan").error.contains("'{domain-1}': is no domain name")) << text;
}

TEST_F(SupportReportTest, ADescriptionThatIsNoText_IsNotTold) {
  for (const auto* words : {R"(["Alice Miller's box", "+49 30 1234"])", R"({"Alice": 1, "Alice": "+49 30 1234"})"}) {
    box_.directory.write("etc/mailu-home.json",
                         std::string(R"({"side": "home", "sources": ["10.1.0.0/16"], "description": )") + words + "}");
    const auto report = collect({"mailu-home", "mailu-home", {}, {}});
    ASSERT_TRUE(report) << test::said(report);
    const auto text = report_text(*report);
    EXPECT_FALSE(text.contains("Alice") || text.contains("+49 30")) << text;
    EXPECT_TRUE(text.contains("mistake: ") && text.contains("key 'description': is ")) << text;
    EXPECT_TRUE(section(*report, "plan").error.contains("; write a text")) << text;
  }
}

TEST_F(SupportReportTest, WhereAPublicSourcesRepliesSidestepDocker_IsMaskedWhereThePlanAloneKnowsIt) {
  auto profile = test::home_profile({{{"sources", R"([{"docker_network": "mail"}])"}, {"docker", "sidestep"}}});
  box_.docker_networks["mail"] = {test::prefix("2a01:4f8:203::/64")};
  box_.host().state.addresses.clear();
  const auto text = report_text(*collect({"mailu-home", "mailu-home", profile, {}}));
  EXPECT_FALSE(text.contains("4f8:203")) << text;
  EXPECT_TRUE(text.contains("{sidestep6-1}")) << text;
}

TEST_F(SupportReportTest, WhatAnInterfaceOrThisInstanceIsCalled_IsMaskedNowhere) {
  ASSERT_TRUE(box_.enable(test::home_profile()));
  const auto report = collect_report(informants({"mailu-home", "wg0", "docker0"}), enabled());
  ASSERT_TRUE(report) << test::said(report);
  EXPECT_FALSE(report_text(*report).contains("{host-"));
}

TEST_F(SupportReportTest, WhatCannotBeObserved_LeavesTheOtherParts) {
  ASSERT_TRUE(box_.enable(profile_));
  parts_.ruleset = system_error("read ruleset", "", EPROTONOSUPPORT).error();
  const auto report = collect(enabled());
  ASSERT_TRUE(report) << test::said(report);
  EXPECT_TRUE(section(*report, "nftables").error.contains("EPROTONOSUPPORT"));
  EXPECT_FALSE(section(*report, "interfaces").lines.empty());
  EXPECT_FALSE(section(*report, "routes").lines.empty());
}

TEST_F(SupportReportTest, WhereNobodyKnowsWhatIsEnabled_SaysWhyAndTellsTheRest) {
  Subject nobody;
  nobody.problem = system_error("read state directory", "/run/smtp-egress", ENOTDIR).error();
  const auto report = collect(nobody);
  ASSERT_TRUE(report) << test::said(report);
  EXPECT_TRUE(section(*report, "state").error.contains("ENOTDIR"));
  EXPECT_TRUE(section(*report, "verify").error.contains("ENOTDIR"));
  EXPECT_FALSE(section(*report, "interfaces").lines.empty());
}

TEST_F(SupportReportTest, AStateDirectoryThatCannotBeListed_IsSaid) {
  box_.directory.write("state", "a file");
  EXPECT_TRUE(section(*collect(enabled()), "state").lines.front().contains("ENOTDIR"));
}

TEST_F(SupportReportTest, OthersNames_ForgeNoPartAndCommandNoTerminal) {
  ASSERT_TRUE(box_.enable(profile_));
  auto& ruleset = box_.host().state.ruleset;
  const nft::TableKey table{nft::Family::kInet, "x\n== verify: forged\xc2\x9b"};
  ruleset.tables.push_back(table);
  nft::ObservedChain chain;
  chain.key = {table, "c\n== status: forged\x1b[2J"};
  chain.hook = {nft::ChainType::kFilter, nft::Hook::kForward, -200, nft::Policy::kDrop};
  chain.devices = {{.name = "d\n== plan: forged"}};
  ruleset.chains.push_back(chain);
  const auto text = report_text(*collect(enabled()));
  EXPECT_TRUE(text.contains("x\\x0a== verify: forged\\xc2\\x9b c\\x0a== status: forged\\x1b[2J"));
  EXPECT_FALSE(text.contains(": forged\n"));
  EXPECT_FALSE(text.contains("\n== status: forged") || text.contains("\n== plan: forged")) << text;
  EXPECT_FALSE(text.contains("\x1b") || text.contains("\xc2\x9b"));
}

TEST_F(SupportReportTest, WhereNothingIsEnabled_ThePlanIsWhatEnableWouldDo) {
  const auto report = collect(enabled());
  ASSERT_TRUE(report);
  EXPECT_TRUE(section(*report, "plan").lines.front().contains("changes to make"));
  EXPECT_TRUE(section(*report, "status").error.contains("is not enabled"));
  EXPECT_TRUE(section(*report, "state").error.contains("ENOENT"));
  EXPECT_FALSE(section(*report, "nftables").lines.empty());
}

TEST_F(SupportReportTest, OfNoInstance_TellsOfTheHost) {
  const auto report = collect({});
  ASSERT_TRUE(report) << test::said(report);
  EXPECT_TRUE(section(*report, "verify").error.contains("no instance is enabled or configured"));
  EXPECT_FALSE(section(*report, "interfaces").lines.empty());
}

TEST_F(SupportReportTest, ADamagedStateFile_IsShownAndCannotActOnATerminal) {
  ASSERT_TRUE(box_.enable(profile_));
  box_.directory.write("state/mailu-home.json", "{\x1b[2J 198.41.0.4 \"description\": \"Alice");
  const auto report = collect(enabled());
  ASSERT_TRUE(report) << test::said(report);
  EXPECT_TRUE(section(*report, "state").error.contains("is damaged"));
  EXPECT_EQ(section(*report, "state").lines.back(), "{\\x1b[2J {public4-1} \"description\": \"...");
  EXPECT_TRUE(section(*report, "status").lines.front().contains("NOT as it should be"));
}

TEST_F(SupportReportTest, AWireGuardThatFails_LeavesTheOtherParts) {
  ASSERT_TRUE(box_.enable(profile_));
  box_.kernel.wireguard_errnum = EIO;
  const auto report = collect(enabled());
  ASSERT_TRUE(report) << test::said(report);
  EXPECT_TRUE(section(*report, "wireguard").lines.front().contains("EIO"));
  EXPECT_FALSE(section(*report, "nftables").lines.empty());
}

TEST_F(SupportReportTest, NothingIsChanged) {
  ASSERT_TRUE(box_.enable(profile_));
  const auto before = box_.now();
  box_.kernel.forget_calls();
  ASSERT_TRUE(collect(enabled()));
  EXPECT_TRUE(box_.kernel.calls.empty());
  EXPECT_EQ(box_.now(), before);
}

TEST_F(SupportReportTest, Json_HasTheSameParts) {
  ASSERT_TRUE(box_.enable(profile_));
  const auto report = collect(enabled());
  ASSERT_TRUE(report);
  Options options;
  options.command_name = "report";
  const auto document = nlohmann::json::parse(report_json(options, *report, 0));
  EXPECT_EQ(document.at("version"), 1);
  EXPECT_EQ(document.at("instance"), "mailu-home");
  EXPECT_EQ(document.at("side"), "home");
  ASSERT_EQ(document.at("sections").size(), report->sections.size());
  for (std::size_t i = 0; i < report->sections.size(); ++i) {
    EXPECT_EQ(document.at("sections").at(i).at("id"), report->sections[i].id);
    EXPECT_EQ(document.at("sections").at(i).at("lines").size(), report->sections[i].lines.size());
  }
  EXPECT_EQ(nlohmann::json::parse(report_json(options, *collect({}), 0)).at("side"), nullptr);
}

}  // namespace
}  // namespace smtpegress::cli
