// All mistakes of a profile at once, the first of them being parse_profile's.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "smtpegress/profile.hpp"

namespace smtpegress {
namespace {

using Told = std::vector<std::pair<std::string, std::string>>;  // key, what is wrong with it

/// Behind the operation and the origin, which all have.
std::string words_of(const Error& error, const std::string& origin) {
  const auto text = error.message();
  const auto head = "read profile " + origin + ": ";
  EXPECT_TRUE(text.starts_with(head)) << text;
  EXPECT_EQ(error.kind, ErrorKind::kUsage);
  return text.substr(head.size());
}

Told told(const std::string& json, const ProfileOverrides& overrides = {}) {
  const auto mistakes = check_profile("x.json", json, overrides);
  const auto profile = parse_profile("x", "x.json", json, overrides);
  EXPECT_EQ(profile.has_value(), mistakes.empty());
  if (!profile && !mistakes.empty()) {
    EXPECT_EQ(profile.error().message(), mistakes.front().error.message());
  }
  Told all;
  for (const auto& mistake : mistakes) {
    all.emplace_back(mistake.key, words_of(mistake.error, "x.json"));
  }
  return all;
}

TEST(CheckProfile, AGoodOne_HasNoMistake) {
  EXPECT_EQ(told(R"({"side": "home", "sources": ["192.168.203.0/24"]})"), Told{});
  EXPECT_EQ(told(R"({"side": "vps", "sources": ["fd00:203::/64"], "wan": "ens3"})"), Told{});
}

TEST(CheckProfile, EveryKeyThatIsWrong_IsTold) {
  EXPECT_EQ(
      told(R"({"side": "home", "sources": ["192.168.203.0/24"], "tunel": "wg0", "table": 254, "mark": [],
                     "wan": "ens3", "nat": "maskerade", "tunnel": "lo"})"),
      (Told{{"mark", "key 'mark': []: is array; write a mark like \"0x19\", or \"auto\""},
            {"nat", "key 'nat': 'maskerade': is not a choice; write \"preserve\" or \"masquerade\""},
            {"table",
             "key 'table': '254': is one of the kernel's own tables (0 unspec, 253 default, 254 main, 255 local); "
             "choose another, such as 100"},
            {"tunel",
             "key 'tunel': is not known; known are description, side, tunnel, sources, ports, mark, inner, probe, "
             "mail_name, "
             "mail_domains, blocklists, table, "
             "priority, rp_filter, nat, steering, docker, inbound"},
            {"wan", "key 'wan': belongs to the VPS side, and this profile's side is \"home\"; leave it out"},
            {"tunnel", "key 'tunnel': lo: cannot be a tunnel; name the WireGuard interface"}}));
}

TEST(CheckProfile, EachBadItemOfAList_IsTold) {
  EXPECT_EQ(
      told(
          R"({"side": "home", "sources": ["mailu", "10.0.0.0/8", 7.5, "10.9.0.0/16", "192.168.203.1/24", "10.9.0.0/16"],
               "ports": [0, 25, "25-26"]})"),
      (Told{{"ports", "key 'ports': '0': is not a port; write 25 or a range like 25-26 (1 to 65535)"},
            {"ports", "key 'ports': 25-26: overlaps 25; name each only once"},
            {"sources", "key 'sources': 'mailu': is not a network; write it like 192.168.203.0/24"},
            {"sources", "key 'sources': 7.5: is number; write a list like [\"192.168.203.0/24\"]"},
            {"sources", "key 'sources': 10.9.0.0/16: overlaps 10.0.0.0/8; name each only once"},
            {"sources", "key 'sources': '192.168.203.1/24': has host bits set; the network is 192.168.203.0/24"},
            {"sources", "key 'sources': 10.9.0.0/16: overlaps 10.0.0.0/8; name each only once"}}));
}

TEST(CheckProfile, WithoutASide_TheOtherKeysAreReadAllTheSame) {
  const std::string known =
      "is not known; known are description, side, tunnel, sources, tenants, ports, mark, inner, probe, mail_name, "
      "mail_domains, blocklists, table, "
      "priority, "
      "rp_filter, nat, steering, docker, inbound, wan, public_ip, public_ip6";
  EXPECT_EQ(
      told(R"({"tabel": 1, "table": 0, "wan": ""})"),
      (Told{{"side", "key 'side': is missing; write \"home\" or \"vps\""},
            {"tabel", "key 'tabel': " + known},
            {"table",
             "key 'table': '0': is one of the kernel's own tables (0 unspec, 253 default, 254 main, 255 local); "
             "choose another, such as 100"},
            {"wan", "key 'wan': '': is not an interface name; write it like wg0"},
            {"sources", "key 'sources': names no network; give the mail stack's, such as --subnet 192.168.203.0/24"}}));
  EXPECT_EQ(told(R"({"side": "house", "sources": ["10.0.0.0/8"], "table": 100, "wan": "wg0"})"),
            (Told{{"side", "key 'side': 'house': is not a choice; write \"home\" or \"vps\""}}))
      << "whose keys they are, and whether the WAN may be the tunnel, nobody knows";
}

TEST(CheckProfile, WhatRestsOnAWrongKey_IsNotToldBesides) {
  EXPECT_EQ(told(R"({"side": "vps", "sources": [7], "ports": "25", "wan": "wg0", "tunnel": ""})").size(), 3U)
      << "no network and no port named, WAN and tunnel the same: nothing of it is known";
  const std::string alike = R"({"side": "home", "sources": ["10.0.0.0/8", "26.0.0.0/8"], )";
  EXPECT_EQ(told(alike + R"("docker": "auto"})").size(), 1U);
  EXPECT_EQ(told(alike + R"("docker": "exeption"})").size(), 1U);
  EXPECT_EQ(told(alike + R"("nat": "maskerade"})").size(), 1U);
}

TEST(CheckProfile, AllSourcesThatBecomeOneWhileTheySidestep) {
  const auto all = told(R"({"side": "home", "sources": ["10.0.0.0/8", "26.0.0.0/8", "42.0.0.0/8"]})");
  ASSERT_EQ(all.size(), 3U);
  EXPECT_TRUE(all[0].second.starts_with("key 'sources': 26.0.0.0/8: cannot be told from 10.0.0.0/8 while"));
  EXPECT_TRUE(all[1].second.starts_with("key 'sources': 42.0.0.0/8: cannot be told from 10.0.0.0/8 while"));
  EXPECT_TRUE(all[2].second.starts_with("key 'sources': 42.0.0.0/8: cannot be told from 26.0.0.0/8 while"));
}

TEST(CheckProfile, RepeatedKeys_AreToldOnceEachBeforeWhatIsWrongWithTheirValues) {
  EXPECT_EQ(
      told(R"({"side": "home", "sources": ["10.0.0.0/8"], "table": 1, "mark": 1, "mark": 2, "table": 3, "mark": 0})"),
      (Told{{"mark", "key 'mark': stands there twice; keep one"},
            {"table", "key 'table': stands there twice; keep one"},
            {"mark", "key 'mark': '0': is mark 0, which every unmarked packet has; choose another, such as 0x19"}}));
}

TEST(CheckProfile, RepeatedKeysWithin_AreToldWithTheirPlace) {
  EXPECT_EQ(told(R"({"side": "vps", "ports": [25], "tenants": [{"name": "a", "sources": ["10.1.0.0/16"]},
                     {"name": "b", "sources": ["10.2.0.0/16"], "tunnel": "wg0", "tunnel": "wg1"}]})"),
            (Told{{"tenants", "key 'tenants': key 'tunnel' of item 2: stands there twice; keep one"}}));
  EXPECT_EQ(told(R"({"side": "home", "sources": ["10.0.0.0/8"], "tunnel": "mail0",
                     "inner": {"remote": "10.0.1.1", "link": "wg0", "link": "wg1"}})"),
            (Told{{"inner", "key 'inner': key 'link': stands there twice; keep one"}}));
}

TEST(CheckProfile, RepeatedKeysInPlaceOfADescription_AreNotQuoted) {  // they may be a person's own words
  EXPECT_EQ(told(R"({"side": "home", "sources": ["10.0.0.0/8"], "description": [{"Alice": 1, "Alice": {"Bob": 2,
                     "Bob": 3}}]})"),
            (Told{{"description", "key 'description': is array; write a text"}}));
}

TEST(CheckProfile, ATextThatIsNoProfile_IsOneMistakeOfNoKey) {
  for (const auto& [text, words] :
       {std::pair<std::string, std::string>("{\n\"side\": oops\n}", "is not JSON: error in line 2"),
        {"[]", "must be a JSON object: { \"side\": \"home\", … }"},
        {std::string(9, '['), "is nested deeper than any profile"}}) {
    EXPECT_EQ(told(text), (Told{{"", words}}));
  }
}

TEST(CheckProfile, Overrides_AreTheCommandLines) {
  const auto mistakes =
      check_profile("x.json", R"({"side": "home", "mark": 0})", {{{"table", "254"}, {"sources", "10.0.0.0/8,mailu"}}});
  ASSERT_EQ(mistakes.size(), 3U);
  EXPECT_EQ(words_of(mistakes[0].error, "x.json").find("key 'mark'"), 0U);
  EXPECT_EQ(words_of(mistakes[1].error, "command line").find("key 'sources': 'mailu'"), 0U);
  EXPECT_EQ(words_of(mistakes[2].error, "command line").find("key 'table': '254'"), 0U);
}

TEST(CheckProfile, TheSchemasPlace_IsATextThatChangesNothing) {
  constexpr std::string_view kRest = R"("side": "home", "sources": ["10.0.0.0/8"]})";
  const auto profile = parse_profile("x", "x.json", R"({"$schema": "./profile.schema.json", )" + std::string(kRest));
  ASSERT_TRUE(profile) << profile.error().message();
  EXPECT_EQ(*profile, *parse_profile("x", "x.json", "{" + std::string(kRest)));
  EXPECT_EQ(told(R"({"$schema": 7, )" + std::string(kRest)),
            (Told{{"$schema",
                   "key '$schema': 7: is number; write the schema's place, or leave it out; only editors read it"}}));
}

}  // namespace
}  // namespace smtpegress
