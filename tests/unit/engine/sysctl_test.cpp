// What becomes of sysctls: compare and swap, side effects of ip_forward, several instances.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

#include "engine/sysctl_record.hpp"
#include "support/engine_host.hpp"
#include "support/iptables_text.hpp"

namespace smtpegress {
namespace {

using test::EngineHost;

Profile second_home() {
  auto profile =
      test::home_profile({{{"table", "200"}, {"mark", "0x1a"}, {"priority", "10026"}, {"sources", "10.7.0.0/16"}}});
  profile.name = "second";
  return profile;
}

bool any_contains(const std::vector<std::string>& notes, std::string_view text) {
  return std::ranges::any_of(notes, [&](const auto& note) { return note.find(text) != std::string::npos; });
}

TEST(Sysctls, SetBySomebodyElseSince_StayAndAreReported) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  box.host().sysctls["net/ipv4/conf/all/rp_filter"] = "1";
  const auto report = box.disable(test::home_profile());
  ASSERT_TRUE(report);
  EXPECT_EQ(box.host().sysctls.at("net/ipv4/conf/all/rp_filter"), "1");
  EXPECT_EQ(box.host().sysctls.at("net/ipv4/conf/default/rp_filter"), "0");
  EXPECT_TRUE(any_contains(
      report->notes, "net.ipv4.conf.all.rp_filter stays 1: somebody set it since enable (it was 0, then ours 2)"));
}

TEST(Sysctls, IpForward_SomebodyTranslatesForwardedPacketsSince_StaysAndNamesTheRule) {
  EngineHost box(test::bare_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  test::add_iptables(box.host().state.ruleset, "*nat\n-A POSTROUTING -s 10.88.0.0/16 -j MASQUERADE\n");
  const auto report = box.disable(test::home_profile());
  ASSERT_TRUE(report);
  EXPECT_EQ(box.host().sysctls.at("net/ipv4/ip_forward"), "1");
  EXPECT_TRUE(any_contains(report->notes,
                           "net.ipv4.ip_forward stays 1: made since enable, and needs it: ip nat POSTROUTING: ip saddr "
                           "10.88.0.0/16"))
      << report->notes.front();
}

TEST(Sysctls, IpForward_WhoTranslatedBefore_CanDoWithout) {
  EngineHost box(test::vps());  // has a generic MASQUERADE and no forwarding
  const auto before = box.now();
  ASSERT_TRUE(box.enable(test::vps_profile()));
  ASSERT_TRUE(box.enable(test::vps_profile()));
  const auto report = box.disable(test::vps_profile());
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->notes.empty());
  EXPECT_EQ(box.now(), before);
}

TEST(Sysctls, PutBackBySomebodyElseAlready_IsNoNews) {
  EngineHost box(test::docker_home());
  const auto before = box.now();
  ASSERT_TRUE(box.enable(test::home_profile()));
  box.host().sysctls["net/ipv4/conf/all/rp_filter"] = "0";
  const auto report = box.disable(test::home_profile());
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->notes.empty());
  EXPECT_EQ(box.now(), before);
}

TEST(Sysctls, IpForward_ItsSideEffectsGoBackToo) {
  auto host = test::bare_home();
  host.sysctls["net/ipv4/conf/wg0/forwarding"] = "1";  // an administrator's own, while ip_forward is 0
  EngineHost box(host);
  const auto before = box.now();
  ASSERT_TRUE(box.enable(test::home_profile()));
  EXPECT_EQ(box.host().sysctls.at("net/ipv4/conf/eth0/forwarding"), "1");
  EXPECT_EQ(box.host().sysctls.at("net/ipv4/conf/all/accept_redirects"), "0");
  ASSERT_TRUE(box.disable(test::home_profile()));
  EXPECT_EQ(box.now(), before);
}

TEST(Sysctls, IpForward_PutBackBySomebodyElse_IsNobodysNeed) {
  auto host = test::bare_home();
  EngineHost box(host);
  ASSERT_TRUE(box.enable(test::home_profile()));
  ASSERT_TRUE(box.kernel.write_sysctl("net/ipv4/ip_forward", "0"));
  test::add_iptables(box.host().state.ruleset, "*nat\n-N DOCKER\n");
  const auto report = box.disable(test::home_profile());
  ASSERT_TRUE(report);
  EXPECT_EQ(report->notes, std::vector<std::string>{});
}

TEST(Sysctls, IpForward_StaysWhereDockerIsSetUp) {
  auto host = test::docker_home();
  for (auto& [key, value] : host.sysctls) {
    if (key == "net/ipv4/ip_forward" || key.ends_with("/forwarding")) {
      value = "0";
    }
  }
  EngineHost box(host);
  ASSERT_TRUE(box.enable(test::home_profile()));
  const auto report = box.disable(test::home_profile());
  ASSERT_TRUE(report);
  EXPECT_EQ(box.host().sysctls.at("net/ipv4/ip_forward"), "1");
  EXPECT_TRUE(any_contains(report->notes, "net.ipv4.ip_forward stays 1: Docker is set up here and needs it"));
}

TEST(Sysctls, IpForward_DockersNftablesBackendCountsAsDocker) {
  auto host = test::bare_home();
  host.state.ruleset.tables.push_back({nft::Family::kIp, "docker-bridges"});
  EngineHost box(host);
  ASSERT_TRUE(box.enable(test::home_profile()));
  ASSERT_TRUE(box.disable(test::home_profile()));
  EXPECT_EQ(box.host().sysctls.at("net/ipv4/ip_forward"), "1");
}

TEST(Sysctls, IpForward_ALeftOverDockerUserChainAloneProvesNothing) {
  auto host = test::bare_home();
  test::add_iptables(host.state.ruleset, "*filter\n:FORWARD ACCEPT\n:DOCKER-USER -\n-A FORWARD -j DOCKER-USER\n");
  EngineHost box(host);
  const auto before = box.now();
  ASSERT_TRUE(box.enable(test::home_profile()));
  ASSERT_TRUE(box.disable(test::home_profile()));
  EXPECT_EQ(box.now(), before);
}

TEST(Sysctls, TwoInstances_TheLastOneOutRestores) {
  for (const bool first_out_first : {true, false}) {
    auto host = test::bare_home();
    host.sysctls["net/ipv4/conf/all/rp_filter"] = "1";
    EngineHost box(host);
    const auto before = box.now();
    const auto one = test::home_profile();
    const auto two = second_home();
    ASSERT_TRUE(box.enable(one));
    const auto second = box.enable(two);
    ASSERT_TRUE(second) << test::said(second);
    const auto report = box.disable(first_out_first ? one : two);
    ASSERT_TRUE(report) << test::said(report);
    EXPECT_EQ(box.host().sysctls.at("net/ipv4/conf/all/rp_filter"), "2");
    EXPECT_EQ(box.host().sysctls.at("net/ipv4/ip_forward"), "1");
    EXPECT_TRUE(any_contains(report->notes, "net.ipv4.conf.all.rp_filter stays 2: instance "));
    EXPECT_TRUE(box.engine.status(first_out_first ? two.name : one.name, {})->as_it_should_be());
    ASSERT_TRUE(box.disable(first_out_first ? two : one));
    EXPECT_EQ(box.now(), before);
  }
}

TEST(Sysctls, TwoInstances_NeitherTouchesTheOthersObjects) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  const auto with_one = box.now();
  ASSERT_TRUE(box.enable(second_home()));
  box.kernel.forget_calls();
  ASSERT_TRUE(box.enable(test::home_profile()));
  EXPECT_EQ(box.kernel.calls, std::vector<std::string>{});
  ASSERT_TRUE(box.disable(second_home()));
  EXPECT_EQ(box.now(), with_one);
}

TEST(Sysctls, SetBySomebodyElseAndSetAgain_TheirsIsWhatGoesBack) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  box.host().sysctls["net/ipv4/conf/wg0/rp_filter"] = "1";
  const auto again = box.enable(test::home_profile());
  ASSERT_TRUE(again) << test::said(again);
  EXPECT_EQ(box.host().sysctls.at("net/ipv4/conf/wg0/rp_filter"), "2");
  EXPECT_EQ(again->notes, std::vector<std::string>{"net.ipv4.conf.wg0.rp_filter had become 1 since the last enable: it "
                                                   "is 2 again, and disable will put 1 back"});
  const auto third = box.enable(test::home_profile());
  EXPECT_TRUE(third->notes.empty()) << "told once";
  const auto report = box.disable(test::home_profile());
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->notes.empty());
  EXPECT_EQ(box.host().sysctls.at("net/ipv4/conf/wg0/rp_filter"), "1");
  EXPECT_EQ(box.host().sysctls.at("net/ipv4/conf/all/rp_filter"), "0") << "the others as before";
}

TEST(Sysctls, PutBackBySomebodyElseAndSetAgain_IsNoNews) {
  EngineHost box(test::docker_home());
  const auto before = box.now();
  ASSERT_TRUE(box.enable(test::home_profile()));
  box.host().sysctls["net/ipv4/conf/wg0/rp_filter"] = "0";
  EXPECT_TRUE(box.enable(test::home_profile())->notes.empty());
  ASSERT_TRUE(box.disable(test::home_profile()));
  EXPECT_EQ(box.now(), before);
}

TEST(Sysctls, IpForwardSwitchedOffAndOnAgain_GoesBackToOffWithItsSideEffects) {
  auto host = test::bare_home();
  test::forward(host);
  EngineHost box(host);
  ASSERT_TRUE(box.enable(test::home_profile()));
  for (auto& [key, value] : box.host().sysctls) {  // as writing ip_forward does
    value = key == "net/ipv4/ip_forward" || key.ends_with("/forwarding") ? "0" : value;
  }
  box.host().sysctls["net/ipv4/conf/all/accept_redirects"] = "1";
  box.host().sysctls["net/ipv4/conf/eth0/forwarding"] = "1";  // and eth0's alone once more
  ASSERT_TRUE(box.enable(test::home_profile()));
  EXPECT_EQ(box.host().sysctls.at("net/ipv4/ip_forward"), "1");
  ASSERT_TRUE(box.disable(test::home_profile()));
  EXPECT_EQ(box.host().sysctls.at("net/ipv4/ip_forward"), "0");
  EXPECT_EQ(box.host().sysctls.at("net/ipv4/conf/wg0/forwarding"), "0");
  EXPECT_EQ(box.host().sysctls.at("net/ipv4/conf/eth0/forwarding"), "1");
}

TEST(Sysctls, SetAgain_AFailureLeavesTheRecordsAndTheirValue) {
  auto host = test::bare_home();
  EngineHost box(host);
  ASSERT_TRUE(box.enable(test::home_profile()));
  ASSERT_TRUE(box.enable(second_home()));
  box.host().sysctls["net/ipv4/conf/all/rp_filter"] = "1";
  std::erase_if(box.host().state.rules, [](const auto& r) { return r.priority.value == 10025; });
  const auto before = box.now();
  const auto records = box.state_file("mailu-home") + box.state_file("second");
  box.kernel.before_call = [&](const std::string& call) {
    if (call.starts_with("add rule")) {
      box.kernel.fault = {box.kernel.calls.size(), EBUSY};
    }
  };
  ASSERT_FALSE(box.enable(test::home_profile()));
  EXPECT_EQ(box.now(), before);
  EXPECT_EQ(box.state_file("mailu-home") + box.state_file("second"), records);
}

TEST(Sysctls, SetAgainByOneOfTwo_TheLastOneOutPutsTheirsBack) {
  for (const bool first_out_first : {true, false}) {
    EngineHost box(test::bare_home());
    const auto one = test::home_profile();
    const auto two = second_home();
    ASSERT_TRUE(box.enable(one));
    ASSERT_TRUE(box.enable(two));
    box.host().sysctls["net/ipv4/conf/all/rp_filter"] = "1";
    const auto again = box.enable(two);
    ASSERT_TRUE(again) << test::said(again);
    EXPECT_EQ(again->notes.size(), 1U);
    ASSERT_TRUE(box.disable(first_out_first ? one : two));
    EXPECT_EQ(box.host().sysctls.at("net/ipv4/conf/all/rp_filter"), "2");
    ASSERT_TRUE(box.disable(first_out_first ? two : one));
    EXPECT_EQ(box.host().sysctls.at("net/ipv4/conf/all/rp_filter"), "1") << first_out_first;
  }
}

TEST(Sysctls, SetBeforeASecondInstance_IsWhatBothPutBack) {
  EngineHost box(test::bare_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  box.host().sysctls["net/ipv4/conf/all/rp_filter"] = "1";
  const auto second = box.enable(second_home());
  ASSERT_TRUE(second) << test::said(second);
  EXPECT_TRUE(any_contains(second->notes, "net.ipv4.conf.all.rp_filter had become 1"));
  ASSERT_TRUE(box.disable(second_home()));
  ASSERT_TRUE(box.disable(test::home_profile()));
  EXPECT_EQ(box.host().sysctls.at("net/ipv4/conf/all/rp_filter"), "1");
}

TEST(Sysctls, SetAgain_KilledAtAnyCall_TheirsIsNeitherLostNorTakenForOurs) {
  for (const bool enabled_once_more : {false, true}) {
    for (std::size_t number = 1;; ++number) {
      EngineHost box(test::docker_home());
      ASSERT_TRUE(box.enable(test::home_profile()));
      for (const auto* interface : {"all", "wg0"}) {
        box.host().sysctls[std::string("net/ipv4/conf/") + interface + "/rp_filter"] = "1";
      }
      if (!crashes_at(box, number, [&] { return box.enable(test::home_profile()); })) {
        EXPECT_GT(number, 2U);
        break;
      }
      if (enabled_once_more) {
        ASSERT_TRUE(box.enable(test::home_profile()));
      }
      const auto report = box.disable(test::home_profile());
      ASSERT_TRUE(report) << test::said(report);
      EXPECT_TRUE(report->notes.empty()) << report->notes.front();
      EXPECT_EQ(box.host().sysctls.at("net/ipv4/conf/all/rp_filter"), "1") << number;
      EXPECT_EQ(box.host().sysctls.at("net/ipv4/conf/wg0/rp_filter"), "1") << number;
      EXPECT_EQ(box.host().sysctls.at("net/ipv4/conf/default/rp_filter"), "0") << number;
    }
  }
}

TEST(Sysctls, SetAgainByOneOfTwo_KilledBetweenTheirRecords_TheLastOneOutPutsTheirsBack) {
  for (std::size_t number = 1;; ++number) {
    EngineHost box(test::bare_home());
    ASSERT_TRUE(box.enable(test::home_profile()));
    ASSERT_TRUE(box.enable(second_home()));
    box.host().sysctls["net/ipv4/conf/all/rp_filter"] = "1";
    const auto stale = box.state_file("mailu-home");
    if (!crashes_at(box, number, [&] { return box.enable(second_home()); })) {
      EXPECT_EQ(number, 2U) << "the one sysctl";
      return;
    }
    box.directory.write("state/mailu-home.json", stale);  // not yet told
    ASSERT_TRUE(box.enable(second_home()));
    ASSERT_TRUE(box.disable(second_home()));
    ASSERT_TRUE(box.disable(test::home_profile()));
    EXPECT_EQ(box.host().sysctls.at("net/ipv4/conf/all/rp_filter"), "1");
  }
}

TEST(Sysctls, ProfileWithASmallerScope_KilledAtAnyCall_StillPutsTheRestBack) {
  const auto before = EngineHost(test::docker_home()).now();
  const auto smaller = test::home_profile({{{"rp_filter", "tunnel"}}});
  for (const bool enabled_once_more : {false, true}) {
    for (std::size_t number = 1;; ++number) {
      EngineHost box(test::docker_home());
      ASSERT_TRUE(box.enable(test::home_profile()));
      if (!crashes_at(box, number, [&] { return box.enable(smaller); })) {
        EXPECT_GT(number, 2U);
        break;
      }
      if (enabled_once_more) {
        ASSERT_TRUE(box.enable(smaller));
        EXPECT_EQ(box.host().sysctls.at("net/ipv4/conf/all/rp_filter"), "0") << number;
      }
      const auto report = box.disable(smaller);
      ASSERT_TRUE(report) << test::said(report);
      EXPECT_TRUE(report->notes.empty()) << report->notes.front();
      EXPECT_EQ(box.now(), before) << number;
    }
  }
}

TEST(Sysctls, ProfileWithASmallerScope_TheRestIsNoLongerOurs) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  const auto smaller = test::home_profile({{{"rp_filter", "tunnel"}}});
  ASSERT_TRUE(box.enable(smaller));
  box.host().sysctls["net/ipv4/conf/all/rp_filter"] = "2";  // by the administrator now
  ASSERT_TRUE(box.enable(smaller));
  const auto report = box.disable(smaller);
  ASSERT_TRUE(report);
  EXPECT_EQ(box.host().sysctls.at("net/ipv4/conf/all/rp_filter"), "2");
}

TEST(Sysctls, ProfileWithASmallerScope_PutsTheRestBack) {
  EngineHost box(test::docker_home());
  const auto before = box.now();
  ASSERT_TRUE(box.enable(test::home_profile()));
  const auto smaller = test::home_profile({{{"rp_filter", "tunnel"}}});
  ASSERT_TRUE(box.enable(smaller));
  EXPECT_EQ(box.host().sysctls.at("net/ipv4/conf/all/rp_filter"), "0");
  EXPECT_EQ(box.host().sysctls.at("net/ipv4/conf/wg0/rp_filter"), "2");
  ASSERT_TRUE(box.disable(smaller));
  EXPECT_EQ(box.now(), before);
}

TEST(Sysctls, AnotherTunnelLater_GetsItsOwnPreviousValueBack) {
  auto host = test::docker_home();
  test::add_wireguard(host, "wg1", "10.0.2.2/24", "0.0.0.0/0");
  host.sysctls["net/ipv4/conf/wg1/rp_filter"] = "1";  // default's is 0
  EngineHost box(host);
  const auto before = box.now();
  ASSERT_TRUE(box.enable(test::home_profile()));
  const auto other = test::home_profile({{{"tunnel", "wg1"}}});
  const auto report = box.enable(other);
  ASSERT_TRUE(report) << test::said(report);
  ASSERT_TRUE(box.disable(other));
  EXPECT_EQ(box.now(), before);
}

TEST(Sysctls, AReadThatFails_TouchesNothing) {
  const auto values = [] {
    EngineHost box(test::docker_home());
    return read_sysctls(box.kernel, {{"net/ipv4/ip_forward", "1"}, {"net/ipv4/conf/gone/rp_filter", "2"}});
  }();
  ASSERT_TRUE(values);
  EXPECT_EQ(values->at("net/ipv4/ip_forward"), "1");
  EXPECT_EQ(values->at("net/ipv4/conf/gone/rp_filter"), std::nullopt);
}

}  // namespace
}  // namespace smtpegress
