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
