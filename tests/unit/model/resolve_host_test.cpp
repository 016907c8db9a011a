#include <gtest/gtest.h>

#include <algorithm>

#include "support/engine_host.hpp"

namespace smtpegress {
namespace {

using test::said;

/// A VPS whose WAN has this address.
test::FakeHost vps_with(std::string_view cidr, std::string_view gateway) {
  auto host = test::vps();
  test::remove_link(host, "eth0");
  test::add_link(host, "ens3", {}, cidr);
  test::add_default_route(host, gateway, "ens3");
  return host;
}

Result<ResolvedHost> resolved(const test::FakeHost& host, const ProfileOverrides& settings = {}) {
  return resolve_host(test::vps_profile(settings), host.state);
}

TEST(ResolveVps, Auto_TheDefaultRoutesInterfaceAndItsAddress) {
  const auto host = resolved(test::vps());
  ASSERT_TRUE(host) << said(host);
  EXPECT_EQ(host->wan.str(), "eth0");
  EXPECT_EQ(host->snat_to.v4, test::address("203.0.113.10"));
  EXPECT_EQ(host->public_ip.v4, test::address("203.0.113.10"));
}

TEST(ResolveVps, TwoDefaultRoutes_TheLowestMetricWins) {
  auto vps = test::vps();
  test::add_link(vps, "eth1", {}, "198.51.100.7/24");
  test::add_default_route(vps, "198.51.100.1", "eth1", 50);
  EXPECT_EQ(resolved(vps)->wan.str(), "eth0");
  std::ranges::find_if(vps.state.routes, [](const Route& r) { return r.destination.is_default(); })->metric = 100;
  EXPECT_EQ(resolved(vps)->wan.str(), "eth1");
}

TEST(ResolveVps, AGivenWan_NeedsNoDefaultRoute) {
  auto vps = test::vps();
  std::erase_if(vps.state.routes, [](const Route& r) { return r.destination.is_default(); });
  EXPECT_EQ(resolved(vps, {{{"wan", "eth0"}}})->wan.str(), "eth0");
  const auto host = resolved(vps);
  ASSERT_FALSE(host);
  EXPECT_EQ(said(host),
            "apply profile to this host: key 'wan': there is no default route to find it by; give --wan IF");
}

TEST(ResolveVps, TheDefaultRouteGoesIntoTheTunnel_IsRefused) {
  auto vps = test::vps();
  std::ranges::find_if(vps.state.routes, [](const Route& r) { return r.destination.is_default(); })->interface =
      test::ifname("wg0");
  EXPECT_NE(said(resolved(vps)).find("the default route goes into the tunnel; give --wan"), std::string::npos);
}

TEST(ResolveVps, AWanThatIsNotThere_IsRefused) {
  EXPECT_NE(said(resolved(test::vps(), {{{"wan", "ens9"}}})).find("WAN interface ens9: does not exist"),
            std::string::npos);
}

TEST(ResolveVps, AWanWithoutAnAddress_IsRefused) {
  auto vps = test::vps();
  test::add_link(vps, "eth1");
  EXPECT_NE(said(resolved(vps, {{{"wan", "eth1"}}})).find("WAN interface eth1: has no IPv4 address"),
            std::string::npos);
}

TEST(ResolveVps, PublicAddressOnTheWan_IsTaken) {
  auto vps = test::vps();
  const int wan = vps.state.link(test::ifname("eth0"))->index;
  vps.state.addresses.push_back({wan, test::address("203.0.113.77"), 24});
  const auto host = resolved(vps, {{{"public_ip", "203.0.113.77"}}});
  ASSERT_TRUE(host) << said(host);
  EXPECT_EQ(host->snat_to.v4, test::address("203.0.113.77"));
}

TEST(ResolveVps, MappedOneToOne_SnatGoesToThePrivateOneAndThePublicIsKept) {
  for (const auto* cidr : {"10.0.0.5/24", "172.31.0.5/20", "192.168.7.5/24", "100.64.0.5/24", "169.254.7.5/24"}) {
    const auto host = resolved(vps_with(cidr, "10.0.0.1"), {{{"public_ip", "203.0.113.10"}}});
    ASSERT_TRUE(host) << said(host);
    EXPECT_EQ(host->snat_to.v4->to_string() + std::string(cidr).substr(std::string(cidr).find('/')), cidr);
    EXPECT_EQ(host->public_ip.v4, test::address("203.0.113.10"));
  }
}

TEST(ResolveVps, PrivateAddressAndNothingSaid_ThePublicOneIsUnknown) {
  const auto host = resolved(vps_with("10.0.0.5/24", "10.0.0.1"));
  ASSERT_TRUE(host) << said(host);
  EXPECT_EQ(host->snat_to.v4, test::address("10.0.0.5"));
  EXPECT_EQ(host->public_ip.v4, std::nullopt);
}

TEST(ResolveVps, PublicAddressNowhere_IsRefusedWithThoseThereAre) {
  const auto host = resolved(test::vps(), {{{"public_ip", "198.51.100.9"}}});
  ASSERT_FALSE(host);
  EXPECT_EQ(host.error().kind, ErrorKind::kUsage);
  EXPECT_NE(said(host).find("public address 198.51.100.9: is not on eth0 (it has 203.0.113.10)"), std::string::npos)
      << said(host);
}

TEST(ResolveVps, ADockerNetworkThatOverlapsASource_IsRefusedByName) {
  for (const auto* cidr : {"192.168.203.1/24", "192.168.203.129/25", "192.168.0.1/16"}) {
    auto vps = test::vps();
    test::add_link(vps, "br-web", "bridge", cidr);
    const auto host = resolved(vps);
    ASSERT_FALSE(host) << cidr;
    EXPECT_EQ(host.error().kind, ErrorKind::kUsage);
    EXPECT_NE(said(host).find("of br-web: overlaps the source 192.168.203.0/24"), std::string::npos) << said(host);
    EXPECT_NE(said(host).find("Docker network"), std::string::npos) << said(host);
  }
}

TEST(ResolveVps, TheTunnelsOwnNetworkMayOverlap) {
  auto vps = test::vps();
  const int tunnel = vps.state.link(test::ifname("wg0"))->index;
  vps.state.addresses.push_back({tunnel, test::address("192.168.203.254"), 32});
  EXPECT_TRUE(resolved(vps));
}

TEST(ResolveHome, TheInterfacesWhoseNetworkIsOfTheSources) {
  const auto home = resolve_host(test::home_profile(), test::docker_home().state);
  ASSERT_TRUE(home);
  EXPECT_EQ(home->source_links, std::vector{test::ifname("br-mailu")});
}

TEST(ResolveHome, ABridgeThatIsOnlyPartlyOfTheSources_IsNotTheirs) {
  const auto profile = test::home_profile({{{"sources", "192.168.203.0/25"}}});
  EXPECT_TRUE(resolve_host(profile, test::docker_home().state)->source_links.empty());
}

TEST(ResolveHome, AnyNameAndAnySize_IsFound) {
  auto host = test::docker_home();
  test::add_link(host, "mailnet", "bridge", "10.7.0.1/16");
  const auto profile = test::home_profile({{{"sources", "192.168.203.0/24,10.0.0.0/8"}}});
  EXPECT_EQ(resolve_host(profile, host.state)->source_links,
            (std::vector{test::ifname("br-mailu"), test::ifname("mailnet")}))
      << "and not the tunnel, though its 10.0.1.0/24 lies inside";
}

TEST(ResolveHome, TheUplinkNamedAsTunnel_IsRefused) {
  const auto host = resolve_host(test::home_profile({{{"tunnel", "eth0"}}}), test::docker_home().state);
  ASSERT_FALSE(host);
  EXPECT_EQ(host.error().kind, ErrorKind::kUsage);
  EXPECT_EQ(said(host),
            "apply profile to this host: tunnel eth0: is the uplink: the default route goes by it, and the mail would "
            "leave there; name the tunnel's interface, such as --tunnel wg0");
}

TEST(ResolveHome, ADefaultRouteOfAnotherTableByTheTunnel_IsNoUplink) {
  auto host = test::docker_home();
  auto route = test::script_route();
  route.gateway = test::address("10.0.1.1");
  host.state.routes.push_back(route);
  EXPECT_TRUE(resolve_host(test::home_profile(), host.state));
}

TEST(ResolveHome, ANetworkThatASourceIsOnlyAPartOf_IsRemembered) {
  auto host = test::docker_home();
  test::add_link(host, "eth1", {}, "10.7.0.1/16");
  const auto profile = test::home_profile({{{"sources", "192.168.203.0/25,192.168.203.192/26,10.7.3.0/24"}}});
  const auto home = resolve_host(profile, host.state);
  ASSERT_TRUE(home) << said(home);
  EXPECT_EQ(home->source_networks, (std::vector{test::prefix("192.168.203.0/24"), test::prefix("10.7.0.0/16")}))
      << "each once, and not eth0's, which no source is of";
  EXPECT_TRUE(home->source_links.empty());
}

TEST(ResolveHome, AWholeNetwork_IsNoPart) {
  EXPECT_TRUE(resolve_host(test::home_profile(), test::docker_home().state)->source_networks.empty());
}

TEST(ResolveHome, NoDefaultRouteAndNoTunnel_AreNoReasonToRefuse) {
  test::FakeHost empty;
  EXPECT_TRUE(resolve_host(test::home_profile(), empty.state));
}

}  // namespace
}  // namespace smtpegress
