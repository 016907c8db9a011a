// What IPv6 adds to the model: how a host's addresses are chosen, what is guarded, and that neither family's rules are
// taken for the other's. The whole texts are in tests/golden.
#include <gtest/gtest.h>

#include <algorithm>

#include "model/docker.hpp"
#include "model/families.hpp"
#include "model/packet_walk.hpp"
#include "support/desired_text.hpp"
#include "support/engine_host.hpp"
#include "support/iptables_text.hpp"

namespace smtpegress {
namespace {

using test::said;

Result<ResolvedHost> resolved(const test::FakeHost& host, const ProfileOverrides& settings = {}) {
  return resolve_host(test::dual_vps_profile(settings), host.state);
}

/// dual_vps() with other addresses on its WAN, besides the link-local one.
test::FakeHost vps_with(const std::vector<std::pair<const char*, std::uint32_t>>& addresses) {
  auto host = test::dual_vps();
  std::erase_if(host.state.addresses, [](const auto& a) { return a.local == test::address("2001:db8:10::10"); });
  for (const auto& [cidr, flags] : addresses) {
    test::add_address(host, "eth0", cidr, flags);
  }
  return host;
}

TEST(ResolveIpv6, Auto_TheWansLastingAddress) {
  const auto host = resolved(test::dual_vps());
  ASSERT_TRUE(host) << said(host);
  EXPECT_EQ(host->snat_to.v4, test::address("203.0.113.10"));
  EXPECT_EQ(host->snat_to.v6, test::address("2001:db8:10::10"));
  EXPECT_EQ(host->public_ip.v6, test::address("2001:db8:10::10"));
}

TEST(ResolveIpv6, Auto_NoneThatGoesAwayAndTheAdministratorsFirst) {
  const auto host = resolved(vps_with({{"2001:db8:10::1/64", kTemporary},
                                       {"2001:db8:10::2/64", kPermanent | kDeprecated},
                                       {"2001:db8:10::3/64", kPermanent | kTentative},
                                       {"2001:db8:10::4/64", kPermanent | kDadFailed},
                                       {"fd00:5::5/64", kPermanent},
                                       {"2001:db8:10::6/64", 0},
                                       {"2001:db8:10::7/64", kPermanent},
                                       {"2001:db8:10::8/64", kPermanent}}));
  ASSERT_TRUE(host) << said(host);
  EXPECT_EQ(host->snat_to.v6, test::address("2001:db8:10::7"));
}

TEST(ResolveIpv6, APrivateAddressAlone_ThePublicOneIsNotKnown) {
  const auto host = resolved(vps_with({{"fd00:5::5/64", kPermanent}}));
  ASSERT_TRUE(host) << said(host);
  EXPECT_EQ(host->snat_to.v6, test::address("fd00:5::5"));
  EXPECT_EQ(host->public_ip.v6, std::nullopt);
}

TEST(ResolveIpv6, WithoutAnAddress_IsRefusedWithAWayOn) {
  EXPECT_EQ(
      said(resolved(vps_with({}))),
      "apply profile to this host: WAN interface eth0: has no IPv6 address but link-local ones; give the VPS one, "
      "or leave the IPv6 networks out of the sources at both ends");
  EXPECT_EQ(said(resolved(vps_with({{"2001:db8:10::1/64", kTemporary}}))),
            "apply profile to this host: WAN interface eth0: has no lasting IPv6 address (it has 2001:db8:10::1, all "
            "temporary, deprecated or not yet usable); give it one, or name one with --public-ip6 ADDR");
}

TEST(ResolveIpv6, ThePublicAddressNamed_HasToBeOnTheWan) {
  auto vps = test::dual_vps();
  test::add_address(vps, "eth0", "2001:db8:10::77/64", kTemporary);
  EXPECT_EQ(resolved(vps, {{{"public_ip6", "2001:db8:10::77"}}})->snat_to.v6, test::address("2001:db8:10::77"));
  EXPECT_EQ(said(resolved(vps, {{{"public_ip6", "2001:db8:99::1"}}})),
            "apply profile to this host: public address 2001:db8:99::1: is not on eth0 (it has 2001:db8:10::10, "
            "2001:db8:10::77), nor is there a private address the provider could map it to; add it there, or give "
            "--public-ip6 with one of those");
}

TEST(ResolveIpv6, WithoutIpv6Sources_NothingOfItIsAskedFor) {
  const auto host = resolve_host(test::vps_profile({{{"public_ip6", "2001:db8:99::1"}}}), vps_with({}).state);
  ASSERT_TRUE(host) << said(host);
  EXPECT_EQ(host->snat_to.v6, std::nullopt);
}

TEST(ResolveIpv6, IPv6SourcesAlone_TheWanIsIpv6sDefaultRoutes) {
  auto vps = test::dual_vps();
  test::add_link(vps, "eth6", {}, "2001:db8:66::6/64");
  for (auto& route : vps.state.routes) {
    if (route.family == IpFamily::kV6 && route.destination.is_default()) {
      route.interface = test::ifname("eth6");
    }
  }
  const auto host = resolve_host(test::vps_profile({{{"sources", "fd00:203::/64"}}}), vps.state);
  ASSERT_TRUE(host) << said(host);
  EXPECT_EQ(host->wan.str(), "eth6");
  EXPECT_EQ(host->snat_to.v6, test::address("2001:db8:66::6"));
}

TEST(ResolveIpv6, ALocalNetworkOnTheVpsThatOverlaps_IsRefused) {
  auto vps = test::dual_vps();
  test::add_link(vps, "br-1", "bridge", "fd00:203::1/48");
  EXPECT_NE(said(resolved(vps)).find("network fd00:203::/48 of br-1: overlaps the source fd00:203::/64"),
            std::string::npos)
      << said(resolved(vps));
}

TEST(ResolveIpv6, AtHome_TheBridgesOwnNetworksAreToldApart) {
  const auto of = [](const Profile& profile) { return resolve_host(profile, test::dual_home().state).value(); };
  const auto both = of(test::dual_home_profile());
  EXPECT_EQ(both.source_links, std::vector{test::ifname(test::kBridge)});
  EXPECT_TRUE(both.other_networks.empty());
  const auto ipv4 = of(test::home_profile());
  EXPECT_EQ(ipv4.other_networks, std::vector{test::prefix("fd00:203::/64")}) << "and not the link-local one";
  const auto part = of(test::home_profile({{{"sources", "192.168.203.0/24,fd00:203::/80"}}}));
  EXPECT_EQ(part.source_networks, std::vector{test::prefix("fd00:203::/64")});
  const auto ipv6 = of(test::home_profile({{{"sources", "fd00:203::/64"}}}));
  EXPECT_EQ(ipv6.other_networks, std::vector{test::prefix("192.168.203.0/24")});
}

TEST(Sidestep, Ipv6_InAPartThatIsNobodys) {
  EXPECT_EQ(sidestep_network(test::prefix("fd00:203::/64")), test::prefix("ed00:203::/64"));
  EXPECT_EQ(sidestep_network(test::prefix("2001:db8:203::/48")), test::prefix("e001:db8:203::/48"));
  EXPECT_EQ(sidestep_network(test::prefix("192.168.203.0/24")), test::prefix("240.168.203.0/24"));
}

std::string lowered(const Profile& profile, const test::FakeHost& host, DockerBackend docker) {
  auto resolved = resolve_host(profile, host.state).value();
  resolved.docker = docker;
  return test::desired_text(lower(profile, resolved, host.state));
}

TEST(LowerIpv6, Sidestep_TakesTheRepliesAndThePathsErrorsPast) {
  const auto text = lowered(test::dual_home_profile(), test::dual_home(), DockerBackend::kNftables);
  for (const auto* rule :
       {"ip6 daddr fd00:203::/64 tcp sport 25 tcp flags & (fin|syn|rst|ack) != syn counter ip6 daddr set ip6 daddr & "
        "::ffff:ffff:ffff:ffff | ed00:203:: # sidestep",
        "ip6 daddr fd00:203::/64 meta l4proto ipv6-icmp counter ip6 daddr set ip6 daddr & ::ffff:ffff:ffff:ffff | "
        "ed00:203:: # sidestep path errors",
        "ip6 daddr ed00:203::/64 meta l4proto ipv6-icmp counter ip6 daddr set ip6 daddr & ::ffff:ffff:ffff:ffff | "
        "fd00:203:: # step back path errors"}) {
    EXPECT_NE(text.find(rule), std::string::npos) << rule << "\nin\n" << text;
  }
}

TEST(LowerIpv6, OnAHostWithoutIpv6_AnIpv4ProfileAsksNothingOfIt) {
  const auto text = lowered(test::home_profile(), test::docker_home(), DockerBackend::kIptables);
  EXPECT_EQ(text.find("route IPv6"), std::string::npos) << text;
  EXPECT_EQ(text.find("rule IPv6"), std::string::npos) << text;
  EXPECT_EQ(text.find("net/ipv6"), std::string::npos) << text;
  EXPECT_NE(text.find("guard ipv6"), std::string::npos) << text;
}

TEST(LowerIpv6, MasqueradeAndSteeringByRule_HaveTheirIpv6Halves) {
  const auto text = lowered(test::dual_home_profile({{{"nat", "masquerade"}, {"steering", "rule"}}}), test::dual_home(),
                            DockerBackend::kIptables);
  EXPECT_NE(text.find("oifname \"wg0\" ip6 saddr fd00:203::/64 tcp dport 25 counter masquerade"), std::string::npos);
  EXPECT_NE(text.find("rule IPv6 10025: from fd00:203::/64 ipproto tcp dport 25 lookup 100"), std::string::npos);
  EXPECT_EQ(text.find("rule 10025: from all fwmark"), std::string::npos) << "IPv4 needs none: " << text;
}

TEST(LowerIpv6, RepliesAreMarkedWhereTheyArrive_ForFirewallsThatFilterByTheReversePath) {
  for (const auto* steering : {"mark", "rule"}) {
    const auto desired =
        lower(test::dual_home_profile({{{"steering", steering}}}),
              *resolve_host(test::dual_home_profile(), test::dual_home().state), test::dual_home().state);
    const auto chain =
        std::ranges::find_if(desired.chains, [](const OwnChain& c) { return c.hook.hook == nft::Hook::kPrerouting; });
    ASSERT_NE(chain, desired.chains.end());
    EXPECT_LT(chain->hook.priority, 0) << "firewalld's stands at filter + 10";
    EXPECT_GT(chain->hook.priority, -200) << "connection tracking";
    EXPECT_EQ(
        nft::to_string(chain->rules.at(0)),
        "iifname \"wg0\" ip6 daddr fd00:203::/64 tcp sport 25 ct state established ct direction reply counter meta "
        "mark set 0x19");
    EXPECT_EQ(nft::to_string(chain->rules.at(1)),
              "iifname \"wg0\" ip6 daddr fd00:203::/64 meta l4proto ipv6-icmp ct state related counter meta mark set "
              "0x19");
    EXPECT_TRUE(std::ranges::any_of(desired.rules, [](const PolicyRule& rule) {
      return rule.family == IpFamily::kV6 && rule.mark == Mark{0x19, 0xffffffff};
    })) << steering;
  }
}

TEST(AdmissionIpv6, EachFamilysChainsAreAskedForItsOwnMail) {
  auto host = test::dual_vps();
  test::chain(host, "filter", "FORWARD").hook->policy = nft::Policy::kAccept;
  const auto both = lowered(test::dual_vps_profile(), host, DockerBackend::kNone);
  EXPECT_EQ(both.find("at the head of ip filter"), std::string::npos) << "nothing drops there";
  EXPECT_NE(both.find("at the head of ip6 filter FORWARD"), std::string::npos) << both;
  const auto ipv4 = lowered(test::vps_profile(), test::dual_vps(), DockerBackend::kNone);
  EXPECT_EQ(ipv4.find("at the head of ip6"), std::string::npos) << "IPv6 is none of its business";
}

TEST(AdmissionIpv6, AnInetChainThatDropsIpv6Alone_IsPassedThroughWhereThereIsIpv6Mail) {
  auto host = test::dual_vps();
  const nft::TableKey table{nft::Family::kInet, "firewall"};
  nft::Rule drop;
  drop.matches = {nft::MatchNfProto{IpFamily::kV6}};
  drop.statements = {nft::Verdict{nft::VerdictCode::kDrop, {}}};
  host.state.ruleset.tables.push_back(table);
  host.state.ruleset.chains.push_back(
      {{table, "forward"},
       900,
       nft::BaseHook{nft::ChainType::kFilter, nft::Hook::kForward, 0, nft::Policy::kAccept},
       {{drop, 901, 0, 0}}});
  const auto head = std::string("at the head of inet firewall forward");
  EXPECT_NE(lowered(test::dual_vps_profile(), host, DockerBackend::kNone).find(head), std::string::npos);
  EXPECT_EQ(lowered(test::vps_profile(), host, DockerBackend::kNone).find(head), std::string::npos);
}

TEST(PacketWalk, AnAddressOfTheOtherFamily_NeverFits) {
  PacketFacts packet;
  packet.source = test::prefix("192.168.203.0/24");
  for (const auto sense : {nft::Sense::kIs, nft::Sense::kIsNot}) {
    nft::Rule rule;
    rule.matches = {nft::MatchAddress{nft::Side::kSource, test::prefix("fd00::/8"), sense}};
    EXPECT_EQ(holds(rule, packet), Holds::kNo);
  }
}

}  // namespace
}  // namespace smtpegress
