// The picture of the mail's path: which hops there are, what each is called, and where a failed check breaks it.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <regex>
#include <set>
#include <sstream>

#include "engine/verify/mail_path.hpp"
#include "support/engine_host.hpp"
#include "support/iptables_text.hpp"

namespace smtpegress {
namespace {

using test::EngineHost;
using test::FakeHost;
using Strings = std::vector<std::string>;

std::string read_source(const std::filesystem::path& path) {
  const std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}
const std::filesystem::path kSources = SMTP_EGRESS_SOURCE_DIR;

std::set<std::string> found_in(const std::string& text, const std::regex& pattern) {
  std::set<std::string> found;
  for (std::sregex_iterator match(text.begin(), text.end(), pattern), end; match != end; ++match) {
    found.insert((*match)[1]);
  }
  return found;
}

/// "sender ok", "mark unknown"
Strings line_of(const VerifyReport& report, MailWay way) {
  Strings line;
  for (const auto& hop : report.path) {
    if (hop.way == way) {
      const char* outcome = hop.outcome == HopOutcome::kOk       ? " ok"
                            : hop.outcome == HopOutcome::kBroken ? " broken"
                                                                 : " unknown";
      line.push_back(std::string(id_of(hop.place)) + outcome);
    }
  }
  return line;
}
const Hop& hop_of(const VerifyReport& report, Place place, MailWay way = MailWay::kOut) {
  return *std::ranges::find_if(report.path, [&](const Hop& hop) { return hop.place == place && hop.way == way; });
}

VerifyReport verified(EngineHost& box, const Profile& profile) {
  EXPECT_TRUE(box.enable(profile));
  return box.engine.verify(profile.name, {}).value();
}
VerifyReport verified(const FakeHost& host, const Profile& profile) {
  EngineHost box(host);
  return verified(box, profile);
}

// Ids

/// What is asked of the DNS tells who takes the mail, not how it gets there: it has no hop.
void expect_hops_of(const std::set<std::string>& ids) {
  EXPECT_GE(ids.size(), 35U) << "the pattern no longer finds them";
  for (const auto& id : ids) {
    EXPECT_EQ(place_of_check(id) == nullptr, id.starts_with("dns-")) << id;
  }
}

TEST(MailPathIds, EveryCheckThatTheSourcesMake_HasItsHop) {
  const std::regex made(
      R"re((?:passed|failed|skipped|look_up|check_leads|Question \w+|put)\((?:ask_?,\s*)?"([a-z][a-z6-]*)"|kId = "([a-z-]+)"|(?:judge\(\s*ask,\s*\{|\.id = )"([a-z-]+)")re");
  std::set<std::string> ids;
  for (const auto& file : std::filesystem::directory_iterator(kSources / "src/engine/verify")) {
    const auto text = read_source(file.path());
    for (std::sregex_iterator match(text.begin(), text.end(), made), end; match != end; ++match) {
      for (std::size_t group = 1; group < match->size(); ++group) {
        if ((*match)[group].matched) {
          ids.insert((*match)[group]);
        }
      }
    }
  }
  expect_hops_of(ids);
}

TEST(MailPathIds, EveryCheckOfTheReadme_HasItsHop) {
  const auto readme = read_source(kSources / "README.md");
  const auto begin = readme.find("### What verify checks");
  const auto rows =
      found_in(readme.substr(begin, readme.find("## How it fails closed") - begin), std::regex("\n\\| (`[^|]*)\\|"));
  std::set<std::string> ids;
  for (const auto& row : rows) {
    ids.merge(found_in(row, std::regex("`([a-z-]+)`")));
  }
  ids.erase("id");
  expect_hops_of(ids);
  EXPECT_EQ(place_of_check("a-check-that-is-not"), nullptr);
}

// Which hops

TEST(MailPath, AtHome_TheHopsInOrderBothWays_AndWhatIsNotSeenFromHereIsUnknown) {
  const auto report = verified(test::docker_home(), test::home_profile());
  EXPECT_EQ(line_of(report, MailWay::kOut), (Strings{"sender ok", "bridge ok", "mark ok", "table ok", "firewall ok",
                                                     "tunnel ok", "vps unknown", "snat unknown", "internet unknown"}));
  EXPECT_EQ(line_of(report, MailWay::kBack), (Strings{"internet unknown", "snat unknown", "vps unknown", "tunnel ok",
                                                      "firewall ok", "bridge ok", "sender ok"}));
  EXPECT_EQ(hop_of(report, Place::kSender).name, "192.168.203.0/24");
  EXPECT_EQ(hop_of(report, Place::kBridge).name, "br-mailu");
  EXPECT_EQ(hop_of(report, Place::kMark).name, "0x19");
  EXPECT_EQ(hop_of(report, Place::kTable).name, "100");
  EXPECT_EQ(hop_of(report, Place::kTunnel).name, "wg0");
  EXPECT_EQ(hop_of(report, Place::kVps).name, "198.51.100.1");
  EXPECT_EQ(hop_of(report, Place::kMark).seen, "0 packets so far");
  EXPECT_EQ(hop_of(report, Place::kFirewall).seen, "forwards, drops nothing; past Docker by exception");
  EXPECT_EQ(hop_of(report, Place::kInternet).seen, "not asked: `verify --probe HOST` does");
  EXPECT_EQ(hop_of(report, Place::kTable).checks, (Strings{"objects", "route-marked"}));
}

TEST(MailPath, OnTheVps_HomeIsOneHopAndUnknown) {
  const auto report = verified(test::vps(), test::vps_profile());
  EXPECT_EQ(line_of(report, MailWay::kOut),
            (Strings{"home unknown", "tunnel ok", "vps ok", "snat ok", "internet unknown"}));
  EXPECT_EQ(line_of(report, MailWay::kBack),
            (Strings{"internet unknown", "snat ok", "vps ok", "tunnel ok", "home unknown"}));
  EXPECT_EQ(hop_of(report, Place::kHome).seen, "not seen from here: `verify` there");
  EXPECT_EQ(hop_of(report, Place::kSnat).name, "203.0.113.10");
  EXPECT_EQ(hop_of(report, Place::kSnat).seen, "0 connections so far");
  EXPECT_EQ(hop_of(report, Place::kVps).seen, "forwards by eth0, drops nothing");
}

TEST(MailPath, TheMarksPackets_AreCounted) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  auto& rules = test::chain(box.host(), "smtp-egress-mailu-home", "mark-mail", nft::Family::kInet).rules;
  std::ranges::find(rules, "mark", [](const auto& rule) { return rule.rule.comment; })->packets = 37;
  const auto report = box.engine.verify("mailu-home", {}).value();
  EXPECT_EQ(hop_of(report, Place::kMark).seen, "37 packets so far");
}

TEST(MailPath, SteeringByRule_HasNoMark) {
  const auto report = verified(test::docker_home(), test::home_profile({{{"steering", "rule"}}}));
  EXPECT_EQ(line_of(report, MailWay::kOut), (Strings{"sender ok", "bridge ok", "table ok", "firewall ok", "tunnel ok",
                                                     "vps unknown", "snat unknown", "internet unknown"}));
}

TEST(MailPath, Masquerade_HasTheSameHops) {
  const auto report = verified(test::docker_home(), test::home_profile({{{"nat", "masquerade"}}}));
  EXPECT_EQ(line_of(report, MailWay::kOut).size(), 9U);
  EXPECT_EQ(hop_of(report, Place::kFirewall).seen, "forwards, drops nothing") << "Docker is not met at all";
}

TEST(MailPath, MailOfTheHostItself_HasNeitherBridgeNorMark) {
  const auto report =
      verified(test::docker_home(), test::home_profile({{{"sources", R"([{"user": "997", "address": "10.0.1.2"}])"}}}));
  EXPECT_EQ(line_of(report, MailWay::kOut), (Strings{"sender ok", "table ok", "firewall ok", "tunnel ok", "vps unknown",
                                                     "snat unknown", "internet unknown"}));
  EXPECT_EQ(line_of(report, MailWay::kBack),
            (Strings{"internet unknown", "snat unknown", "vps unknown", "tunnel ok", "firewall ok", "sender ok"}));
  EXPECT_EQ(hop_of(report, Place::kSender).name, "user 997 as 10.0.1.2");
}

TEST(MailPath, SeveralSources_AreNamedInShort) {
  const auto both = verified(test::dual_home(), test::dual_home_profile());
  EXPECT_EQ(hop_of(both, Place::kSender).name, "192.168.203.0/24, fd00:203::/64");
  const auto three =
      verified(test::docker_home(), test::home_profile({{{"sources", R"(["192.168.203.0/25", "192.168.203.128/26",
                                                                "192.168.203.192/26"])"}}}));
  EXPECT_EQ(hop_of(three, Place::kSender).name, "192.168.203.0/25, 192.168.203.128/26 and 1 more");
}

TEST(MailPath, AnInnerTunnel_IsNamedWithItsLink) {
  const auto profile = test::home_profile(
      {{{"tunnel", "mail0"}, {"inner", R"({"remote": "10.0.1.1", "link": "wg0"})"}, {"rp_filter", "tunnel"}}});
  const auto report = verified(test::docker_home(), profile);
  EXPECT_EQ(hop_of(report, Place::kTunnel).name, "mail0 in wg0");
}

TEST(MailPath, Tenants_AreCountedAndTheirTunnelsNamed) {
  auto host = test::vps();
  test::add_address(host, "eth0", "203.0.113.11/24");
  test::add_wireguard(host, "wg1", "10.0.2.1/24", "172.22.1.0/24");
  const auto profile = parse_profile("many", "many.json", R"({"side": "vps", "tenants": [
    {"name": "alice", "sources": ["192.168.203.0/24"], "public_ip": "203.0.113.10"},
    {"name": "bob", "sources": ["172.22.1.0/24"], "tunnel": "wg1", "public_ip": "203.0.113.11"}]})")
                           .value();
  const auto report = verified(host, profile);
  EXPECT_EQ(hop_of(report, Place::kHome).name, "2 tenants");
  EXPECT_EQ(hop_of(report, Place::kTunnel).name, "wg0, wg1");
  EXPECT_EQ(hop_of(report, Place::kSnat).name, "203.0.113.10, 203.0.113.11");
  EXPECT_EQ(line_of(report, MailWay::kOut),
            (Strings{"home unknown", "tunnel ok", "vps ok", "snat ok", "internet unknown"}));
}

// Where it breaks

struct Break {
  std::string name;
  bool home;
  std::function<void(FakeHost&)> happens;
  Strings broken_out;
  Strings broken_back;
  friend void PrintTo(const Break& value, std::ostream* out) { *out << value.name; }
};

std::vector<Break> breaks() {
  const auto flush = [](std::string_view table, std::string_view chain, nft::Family family) {
    return [=](FakeHost& host) { test::chain(host, table, chain, family).rules.clear(); };
  };
  const auto iptables = [](std::string text) {
    return [=](FakeHost& host) { test::add_iptables(host.state.ruleset, text); };
  };
  const auto inet = nft::Family::kInet;
  return {
      {"the_tunnel_takes_its_routes_with_it",
       true,
       [](FakeHost& h) { test::remove_link(h, "wg0"); },
       {"tunnel"},
       {"tunnel"}},
      {"the_vpss_tunnel_takes_its_routes_with_it",
       false,
       [](FakeHost& h) { test::remove_link(h, "wg0"); },
       {"tunnel"},
       {"tunnel"}},
      {"no_handshake",
       true,
       [](FakeHost& h) { h.wireguards.at("wg0").peers.at(0).last_handshake = 0; },
       {"tunnel"},
       {"tunnel"}},
      {"policy_rules_gone",
       true,
       [](FakeHost& h) { std::erase_if(h.state.rules, [](const auto& r) { return r.protocol == kOurProtocol; }); },
       {"table"},
       {}},
      {"mark_gone", true, flush("smtp-egress-mailu-home", "mark-mail", inet), {"mark"}, {}},
      {"guard_gone", true, flush("smtp-egress-mailu-home", "forward", inet), {"firewall"}, {"firewall"}},
      {"admission_gone", true, flush("filter", "DOCKER-USER", nft::Family::kIp), {"firewall"}, {"firewall"}},
      {"raw_exception_gone",
       true,
       [](FakeHost& h) {
         std::erase_if(test::chain(h, "raw", "PREROUTING").rules,
                       [](const nft::ObservedRule& rule) { return !rule.rule.comment.empty(); });
       },
       {},
       {"firewall"}},
      {"replies_dropped",
       true,
       iptables("*mangle\n:PREROUTING ACCEPT\n-A PREROUTING -i wg0 -p tcp --sport 25 -j DROP\n"),
       {},
       {"firewall"}},
      {"mail_dropped_as_it_comes_in",
       true,
       iptables("*mangle\n:PREROUTING ACCEPT\n-A PREROUTING -i br-mailu -p tcp --dport 25 -j DROP\n"),
       {"bridge"},
       {}},
      {"mail_dropped_as_it_leaves",
       true,
       iptables("*mangle\n:POSTROUTING ACCEPT\n-A POSTROUTING -o wg0 -p tcp --dport 25 -j DROP\n"),
       {"firewall"},
       {}},
      {"the_source_is_nowhere", true, [](FakeHost& h) { test::remove_link(h, test::kBridge); }, {"sender"}, {"sender"}},
      {"snat_gone", false, flush("smtp-egress-mailu-vps", "public-address", inet), {"snat"}, {"snat"}},
      {"clamp_gone", false, flush("smtp-egress-mailu-vps", "forward", inet), {"vps"}, {"vps"}},
      {"no_way_back",
       false,
       [](FakeHost& h) {
         std::erase_if(h.state.routes, [](const auto& r) { return r.destination == test::prefix("192.168.203.0/24"); });
       },
       {},
       {"vps"}},
  };
}

class MailPathBreaks : public testing::TestWithParam<Break> {};

TEST_P(MailPathBreaks, AFault_BreaksItsOwnHopAndNoOther) {
  const auto& fault = GetParam();
  EngineHost box(fault.home ? test::docker_home() : test::vps());
  const auto profile = fault.home ? test::home_profile() : test::vps_profile();
  ASSERT_TRUE(box.enable(profile));
  fault.happens(box.host());
  const auto report = box.engine.verify(profile.name, {}).value();
  const auto broken = [&](MailWay way) {
    Strings places;
    for (const auto& hop : report.path) {
      if (hop.way == way && hop.outcome == HopOutcome::kBroken) {
        places.emplace_back(id_of(hop.place));
        EXPECT_FALSE(hop.seen.empty());
        EXPECT_FALSE(hop.mend.empty());
      }
    }
    return places;
  };
  EXPECT_EQ(broken(MailWay::kOut), fault.broken_out);
  EXPECT_EQ(broken(MailWay::kBack), fault.broken_back);
}

INSTANTIATE_TEST_SUITE_P(Every, MailPathBreaks, testing::ValuesIn(breaks()),
                         [](const auto& parameter) { return parameter.param.name; });

TEST(MailPath, WhatWaitsForTheTunnel_IsTheTunnels_AndForAnotherInterfaceIsNot) {
  const auto place_of = [](const Object& object) {
    return where_of({object, Presence::kWaiting, {}, {}, {}}, test::home_profile()).place;
  };
  EXPECT_EQ(place_of(test::script_route()), Place::kTunnel);
  EXPECT_EQ(place_of(SysctlSpec{"net/ipv4/conf/wg0/rp_filter", "2"}), Place::kTunnel);
  EXPECT_EQ(place_of(SysctlSpec{"net/ipv4/conf/br-mailu/rp_filter", "2"}), Place::kFirewall);
}

TEST(MailPath, EnabledBeforeTheTunnelIsThere_TheTunnelIsWhatIsBroken) {
  auto host = test::docker_home();
  test::remove_link(host, "wg0");
  const auto report = verified(host, test::home_profile());
  for (const auto& hop : report.path) {
    EXPECT_EQ(hop.outcome == HopOutcome::kBroken, hop.place == Place::kTunnel) << id_of(hop.place) << hop.seen;
  }
  EXPECT_EQ(hop_of(report, Place::kTunnel).seen, "wg0 does not exist");
  EXPECT_EQ(hop_of(report, Place::kTunnel).mend, "`wg-quick up wg0`");
}

}  // namespace
}  // namespace smtpegress
