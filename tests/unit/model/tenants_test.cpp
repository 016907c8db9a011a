// Tenants: what their profile may say, and what becomes of it.
#include "model/tenants.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "support/engine_host.hpp"

namespace smtpegress {
namespace {

using test::prefix;

constexpr std::string_view kAlice = R"({"name": "alice", "sources": ["192.168.203.0/24"]})";
constexpr std::string_view kBob =
    R"({"name": "bob", "sources": ["172.22.1.0/24"], "tunnel": "wg1", "public_ip": "203.0.113.11"})";

std::string vps_of(std::string_view tenants, std::string_view more = "") {
  return fmt::format(R"({{"side": "vps", "tenants": [{}]{}}})", tenants, more);
}
std::string refusal(const std::string& json) {
  const auto profile = parse_profile("x", "x.json", json);
  return profile ? "accepted" : profile.error().message();
}
Profile many(std::size_t count) {
  std::string tenants;
  for (std::size_t i = 0; i < count; ++i) {
    tenants +=
        fmt::format(R"({}{{"name": "t{}", "sources": ["10.{}.{}.0/24"]}})", i == 0 ? "" : ",", i, i >> 8U, i & 0xffU);
  }
  return parse_profile("many", "many.json", vps_of(tenants)).value();
}

TEST(TenantsProfile, WhatATenantLeavesOut_IsTheProfiles) {
  const auto profile = parse_profile(
      "x", "x.json", vps_of(fmt::format("{}, {}", kAlice, kBob), R"(, "tunnel": "wg7", "public_ip": "203.0.113.10")"));
  ASSERT_TRUE(profile) << test::said(profile);
  ASSERT_EQ(profile->tenants.size(), 2U);
  EXPECT_EQ(tunnel_of(*profile, profile->tenants[0]).str(), "wg7");
  EXPECT_EQ(public_address_of(*profile, profile->tenants[0], IpFamily::kV4), test::address("203.0.113.10"));
  EXPECT_EQ(tunnel_of(*profile, profile->tenants[1]).str(), "wg1");
  EXPECT_EQ(public_address_of(*profile, profile->tenants[1], IpFamily::kV4), test::address("203.0.113.11"));
  EXPECT_EQ(profile->sources, (std::vector{prefix("172.22.1.0/24"), prefix("192.168.203.0/24")}));
}

TEST(TenantsProfile, WrittenAndReadAgain_IsTheSame) {
  const auto carol = R"({"name": "carol", "sources": ["10.8.0.2", "fd00:8::/64"], "public_ip6": "2001:db8::8"})";
  const auto profile = parse_profile("x", "x.json", vps_of(fmt::format("{}, {}, {}", kAlice, kBob, carol))).value();
  EXPECT_EQ(parse_profile("x", "x.json", profile_to_json(profile)), profile);
}

TEST(TenantsProfile, EachMistake_NamesItsTenant) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {R"({"sources": ["10.0.0.0/24"]})", "tenant 1: has no name"},
      {R"({"name": "a b", "sources": ["10.0.0.0/24"]})", "tenant 1: 'a b'"},
      {R"({"name": "a"})", "tenant 'a': has no sources"},
      {R"({"name": "a", "sources": []})", "tenant 'a': sources []: is empty; give its networks"},
      {R"({"name": "a", "sources": ["0.0.0.0/0"]})", "tenant 'a': '0.0.0.0/0': is the whole internet"},
      {R"({"name": "a", "sources": [{"interface": "br0"}]})", "tenant 'a'"},
      {R"({"name": "a", "sources": ["10.0.0.0/24"], "public_ip": 7})", "or leave it out"},
      {R"({"name": "a", "sources": ["10.0.0.0/24"], "public_ip": "auto"})", "or leave it out"},
      {R"({"name": "a", "sources": ["10.0.0.0/24"], "public_ip": "2001:db8::1"})", "IPv6's key is public_ip6"},
      {R"({"name": "a", "sources": ["10.0.0.0/24"], "tunnel": "wg/0"})", "tenant 'a'"},
      {R"({"name": "a", "sources": ["10.0.0.0/24"], "tunnel": "lo"})", "tenant 'a': tunnel lo: is no tunnel"},
      {R"({"name": "a", "sources": ["10.0.0.0/24"], "mark": 7})", "a tenant has name, sources, tunnel"},
      {R"({"name": "a", "sources": ["10.0.0.0/24"], "sources": ["10.0.1.0/24"]})",
       "key 'sources' of item 1: stands there twice"},
      {R"("alice")", "tenant 1"},
      {R"({"name": "a", "sources": ["10.0.0.0/24", "10.0.0.0/25"]})", "tenant 'a': 10.0.0.0/25: overlaps 10.0.0.0/24"},
      {fmt::format("{0}, {0}", kAlice), "tenant 'alice': is there twice"},
      {fmt::format(R"({}, {{"name": "b", "sources": ["192.168.0.0/16"]}})", kAlice),
       "tenant 'alice': 192.168.203.0/24: overlaps 192.168.0.0/16 of tenant 'b'"},
  };
  for (const auto& [tenants, words] : cases) {
    EXPECT_NE(refusal(vps_of(tenants)).find(words), std::string::npos) << tenants << "\n" << refusal(vps_of(tenants));
  }
}

TEST(TenantsProfile, WhatDoesNotGoTogether_IsRefused) {
  EXPECT_NE(refusal(vps_of(kAlice, R"(, "sources": ["10.0.0.0/8"])")).find("a profile has one or the other"),
            std::string::npos);
  EXPECT_NE(refusal(vps_of(kAlice, R"(, "wan": "wg0")")).find("or the WAN"), std::string::npos);
  EXPECT_NE(refusal(vps_of("")).find("names no network"), std::string::npos);
  EXPECT_NE(refusal(R"({"side": "vps", "tenants": {}})").find("write a list like"), std::string::npos);
  EXPECT_NE(refusal(fmt::format(R"({{"side": "home", "tenants": [{}]}})", kAlice)).find("belongs to the VPS side"),
            std::string::npos);
}

TEST(TenantsProfile, EveryOverlap_IsToldOnce) {
  const auto mistakes = check_profile(
      "x.json",
      vps_of(
          R"({"name": "a", "sources": ["10.0.0.0/8", "10.1.0.0/16"]}, {"name": "b", "sources": ["10.1.2.0/24", "11.0.0.0/8"]})"));
  EXPECT_EQ(mistakes.size(), 2U);
}

TEST(NetworkIndex, FindsWhatOverlapsAndNothingElse) {
  const std::vector networks{prefix("10.2.0.0/16"), prefix("10.0.0.0/24"), prefix("fd00::/64"), prefix("10.1.0.7/32")};
  const NetworkIndex index(networks);
  EXPECT_EQ(index.overlapping(prefix("10.2.3.0/24")), 0U);  // a part of one
  EXPECT_EQ(index.overlapping(prefix("10.1.0.0/16")), 3U);  // has one
  EXPECT_EQ(index.overlapping(prefix("10.0.0.0/24")), 1U);  // is one
  EXPECT_TRUE(index.overlapping(prefix("10.0.0.0/8")));     // has several
  EXPECT_EQ(index.containing(test::address("fd00::5")), 2U);
  EXPECT_EQ(index.containing(test::address("10.2.255.255")), 0U);
  for (const auto* other : {"10.0.1.0", "10.1.0.6", "10.1.0.8", "10.3.0.0", "9.255.255.255", "fd00:0:0:1::", "::"}) {
    EXPECT_FALSE(index.containing(test::address(other))) << other;
  }
  EXPECT_FALSE(NetworkIndex({}).overlapping(prefix("0.0.0.0/0")));
}

TEST(LowerTenants, RulesAreAsManyForTwoAsForThousands) {
  const auto vps = test::vps();
  const auto lowered = [&](std::size_t count) {
    const auto profile = many(count);
    return lower(profile, resolve_host(profile, vps.state).value(), vps.state);
  };
  const auto two = lowered(2);
  const auto thousands = lowered(3'000);
  EXPECT_EQ(two.chains, thousands.chains);
  EXPECT_EQ(two.foreign_rules, thousands.foreign_rules);
  ASSERT_EQ(thousands.sets.size(), 4U);
  EXPECT_EQ(two.sets.size(), 4U);
  EXPECT_EQ(thousands.sets.at(1).elements.size(), 3'000U);
  for (const auto& set : thousands.sets) {
    EXPECT_TRUE(std::ranges::is_sorted(set.elements));
  }
}

TEST(LowerTenants, OneAdmissionInEachForwardChain_HoweverMany) {
  const auto vps = test::vps();
  const auto profile = many(500);
  const auto desired = lower(profile, resolve_host(profile, vps.state).value(), vps.state);
  EXPECT_EQ(desired.foreign_rules.size(), 1U);
}

TEST(SampleOfTenants, IsOneForEachWayInWhichRulesTellThemApart) {
  const auto profile = many(1'000);  // 10.0.0.0/24 to 10.3.231.0/24
  ResolvedHost host;
  host.tenants_snat_to.resize(1'000);
  auto vps = test::vps();
  EXPECT_EQ(sample_of(profile, host, vps.state.ruleset).profile.tenants.size(), 1U);
  auto& forward = test::chain(vps, "filter", "FORWARD");
  const auto drop_from = [&](const char* network) {
    forward.rules.push_back({{{nft::MatchAddress{nft::Side::kSource, prefix(network), nft::Sense::kIs}},
                              {nft::Verdict{nft::VerdictCode::kDrop, {}}},
                              {}},
                             0,
                             0,
                             0});
  };
  drop_from("10.1.0.0/16");     // a part of the tenants
  drop_from("10.1.7.64/26");    // a part of one of those
  drop_from("192.168.0.0/16");  // none of them
  const auto sample = sample_of(profile, host, vps.state.ruleset);
  EXPECT_EQ(sample.profile.sources, (std::vector{prefix("10.0.0.0/24"), prefix("10.1.0.0/24"), prefix("10.1.7.0/24")}));
  EXPECT_EQ(sample.host.tenants_snat_to.size(), 3U);
}

TEST(SampleOfTenants, IsOneForEachWayInWhichTheirPublicAddressesAreToldApart) {
  const auto profile = many(100);
  ResolvedHost host;
  host.tenants_snat_to.resize(100);
  for (std::size_t i = 0; i < 100; ++i) {
    host.tenants_snat_to[i].v4 = test::address(i == 42 ? "203.0.113.11" : "203.0.113.10");
  }
  auto vps = test::vps();
  EXPECT_EQ(sample_of(profile, host, vps.state.ruleset).profile.tenants.size(), 1U);
  test::chain(vps, "filter", "FORWARD")
      .rules.push_back({{{nft::MatchAddress{nft::Side::kDestination, prefix("203.0.113.11/32"), nft::Sense::kIs}},
                         {nft::Verdict{nft::VerdictCode::kDrop, {}}},
                         {}},
                        0,
                        0,
                        0});
  const auto sample = sample_of(profile, host, vps.state.ruleset);
  EXPECT_EQ(sample.profile.sources, (std::vector{prefix("10.0.0.0/24"), prefix("10.0.42.0/24")}));
}

TEST(ResolveTenants, TwoPublicAddressesMappedToOnePrivateOne_AreRefused) {
  auto vps = test::vps();
  std::erase_if(vps.state.addresses, [](const auto& a) { return a.local == test::address("203.0.113.10"); });
  test::add_address(vps, "eth0", "10.9.0.4/24");
  test::add_address(vps, "eth0", "10.9.0.5/24");
  const auto resolved = [&](std::string_view alices, std::string_view bobs) {
    const auto profile =
        parse_profile("x", "x.json",
                      vps_of(fmt::format(R"({{"name": "alice", "sources": ["192.168.203.0/24"], "public_ip": "{}"}},
                               {{"name": "bob", "sources": ["172.22.1.0/24"], "public_ip": "{}"}})",
                                         alices, bobs)));
    return resolve_host(profile.value(), vps.state);
  };
  const auto refused = resolved("203.0.113.10", "203.0.113.11");
  ASSERT_FALSE(refused);
  EXPECT_NE(test::said(refused).find("tenant 'bob': its public address 203.0.113.11 is not on eth0, where another "
                                     "tenant's 203.0.113.10 is taken to be what the provider maps 10.9.0.4 to"),
            std::string::npos)
      << test::said(refused);
  EXPECT_TRUE(resolved("203.0.113.10", "203.0.113.10"));
  const auto named = resolved("10.9.0.4", "10.9.0.5");
  ASSERT_TRUE(named);
  EXPECT_EQ(named->tenants_snat_to.at(1).v4, test::address("10.9.0.5"));
}

TEST(ResolveTenants, ANetworkOnAnothersTunnel_IsRefused) {
  auto vps = test::vps();
  test::add_address(vps, "eth0", "203.0.113.11/24");
  test::add_link(vps, "wg1", "wireguard", "192.168.203.1/24");
  const auto profile = parse_profile("x", "x.json", vps_of(fmt::format("{}, {}", kAlice, kBob))).value();
  const auto resolved = resolve_host(profile, vps.state);
  ASSERT_FALSE(resolved);
  EXPECT_NE(test::said(resolved).find("of wg1: overlaps the source 192.168.203.0/24"), std::string::npos);
}

TEST(SampleOfTenants, EachTunnelIsInIt) {
  const auto profile = parse_profile("x", "x.json", vps_of(fmt::format("{}, {}", kAlice, kBob))).value();
  EXPECT_EQ(sample_of(profile, {}, test::vps().state.ruleset).profile.tenants.size(), 2U);
  const auto single = test::vps_profile();
  EXPECT_EQ(sample_of(single, {}, test::vps().state.ruleset).profile, single);
}

}  // namespace
}  // namespace smtpegress
