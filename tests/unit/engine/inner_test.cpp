// The inner tunnel's interface from enable to disable: made, mended, taken back, and told apart from others'.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <functional>

#include "net/contains.hpp"
#include "support/engine_host.hpp"

namespace smtpegress {
namespace {

using test::EngineHost;

Profile home(const std::string& further = {}) {
  return test::home_profile({{{"tunnel", "mail0"},
                              {"inner", R"({"remote": "10.0.1.1", "link": "wg0")" + further + "}"},
                              {"rp_filter", "tunnel"}}});
}
Profile vps(const ProfileOverrides& further = {}) {
  ProfileOverrides all{{{"tunnel", "mail0"}, {"inner", R"({"remote": "10.0.1.2", "link": "wg0"})"}}};
  all.settings.insert(all.settings.end(), further.settings.begin(), further.settings.end());
  return test::vps_profile(all);
}
/// Whose WireGuard lets nothing in but the home's own address.
test::FakeHost narrow_vps() {
  auto host = test::vps();
  std::erase_if(host.state.routes, [](const Route& r) { return r.destination == test::prefix("192.168.203.0/24"); });
  return host;
}

Link& link(EngineHost& box, std::string_view name) {
  return *std::ranges::find(box.host().state.links, test::ifname(name), &Link::name);
}

Presence presence(EngineHost& box, const std::string& name) {
  const auto status = box.engine.status(name, {});
  for (const auto& finding : status->findings) {
    if (std::holds_alternative<LinkSpec>(finding.object)) {
      return finding.presence;
    }
  }
  return Presence::kForeign;
}

TEST(Inner, EnableAndDisable_LeaveTheHostAsItWas) {
  for (const bool at_home : {true, false}) {
    EngineHost box(at_home ? test::docker_home() : narrow_vps());
    const auto profile = at_home ? home() : vps();
    const auto before = box.now();
    const auto report = box.enable(profile);
    ASSERT_TRUE(report) << test::said(report);
    EXPECT_TRUE(report->waiting.empty());
    EXPECT_TRUE(box.engine.status(profile.name, {})->as_it_should_be());
    EXPECT_EQ(link(box, "mail0").alias, "smtp-egress:" + profile.name);
    EXPECT_TRUE(box.enable(profile)->changes.empty());
    ASSERT_TRUE(box.disable(profile));
    EXPECT_EQ(box.now(), before);
  }
}

TEST(Inner, EachCallFailing_IsRolledBack) {
  for (const bool answer_lost : {false, true}) {
    for (const bool at_home : {true, false}) {
      for (std::size_t number = 1;; ++number) {
        EngineHost box(at_home ? test::docker_home() : narrow_vps());
        const auto before = box.now();
        box.kernel.fault = {number, answer_lost ? ENOBUFS : EBUSY, answer_lost};
        const auto report = box.enable(at_home ? home() : vps());
        if (report && box.kernel.calls.size() < number) {
          EXPECT_GT(number, at_home ? 10U : 4U);
          break;
        }
        if (report) {
          continue;  // a batch's answer is asked for once more
        }
        EXPECT_EQ(box.now(), before) << "call " << number << (answer_lost ? ", carried out" : "");
      }
    }
  }
}

TEST(Inner, KilledAtEachCall_DisableTakesItBack_EnableCompletesIt) {
  for (std::size_t number = 1;; ++number) {
    EngineHost box(test::docker_home());
    const auto before = box.now();
    const bool crashed = test::crashes_at(box, number, [&] { return box.enable(home()); });
    if (number % 2 == 1) {
      ASSERT_TRUE(box.enable(home()));
      EXPECT_TRUE(box.engine.status("mailu-home", {})->as_it_should_be());
    }
    ASSERT_TRUE(box.disable(home()));
    EXPECT_EQ(box.now(), before) << number;
    if (!crashed) {
      break;
    }
  }
}

TEST(Inner, HalfMadeByAnEnableThatWasKilled_IsOurs) {
  EngineHost box(test::docker_home());
  const auto before = box.now();
  const auto half_make = [&] {
    test::add_link(box.host(), "mail0", "vxlan");
    link(box, "mail0").half_made = true;
    link(box, "mail0").up = false;
  };
  test::crashes_at(box, 2, [&] { return box.enable(home()); });  // the firewall stands, the interface is next
  half_make();
  EXPECT_EQ(presence(box, "mailu-home"), Presence::kChanged);
  ASSERT_TRUE(box.disable(home()));
  EXPECT_EQ(box.now(), before);
  half_make();
  ASSERT_TRUE(box.enable(home())) << "its state was lost with it";
  ASSERT_TRUE(box.disable(home()));
  EXPECT_EQ(box.now(), before);
}

TEST(Inner, InterfaceOfSomebodyElse_IsRefusedAndLeftAlone) {
  for (const auto* alias : {"", "smtp-egress:mailu", "smtp-egress:mailu-home2", "my link"}) {
    EngineHost box(test::docker_home());
    test::add_link(box.host(), "mail0", "vxlan");
    link(box, "mail0").alias = alias;
    const auto before = box.now();
    const auto report = box.enable(home());
    ASSERT_FALSE(report) << alias;
    EXPECT_EQ(report.error().kind, ErrorKind::kUsage);
    EXPECT_NE(test::said(report).find("mail0 vxlan: an interface of that name is there, and is not ours"),
              std::string::npos)
        << test::said(report);
    EXPECT_EQ(box.now(), before);
  }
}

TEST(Inner, AnotherVxlanOnItsPort_IsRefused) {
  EngineHost box(test::docker_home());
  test::add_link(box.host(), "flannel.1", "vxlan");
  link(box, "flannel.1").encapsulation = Encapsulation{.local = {}, .remote = {}, .port = 25025};
  const auto before = box.now();
  const auto report = box.enable(home());
  ASSERT_FALSE(report);
  EXPECT_NE(test::said(report).find("is on udp/25025 too"), std::string::npos) << test::said(report);
  EXPECT_NE(test::said(report).find("--set inner.port="), std::string::npos);
  EXPECT_EQ(box.now(), before);
  EXPECT_TRUE(box.enable(home(R"(, "port": 25026)")));
}

TEST(Inner, InterfaceReplacedBySomebodysMeanwhile_IsNotRemoved) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(home()));
  link(box, "mail0").alias = "theirs";
  EXPECT_EQ(presence(box, "mailu-home"), Presence::kForeign);
  ASSERT_TRUE(box.disable(home()));
  EXPECT_NE(box.host().state.link(test::ifname("mail0")), nullptr);
}

TEST(Inner, Drift_IsToldAndMended) {
  EngineHost wanted(test::docker_home());
  ASSERT_TRUE(wanted.enable(home()));
  const std::vector<std::pair<Presence, std::function<void(EngineHost&)>>> drifts{
      {Presence::kMissing, [](EngineHost& box) { test::remove_link(box.host(), "mail0"); }},
      {Presence::kChanged, [](EngineHost& box) { test::set_link_down(box.host(), "mail0"); }},
      {Presence::kChanged, [](EngineHost& box) { link(box, "mail0").mtu = 1400; }},
      {Presence::kChanged, [](EngineHost& box) { link(box, "mail0").neighbours.clear(); }},
      {Presence::kChanged, [](EngineHost& box) { link(box, "mail0").encapsulation->link = 1; }},
      {Presence::kChanged, [](EngineHost& box) { link(box, "mail0").encapsulation->learns = true; }},
      {Presence::kChanged,
       [](EngineHost& box) { link(box, "mail0").encapsulation->remote = test::address("10.0.1.9"); }},
      {Presence::kWaiting, [](EngineHost& box) { test::set_link_down(box.host(), "wg0"); }},
  };
  for (const auto& [expected, drift] : drifts) {
    EngineHost box(test::docker_home());
    ASSERT_TRUE(box.enable(home()));
    drift(box);
    EXPECT_EQ(presence(box, "mailu-home"), expected);
    EXPECT_FALSE(box.engine.verify("mailu-home", {})->passed());
    const auto report = box.enable(home());
    ASSERT_TRUE(report) << test::said(report);
    if (expected == Presence::kWaiting) {
      EXPECT_EQ(report->waiting.size(), 1U);
    } else {
      EXPECT_EQ(box.now(), wanted.now());
      EXPECT_TRUE(box.engine.status("mailu-home", {})->as_it_should_be());
    }
  }
}

TEST(Inner, WithoutItsLink_WaitsBehindTheGuard) {
  auto host = test::docker_home();
  test::remove_link(host, "wg0");
  EngineHost box(host);
  const auto report = box.enable(home());
  ASSERT_TRUE(report) << test::said(report);
  ASSERT_FALSE(report->waiting.empty());
  EXPECT_EQ(report->waiting.front().detail, "its link wg0 does not exist");
  const auto& outer = test::chain(box.host(), "smtp-egress-mailu-home", "outer-output", nft::Family::kInet);
  EXPECT_EQ(nft::to_string(outer.rules.at(0).rule),
            "oifname != \"wg0\" ip daddr 10.0.1.1/32 udp dport 25025 counter drop");
}

TEST(Inner, AnotherTunnelInItsPlace_RemovesTheInterface) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(home()));
  const auto plain = test::home_profile({{{"rp_filter", "tunnel"}}});
  ASSERT_TRUE(box.enable(plain));
  EXPECT_EQ(box.host().state.link(test::ifname("mail0")), nullptr);
  EngineHost wanted(test::docker_home());
  ASSERT_TRUE(wanted.enable(plain));
  EXPECT_EQ(box.now(), wanted.now());
  const auto renamed = test::home_profile({{{"rp_filter", "tunnel"},
                                            {"tunnel", "mail1"},
                                            {"inner", R"({"remote": "10.0.1.1", "link": "wg0", "port": 25026})"}}});
  ASSERT_TRUE(box.enable(renamed));
  ASSERT_TRUE(box.enable(home()));
  EXPECT_EQ(box.host().state.link(test::ifname("mail1")), nullptr);
  ASSERT_TRUE(box.disable(home()));
}

TEST(Inner, LostState_InterfaceAndRoutesAreFoundByTheAlias) {
  for (const bool with_profile : {true, false}) {
    EngineHost box(narrow_vps());
    box.host().sysctls["net/ipv4/ip_forward"] = "1";
    const auto before = box.now();
    ASSERT_TRUE(box.enable(vps()));
    ASSERT_TRUE(box.store.remove("mailu-vps"));
    EXPECT_TRUE(box.engine.status("mailu-vps", vps())->as_it_should_be());
    const auto report = box.engine.disable("mailu-vps", with_profile ? std::optional(vps()) : std::nullopt);
    ASSERT_TRUE(report) << test::said(report);
    EXPECT_EQ(box.now(), before);
  }
}

TEST(Inner, TwoOnOneVps_LeaveEachOtherAlone) {
  auto host = narrow_vps();
  EngineHost box(host);
  const auto other = parse_profile("other", "test", profile_to_json(vps()),
                                   {{{"tunnel", "mail1"},
                                     {"sources", "172.20.0.0/24"},
                                     {"mark", "0x20"},
                                     {"inner", R"({"remote": "10.0.1.3", "link": "wg0", "port": 25026})"}}})
                         .value();
  ASSERT_TRUE(box.enable(other));
  const auto alone = box.now();
  ASSERT_TRUE(box.enable(vps()));
  EXPECT_TRUE(box.engine.status("other", {})->as_it_should_be());
  EXPECT_TRUE(box.engine.status("mailu-vps", {})->as_it_should_be());
  ASSERT_TRUE(box.store.remove("mailu-vps"));
  ASSERT_TRUE(box.engine.disable("mailu-vps", vps()));
  EXPECT_EQ(box.now(), alone);
}

TEST(Inner, RouteOfSomebodyElse_IsInTheWay) {
  EngineHost box(test::vps());  // with wg-quick's own route to the sources
  const auto before = box.now();
  const auto report = box.enable(vps());
  ASSERT_FALSE(report);
  EXPECT_NE(test::said(report).find("route 192.168.203.0/24 dev wg0"), std::string::npos) << test::said(report);
  EXPECT_EQ(box.now(), before);
}

TEST(Inner, Verify_AsksTheLinkForTheFarEndAlone) {
  auto host = test::bare_home();
  host.wireguards["wg0"].peers.front().allowed_ips = {test::prefix("10.0.1.1/32")};
  EngineHost box(host);
  ASSERT_TRUE(box.enable(home()));
  const auto fine = box.engine.verify("mailu-home", {});
  for (const auto& check : fine->checks) {
    EXPECT_NE(check.outcome, Outcome::kFailed) << check.id << ": " << check.detail;
  }
  for (const auto* id : {"handshake", "allowed-ips", "endpoint", "inner", "inner-firewall"}) {
    EXPECT_TRUE(contains(fine->checks, std::string(id), &Check::id)) << id;
  }
  box.host().wireguards["wg0"].peers.front().allowed_ips = {test::prefix("10.0.7.0/24")};
  const auto narrow = box.engine.verify("mailu-home", {});
  const auto check = std::ranges::find(narrow->checks, std::string("allowed-ips"), &Check::id);
  ASSERT_NE(check, narrow->checks.end());
  EXPECT_EQ(check->outcome, Outcome::kFailed);
  EXPECT_NE(check->mend.find("AllowedIPs = …, 10.0.1.1/32"), std::string::npos) << check->mend;
  std::erase_if(box.host().state.routes,
                [](const Route& r) { return r.interface == test::ifname("wg0") && r.table == kMainTable; });
  const auto astray = box.engine.verify("mailu-home", {});
  const auto way = std::ranges::find(astray->checks, std::string("inner"), &Check::id);
  ASSERT_NE(way, astray->checks.end());
  EXPECT_EQ(way->detail, "the way leads by eth0: refused there");
}

}  // namespace
}  // namespace smtpegress
