// Boot order: the tunnel is not there yet, or went away.
#include <gtest/gtest.h>

#include <algorithm>

#include "support/engine_host.hpp"

namespace smtpegress {
namespace {

using test::EngineHost;

test::FakeHost home_before_the_tunnel() {
  auto host = test::docker_home();
  test::remove_link(host, "wg0");
  return host;
}

TEST(Waiting, TunnelAbsent_TheGuardAndTheUnreachableRouteStand) {
  EngineHost box(home_before_the_tunnel());
  const auto report = box.enable(test::home_profile());
  ASSERT_TRUE(report) << test::said(report);
  ASSERT_EQ(report->waiting.size(), 2U) << "the route, and the tunnel's rp_filter";
  EXPECT_EQ(describe(report->waiting[0].object), "default dev wg0 table 100 proto 25");
  EXPECT_EQ(report->waiting[0].detail, "the tunnel wg0 does not exist");
  const auto now = box.now();
  EXPECT_NE(now.find("route unreachable default table 100"), std::string::npos) << now;
  EXPECT_NE(now.find("# guard\n"), std::string::npos) << now;
  EXPECT_NE(now.find("rule 10025: from all fwmark 0x19 lookup 100 proto 25"), std::string::npos) << now;
}

TEST(Waiting, TunnelDown_IsWaitedFor) {
  auto host = test::docker_home();
  test::set_link_down(host, "wg0");
  EngineHost box(host);
  const auto report = box.enable(test::home_profile());
  ASSERT_TRUE(report) << test::said(report);
  ASSERT_EQ(report->waiting.size(), 1U);
  EXPECT_EQ(report->waiting[0].detail, "the tunnel wg0 is down");
}

TEST(Waiting, TunnelComesUp_ASecondEnableCompletes) {
  EngineHost box(home_before_the_tunnel());
  ASSERT_TRUE(box.enable(test::home_profile()));
  EXPECT_FALSE(box.engine.status("mailu-home", {})->as_it_should_be());
  test::add_wireguard(box.host(), "wg0", "10.0.1.2/24", "0.0.0.0/0");
  box.kernel.forget_calls();
  const auto report = box.enable(test::home_profile());
  ASSERT_TRUE(report) << test::said(report);
  EXPECT_TRUE(report->waiting.empty());
  EXPECT_TRUE(report->was_enabled);
  ASSERT_EQ(report->changes.size(), 1U) << "the route alone: a new interface has inherited rp_filter=2";
  EXPECT_TRUE(box.engine.status("mailu-home", {})->as_it_should_be());
}

TEST(Waiting, ATunnelBornWhileEnabled_GetsWhatItWouldHaveHadWithoutUs) {
  auto host = home_before_the_tunnel();
  host.sysctls["net/ipv4/conf/default/rp_filter"] = "1";
  EngineHost box(host);
  ASSERT_TRUE(box.enable(test::home_profile()));
  test::add_wireguard(box.host(), "wg0", "10.0.1.2/24", "0.0.0.0/0");
  ASSERT_TRUE(box.enable(test::home_profile()));
  ASSERT_TRUE(box.disable(test::home_profile()));
  EXPECT_EQ(box.host().sysctls.at("net/ipv4/conf/wg0/rp_filter"), "1");
}

TEST(Waiting, DisableWithoutTheTunnel_LeavesTheHostAsItWas) {
  EngineHost box(home_before_the_tunnel());
  const auto before = box.now();
  ASSERT_TRUE(box.enable(test::home_profile()));
  ASSERT_TRUE(box.disable(test::home_profile()));
  EXPECT_EQ(box.now(), before);
}

TEST(Waiting, TunnelVanishesWhileEnabled_DisableStillSucceeds) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  test::remove_link(box.host(), "wg0");
  const auto report = box.disable(test::home_profile());
  ASSERT_TRUE(report) << test::said(report);
  auto expected = test::docker_home();
  test::remove_link(expected, "wg0");
  EXPECT_EQ(box.now(), snapshot(expected));
}

TEST(Waiting, TunnelComesBackWithAnotherIndex_EnableMendsTheRouteOnly) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  test::remove_link(box.host(), "wg0");
  test::add_wireguard(box.host(), "wg0", "10.0.1.2/24", "0.0.0.0/0");
  const auto report = box.enable(test::home_profile());
  ASSERT_TRUE(report) << test::said(report);
  ASSERT_EQ(report->changes.size(), 1U);
  EXPECT_EQ(describe(report->changes[0].object), "default dev wg0 table 100 proto 25");
}

TEST(Waiting, TheProfileNamesAnotherTunnelThatIsNotThere_TheFormersRouteGoesAndMailWaits) {
  EngineHost box(test::docker_home());
  const auto before = box.now();
  ASSERT_TRUE(box.enable(test::home_profile()));
  const auto other = test::home_profile({{{"tunnel", "wg1"}}});
  const auto report = box.enable(other);
  ASSERT_TRUE(report) << test::said(report);
  ASSERT_FALSE(report->waiting.empty());
  EXPECT_EQ(describe(report->waiting[0].object), "default dev wg1 table 100 proto 25");
  EXPECT_EQ(report->waiting[0].detail, "the tunnel wg1 does not exist");
  EXPECT_EQ(box.now().find("default dev wg0 table 100"), std::string::npos) << "mail must not go on by the former";
  EXPECT_NE(box.now().find("route unreachable default table 100"), std::string::npos) << box.now();
  const auto status = box.engine.status("mailu-home", {});
  const auto route = std::ranges::find_if(
      status->findings, [](const Finding& f) { return describe(f.object) == "default dev wg1 table 100 proto 25"; });
  ASSERT_NE(route, status->findings.end());
  EXPECT_EQ(route->presence, Presence::kWaiting);
  EXPECT_FALSE(status->as_it_should_be());
  ASSERT_TRUE(box.disable(other));
  EXPECT_EQ(box.now(), before);
}

TEST(Waiting, ARouteOfOursThatWasChanged_WithTheTunnelAway_IsWaiting) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  test::remove_link(box.host(), "wg0");
  auto changed = test::script_route();  // in our route's place, of our protocol, by another interface
  changed.protocol = kOurProtocol;
  changed.interface = test::ifname("eth0");
  box.host().state.routes.insert(box.host().state.routes.begin(), changed);
  const auto status = box.engine.status("mailu-home", {});
  ASSERT_TRUE(status) << test::said(status);
  const auto route = std::ranges::find_if(
      status->findings, [](const Finding& f) { return describe(f.object) == "default dev wg0 table 100 proto 25"; });
  ASSERT_NE(route, status->findings.end());
  EXPECT_EQ(route->presence, Presence::kWaiting) << "it cannot be put right before the tunnel is there";
  EXPECT_EQ(route->detail, "the tunnel wg0 does not exist");
  test::add_wireguard(box.host(), "wg0", "10.0.1.2/24", "0.0.0.0/0");
  const auto mended = box.enable(test::home_profile());
  ASSERT_TRUE(mended) << test::said(mended);
  EXPECT_TRUE(mended->waiting.empty());
  EXPECT_EQ(box.now().find("default dev eth0 table 100"), std::string::npos);
  EXPECT_TRUE(box.engine.status("mailu-home", {})->as_it_should_be());
}

TEST(Waiting, OnTheVps_TheTunnelNeedNotBeThere) {
  auto host = test::vps();
  test::remove_link(host, "wg0");
  EngineHost box(host);
  const auto report = box.enable(test::vps_profile());
  ASSERT_TRUE(report) << test::said(report);
  EXPECT_TRUE(report->waiting.empty());
}

}  // namespace
}  // namespace smtpegress
