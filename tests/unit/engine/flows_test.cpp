#include "engine/flows.hpp"

#include <gtest/gtest.h>

#include <cerrno>

#include "support/engine_host.hpp"

namespace smtpegress {
namespace {

using test::EngineHost;
using test::mail_flow;

/// A mail of the old path, one of the tunnel's path, and what is none of our business.
std::vector<Flow> home_flows() {
  return {mail_flow("192.168.203.10", "198.51.100.25", 25, "192.168.1.10"),
          mail_flow("192.168.203.11", "198.51.100.25", 25, "192.168.203.11"),
          mail_flow("192.168.203.10", "198.51.100.25", 443, "192.168.1.10"),
          mail_flow("192.168.1.10", "198.51.100.25", 25, "192.168.1.10"),
          mail_flow("192.168.203.10", "192.168.203.11", 25, "192.168.203.1")};
}

TEST(Flows, Enable_DropsTheMailOfTheOldPathAndNothingElse) {
  auto host = test::docker_home();
  host.flows = home_flows();
  EngineHost box(host);
  const auto report = box.enable(test::home_profile());
  ASSERT_TRUE(report);
  EXPECT_EQ(report->flows_dropped, 1U);
  ASSERT_EQ(box.host().flows.size(), 4U);
  EXPECT_EQ(box.host().flows.front().source, test::address("192.168.203.11"));
}

TEST(Flows, Disable_DropsTheMailOfTheTunnelAndNothingElse) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  box.host().flows = home_flows();
  const auto report = box.disable(test::home_profile());
  ASSERT_TRUE(report);
  EXPECT_EQ(report->flows_dropped, 1U);
  ASSERT_EQ(box.host().flows.size(), 4U);
  EXPECT_EQ(box.host().flows.front().source, test::address("192.168.203.10"));
}

TEST(Flows, AProfileThatLeavesASourceOut_DropsItsMailInTheTunnelAndNothingElse) {
  auto networks = test::docker_home();
  EngineHost box(networks);
  ASSERT_TRUE(box.enable(test::home_profile({{{"sources", "192.168.203.0/24,10.7.0.0/16"}}})));
  box.host().flows = {mail_flow("10.7.0.9", "198.51.100.25", 25, "10.7.0.9"),
                      mail_flow("192.168.203.11", "198.51.100.25", 25, "192.168.203.11"),
                      mail_flow("10.7.0.9", "198.51.100.25", 443, "192.168.1.10")};
  const auto report = box.enable(test::home_profile());
  ASSERT_TRUE(report);
  EXPECT_EQ(report->flows_dropped, 1U);
  ASSERT_EQ(box.host().flows.size(), 2U);
  EXPECT_EQ(box.host().flows.front().source, test::address("192.168.203.11"));
}

/// A container that calls its own host's published port 25: DNAT sends it back to a container, so the reply's source is
/// not what was called.
Flow hairpin(std::string_view seen_as) {
  auto flow = mail_flow("192.168.203.10", "192.168.1.10", 25, seen_as);
  flow.reply_source = test::address("192.168.203.11");
  return flow;
}

TEST(Flows, Hairpin_AContainerToItsOwnPublishedPort_IsKept) {
  for (const auto* seen_as : {"192.168.203.1", "192.168.203.10"}) {  // masqueraded by the bridge, or not
    EXPECT_FALSE(is_stale(hairpin(seen_as), test::home_profile(), {}, PathChange::kOntoTunnel)) << seen_as;
    EXPECT_FALSE(is_stale(hairpin(seen_as), test::home_profile(), {}, PathChange::kOffTunnel)) << seen_as;
    auto host = test::docker_home();
    host.flows = {hairpin(seen_as)};
    EngineHost box(host);
    ASSERT_TRUE(box.enable(test::home_profile()));
    ASSERT_TRUE(box.disable(test::home_profile()));
    EXPECT_EQ(box.host().flows.size(), 1U) << seen_as;
  }
}

TEST(Flows, ToAPrivateNetwork_AreNoneOfTheTunnels) {
  for (const auto* server : {"192.168.1.20", "10.9.0.25", "172.17.0.4", "100.101.102.103"}) {
    const auto flow = mail_flow("192.168.203.10", server, 25, "192.168.1.10");
    EXPECT_FALSE(is_stale(flow, test::home_profile(), {}, PathChange::kOntoTunnel)) << server;
    const auto kept = mail_flow("192.168.203.10", server, 25, "192.168.203.10");
    EXPECT_FALSE(is_stale(kept, test::home_profile(), {}, PathChange::kOffTunnel)) << server;
  }
}

TEST(Flows, EnableOfAnEnabledHost_DropsNone) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  box.host().flows = home_flows();
  ASSERT_TRUE(box.enable(test::home_profile()));
  EXPECT_EQ(box.host().flows.size(), 5U);
}

TEST(Flows, Vps_TheSnatAddressTellsThePaths) {
  const auto profile = test::vps_profile({{{"public_ip", "203.0.113.10"}}});
  const ResolvedHost host{test::ifname("eth0"), test::address("203.0.113.10"), test::address("203.0.113.10"), {}};
  const auto masqueraded = mail_flow("192.168.203.10", "198.51.100.25", 25, "203.0.113.99");
  const auto ours = mail_flow("192.168.203.10", "198.51.100.25", 25, "203.0.113.10");
  EXPECT_TRUE(is_stale(masqueraded, profile, host, PathChange::kOntoTunnel));
  EXPECT_FALSE(is_stale(ours, profile, host, PathChange::kOntoTunnel));
  EXPECT_TRUE(is_stale(ours, profile, host, PathChange::kOffTunnel));
  EXPECT_FALSE(is_stale(masqueraded, profile, host, PathChange::kOffTunnel));
}

TEST(Flows, EveryConfiguredPortIsTheMails) {
  const auto profile = test::home_profile({{{"ports", "25,465-466"}}});
  EXPECT_TRUE(is_stale(mail_flow("192.168.203.10", "198.51.100.25", 466, "192.168.1.10"), profile, {},
                       PathChange::kOntoTunnel));
  EXPECT_FALSE(is_stale(mail_flow("192.168.203.10", "198.51.100.25", 467, "192.168.1.10"), profile, {},
                        PathChange::kOntoTunnel));
}

TEST(Flows, DroppingFails_EnableStandsAndSaysSo) {
  auto host = test::docker_home();
  host.flows = home_flows();
  EngineHost box(host);
  box.kernel.before_call = [&](const std::string& call) {
    if (call.starts_with("delete flow")) {
      box.kernel.fault = {box.kernel.calls.size(), EBUSY};
    }
  };
  const auto report = box.enable(test::home_profile());
  ASSERT_TRUE(report) << test::said(report);
  ASSERT_EQ(report->notes.size(), 1U);
  EXPECT_NE(report->notes[0].find("may hang until they time out"), std::string::npos);
}

}  // namespace
}  // namespace smtpegress
