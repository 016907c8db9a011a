// What is known of whom before a report is masked.
#include "report/familiar.hpp"

#include <gtest/gtest.h>

#include "support/hosts.hpp"

namespace smtpegress::report {
namespace {

Profile with_tenants() {
  auto profile = test::vps_profile();
  profile.tenants = {{"alice", {}}, {"vps", {}}, {"7", {}}};
  return profile;
}

TEST(Familiar, TenantsAndMailServers_AreKnownByName) {
  auto profile = with_tenants();
  profile.probe = {{"MX.example.org", 25}, {"192.0.2.25", {}}, {"2001:db8::25", {}}};
  const auto known = familiar_with({.profiles = {profile}, .own_names = {"atlas.example.net", "atlas"}});
  const std::map<std::string, std::string> names{
      {"alice", "tenant"}, {"mx.example.org", "server"}, {"atlas.example.net", "host"}, {"atlas", "host"}};
  EXPECT_EQ(known.names, names);
}

TEST(Familiar, TheMailsOwnNames_AreKnown_AlsoFromAFileThatCannotBeRead) {
  const std::map<std::string, std::string> names{{"mail.example.org", "server"}, {"example.org", "domain"}};
  const auto profile = test::vps_profile({{{"mail_name", "Mail.example.org"}, {"mail_domains", R"(["example.org"])"}}});
  EXPECT_EQ(familiar_with({.profiles = {profile}}).names, names);
  EXPECT_EQ(familiar_with({.texts = {R"({"mail_name": "mail.example.org", "mail_domains": ["example.org"], 7)"}}).names,
            names);
}

TEST(Familiar, AFileThatCannotBeRead_TellsItsNamesAllTheSame) {
  const auto known =
      familiar_with({.texts = {R"({"tenants": [{"name": "Alice"}], "probe": ["mx.example.org:25", "mx"])"}});
  const std::map<std::string, std::string> names{{"alice", "tenant"}, {"mx.example.org", "server"}, {"mx", "server"}};
  EXPECT_EQ(known.names, names);
}

/// What `text` is once it is masked by what is known from it.
std::string masked_by_itself(const std::string& text) {
  return Masker(familiar_with({.texts = {text}})).mask(text);
}

TEST(Familiar, AServerThatIsNone_IsKnownByTheNamesInIt) {
  EXPECT_EQ(masked_by_itself(R"("probe": ["mx.example.org:smtp", "mx2.example.org 25", "smtp://mx3.example.org"])"),
            R"("probe": ["{server-1}:smtp", "{server-2} 25", "smtp://{server-3}"])");
  EXPECT_EQ(masked_by_itself(R"("probe": ["mx.example.org:99999", "mx.bücher.example", "192.0.2.25:x"])"),
            R"("probe": ["{server-1}:99999", "{server-2}", "{public4-1}:x"])");
  EXPECT_EQ(
      masked_by_itself(R"("mail_name": "mail.example.org:25", "mail_domains": ["@example.org", "*.example.net"])"),
      R"("mail_name": "{server-1}:25", "mail_domains": ["@{domain-1}", "*.{domain-2}"])");
}

TEST(Familiar, WhatLooksLikeAFullName_IsKnownUnderAnyKey) {
  EXPECT_EQ(masked_by_itself(
                R"({"mailname": "mail.example.org", "probes": ["mx.example.net:25", "smtp://mx.example.com/"]})"),
            R"({"mailname": "{name-1}", "probes": ["{name-2}:25", "smtp://{name-3}/"]})");
  for (const auto* kept :
       {R"("instance": "/srv/example.org/mailu-home.json")", R"("key": "net/ipv4/conf/eth0.100/rp_filter")",
        R"("settings": [["inner.remote", "10.0.1.2"]])", R"("version": "29.1.0", "wg0.conf")"}) {
    EXPECT_EQ(masked_by_itself(kept), kept);
  }
}

TEST(Familiar, ARecordThatIsCutOff_TellsWhatWasSetBesideTheProfile) {
  const std::string record = R"({"asked_for": {"settings": [
    ["mail_name", "mail.example.org"], ["mail_domains", "[\"example.net\"]"], ["probe", "mx"],
    ["tenants", "[{\"name\": \"alice\"}]"]]}, "bo)";
  const std::map<std::string, std::string> names{
      {"mail.example.org", "server"}, {"example.net", "domain"}, {"mx", "server"}, {"alice", "tenant"}};
  EXPECT_EQ(familiar_with({.texts = {record}}).names, names);
}

TEST(Familiar, ANameThatIsWrittenAsEscapes_IsKnown) {
  const std::map<std::string, std::string> names{{"müller.de", "domain"}, {"jürgen", "tenant"}, {"mx", "server"}};
  EXPECT_EQ(familiar_with({.texts = {R"({"mail_domains": ["m\u00fcller.de"], "tenants": [{"n\u0061me": "J\u00fcrgen"}],
                                         "probe": ["m\u0078"]})"}})
                .names,
            names);
  EXPECT_EQ(familiar_with({.texts = {R"([["mail_domains", "[\"m\\u00fcller.de\"]"], ["probe", "mx"],
                                         ["tenants", "[{\"name\": \"J\\u00fcrgen\"}]"]])"}})
                .names,
            names)
      << "a record's settings are texts";
}

TEST(Familiar, AnEscapedLinesEnd_EndsAName) {
  const auto known = familiar_with({.texts = {R"("mail_domains": "example.org\nexample.net")"}});
  EXPECT_TRUE(known.names.contains("example.net"));
  EXPECT_EQ(Masker(known).mask("'example.org\\x0aexample.net'"), "'{domain-1}\\x0a{domain-2}'");
}

TEST(Familiar, ATenantsNameThatIsNone_IsKnownByTheNamesInIt) {
  EXPECT_EQ(masked_by_itself(R"("name": "Alice Miller")"), R"("name": "{tenant-1} {tenant-2}")");
}

TEST(Familiar, Blocklists_AreKnown_TheirFirstLabelMayBeAKey) {
  const std::string zone = "abcd1234efgh5678ijkl9012mn.zen.dq.example.net";
  const std::map<std::string, std::string> names{{zone, "blocklist"}};
  const auto profile = test::vps_profile({{{"blocklists", R"([")" + zone + R"("])"}}});
  EXPECT_EQ(familiar_with({.profiles = {profile}}).names, names);
  EXPECT_EQ(familiar_with({.texts = {R"({"blocklists": [")" + zone + R"("], 7)"}}).names, names);
}

TEST(Familiar, WhatIsCalledLikeAnInterfaceOrAnInstance_Stays) {
  auto profile = with_tenants();
  profile.tenants = {{"alice", {}}, {"bob", {}}};
  profile.tunnel = IfName::parse("alice").value();
  Masker masker(familiar_with({.profiles = {profile}, .own_names = {"Mail2"}, .kept = {"mail2", "Bob"}}));
  EXPECT_EQ(masker.mask("alice bob mail2"), "alice bob mail2");
}

TEST(Familiar, AHostCalledLikeAWordOfTheReport_IsNot) {
  EXPECT_TRUE(familiar_with({.own_names = {"home", "VPS", "mail", ""}}).names.empty());
}

TEST(Familiar, PublicSources_AreKnownWithTheirSidestep) {
  const auto home = test::home_profile({{{"sources", "192.168.203.0/24,2a01:4f8:203::/64,2a01:4f8:204::/64"}}});
  const auto networks = familiar_with({.profiles = {home, home}}).networks;
  ASSERT_EQ(networks.size(), 4U);
  EXPECT_EQ(networks[0].name, "source6-1");
  EXPECT_EQ(networks[0].network, test::prefix("2a01:4f8:203::/64"));
  EXPECT_EQ(networks[1].name, "sidestep6-1");
  EXPECT_EQ(networks[1].network, test::prefix("ea01:4f8:203::/64"));
  EXPECT_EQ(networks[2].name, "source6-2");
}

TEST(Familiar, WherePrivateSourcesRepliesSidestepDocker_Stays) {
  const auto home = test::home_profile({{{"sources", "192.168.203.0/24"}}});
  EXPECT_EQ(Masker(familiar_with({.profiles = {home}})).mask("240.168.203.9 240.168.204.9"),
            "240.168.203.9 {sidestep4-unknown-1}");
}

}  // namespace
}  // namespace smtpegress::report
