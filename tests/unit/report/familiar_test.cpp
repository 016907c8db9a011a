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
      familiar_with({.texts = {R"({"tenants": [{"name": "Alice"}], "probe": ["mx.example.org:25", "a b"])"}});
  const std::map<std::string, std::string> names{{"alice", "tenant"}, {"mx.example.org", "server"}, {"a b", "server"}};
  EXPECT_EQ(known.names, names);
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

}  // namespace
}  // namespace smtpegress::report
