#include "smtpegress/profile.hpp"

#include <gtest/gtest.h>

#include "support/hosts.hpp"

namespace smtpegress {
namespace {

constexpr std::string_view kHome = R"({"side": "home", "sources": ["192.168.203.0/24"]})";
constexpr std::string_view kVps = R"({"side": "vps", "sources": ["192.168.203.0/24"]})";

Profile parsed(std::string_view json, const ProfileOverrides& overrides = {}) {
  auto profile = parse_profile("x", "x.json", json, overrides);
  EXPECT_TRUE(profile) << profile.error().message();
  return profile.value_or(Profile{});
}

TEST(Profile, TheShippedStackProfiles_AreTheScriptsOwnValues) {
  const auto home = test::home_profile();
  EXPECT_EQ(home.side, Side::kHome);
  EXPECT_EQ(home.tunnel.str(), "wg0");
  EXPECT_EQ(home.sources, std::vector{test::prefix("192.168.203.0/24")});
  EXPECT_EQ(home.ports, (std::vector{PortRange{25, 25}}));
  EXPECT_EQ(home.mark, (Mark{0x19, 0xffffffff}));
  EXPECT_EQ(home.table, TableId{100});
  EXPECT_EQ(home.priority, RulePriority{10025});
  EXPECT_EQ(home.rp_filter, RpFilterScope::kAll);
  const auto vps = test::vps_profile();
  EXPECT_EQ(vps.side, Side::kVps);
  EXPECT_EQ(vps.wan, std::nullopt);
  EXPECT_EQ(vps.public_ip, std::nullopt);
}

TEST(Profile, TheShippedGenericProfiles_NeedASubnetAndTakeOne) {
  for (const auto* name : {"home", "vps"}) {
    EXPECT_THROW((void)test::shipped_profile(name), std::runtime_error);
    EXPECT_EQ(test::shipped_profile(name, {{{"sources", "10.9.0.0/24"}}}).sources,
              std::vector{test::prefix("10.9.0.0/24")});
  }
}

TEST(Profile, WhatIsLeftOut_IsTheScriptsValue) {
  const auto home = parsed(kHome);
  auto shipped = test::home_profile();
  shipped.name = "x";
  shipped.description = "";
  EXPECT_EQ(home, shipped);
  EXPECT_EQ(parsed(kVps).table, TableId{}) << "the VPS side has no table";
}

TEST(Profile, NumbersMayBeTexts) {
  EXPECT_EQ(
      parsed(R"({"side": "home", "sources": ["10.0.0.0/8"], "ports": ["25", 465], "mark": 25, "table": "200"})").ports,
      (std::vector{PortRange{25, 25}, PortRange{465, 465}}));
  EXPECT_EQ(parsed(R"({"side": "home", "sources": ["10.0.0.0/8"], "mark": 25, "table": "200"})").table, TableId{200});
}

TEST(Profile, Auto_LeavesItToTheHost) {
  const auto vps = parsed(R"({"side": "vps", "sources": ["10.0.0.0/8"], "wan": "auto", "public_ip": "auto"})");
  EXPECT_EQ(vps.wan, std::nullopt);
  EXPECT_EQ(vps.public_ip, std::nullopt);
}

TEST(Profile, Probe_NamesMailServers_AndIsWrittenBack) {
  const std::vector<MailServer> both{{"mx.example.org", {}}, {"2001:db8::25", 25}};
  const auto home =
      parsed(R"({"side": "home", "sources": ["10.0.0.0/8"], "probe": ["mx.example.org", "[2001:db8::25]:25"]})");
  EXPECT_EQ(home.probe, both);
  EXPECT_EQ(parsed(profile_to_json(home)).probe, both);
  EXPECT_EQ(parsed(kVps, {{{"probe", "mx.example.org,[2001:db8::25]:25"}}}).probe, both);
  EXPECT_TRUE(parsed(kHome).probe.empty());
}

TEST(Profile, WhatTheDnsIsToSay_IsWrittenBack) {
  const auto home = parsed(
      R"({"side": "home", "sources": ["10.0.0.0/8"], "mail_name": "Mail.example.org.", "mail_domains": ["example.org"],
          "blocklists": ["bl.example.com"]})");
  EXPECT_EQ(home.dns.mail_name, DnsName::parse("mail.example.org").value());
  EXPECT_EQ(parsed(profile_to_json(home)).dns, home.dns);
  EXPECT_EQ(parsed(kVps, {{{"mail_domains", "example.org,example.net"}}}).dns.mail_domains.size(), 2U);
  EXPECT_EQ(parsed(kHome).dns, DnsExpectations{});
  EXPECT_EQ(parsed(profile_to_json(parsed(kHome))).dns, DnsExpectations{});
}

TEST(Profile, Overrides_WinOverTheText) {
  const auto profile = parsed(kHome, {{{"tunnel", "wg7"},
                                       {"sources", "10.1.0.0/16,10.2.0.0/16"},
                                       {"ports", "25,465-466"},
                                       {"mark", "0x20/0xff"},
                                       {"table", "300"},
                                       {"rp_filter", "tunnel"}}});
  EXPECT_EQ(profile.tunnel.str(), "wg7");
  EXPECT_EQ(profile.sources.size(), 2U);
  EXPECT_EQ(profile.ports, (std::vector{PortRange{25, 25}, PortRange{465, 466}}));
  EXPECT_EQ(profile.mark, (Mark{0x20, 0xff}));
  EXPECT_EQ(profile.table, TableId{300});
  EXPECT_EQ(profile.rp_filter, RpFilterScope::kTunnel);
}

TEST(Profile, Overrides_TheLastOfAKeyWins) {
  EXPECT_EQ(parsed(kHome, {{{"table", "300"}, {"table", "301"}}}).table, TableId{301});
}

TEST(Profile, Overrides_AJsonListIsOneToo) {
  EXPECT_EQ(parsed(kHome, {{{"sources", R"(["10.1.0.0/16","10.2.0.0/16"])"}}}).sources.size(), 2U);
  EXPECT_EQ(parsed(kHome, {{{"ports", "26"}}}).ports, (std::vector{PortRange{26, 26}}));
}

TEST(Profile, Overrides_ABrokenValueInTheTextIsReplacedBeforeItIsChecked) {
  EXPECT_EQ(parsed(R"({"side": "home", "sources": ["oops"]})", {{{"sources", "10.0.0.0/8"}}}).sources.size(), 1U);
}

TEST(Profile, Overrides_TheSideDecidesWhichKeysThereMayBe) {
  EXPECT_EQ(parsed(R"({"side": "home", "sources": ["10.0.0.0/8"]})", {{{"side", "vps"}, {"wan", "eth1"}}}).wan->str(),
            "eth1");
}

TEST(Profile, ToJson_ParsesBackToAnEqualOne) {
  const std::vector<Profile> profiles{
      test::home_profile(),
      test::vps_profile(),
      test::home_profile({{{"mark", "0x20/0xff"}, {"rp_filter", "tunnel"}}}),
      test::home_profile({{{"nat", "masquerade"}, {"steering", "rule"}, {"docker", "sidestep"}}}),
      test::home_profile({{{"sources", R"(["10.1.0.0/16", {"docker_network": "mailu_default"}, {"interface": "br0"}])"},
                           {"inbound", "published"}}}),
      test::vps_profile({{{"wan", "ens3"}, {"public_ip", "203.0.113.10"}, {"ports", "25,465-466"}}})};
  for (const auto& profile : profiles) {
    const auto again = parse_profile(profile.name, "again", profile_to_json(profile));
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(*again, profile);
  }
}

TEST(InstanceName, LettersDigitsDotUnderscoreDash) {
  for (const auto* name : {"mailu-home", "a", "A.b_c-9", "0"}) {
    EXPECT_TRUE(check_instance_name(name)) << name;
  }
  EXPECT_TRUE(check_instance_name(std::string(48, 'a')));
}

TEST(InstanceName, AnythingElse_IsRefusedWithWhatIsRight) {
  for (const auto& name : {std::string(), std::string(49, 'a'), std::string("a/b"), std::string(".."),
                           std::string("-x"), std::string("a b"), std::string("ä"), std::string("a\nb")}) {
    const auto checked = check_instance_name(name);
    ASSERT_FALSE(checked) << name;
    EXPECT_NE(
        checked.error().message().find("use letters, digits, '.', '_' and '-', at most 48 bytes, such as mailu-home"),
        std::string::npos);
  }
}

}  // namespace
}  // namespace smtpegress
