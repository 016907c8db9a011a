// The inner tunnel: its key, and what it becomes.
#include <gtest/gtest.h>

#include <algorithm>

#include "model/inner.hpp"
#include "net/contains.hpp"
#include "support/hosts.hpp"

namespace smtpegress {
namespace {

std::string refusal(const std::string& inner, const std::string& further = R"(, "tunnel": "mail0")",
                    const std::string& side = "home") {
  const auto profile = parse_profile(
      "x", "x.json",
      R"({"side": ")" + side + R"(", "sources": ["192.168.203.0/24"], "inner": )" + inner + further + "}");
  return profile ? "accepted" : profile.error().message();
}

Profile with_inner(const Profile& profile, const std::string& inner) {
  const auto made =
      parse_profile(profile.name, "test", profile_to_json(profile), {{{"tunnel", "mail0"}, {"inner", inner}}});
  return made.value();
}

LinkSpec link_of(const Profile& profile, const test::FakeHost& host) {
  const auto desired = lower(profile, resolve_host(profile, host.state).value(), host.state);
  return desired.links.at(0);
}

constexpr const char* kToVps = R"({"remote": "10.0.1.1", "link": "wg0"})";
constexpr const char* kToHome = R"({"remote": "10.0.1.2", "link": "wg0"})";

TEST(InnerKey, WhatIsLeftOut_HasItsDefault) {
  const auto inner = with_inner(test::home_profile(), kToVps).inner.value();
  EXPECT_EQ(inner.kind, InnerTunnel::Kind::kVxlan);
  EXPECT_EQ(inner.port, 25025);
  EXPECT_FALSE(inner.local);
  EXPECT_TRUE(inner.addresses.empty());
}

TEST(InnerKey, WrittenAndRead_IsTheSame) {
  for (const auto* inner :
       {kToVps,
        R"({"kind": "ipip", "local": "fd7a::2", "remote": "fd7a::1", "link": "tailscale0", "address": "10.0.9.2"})",
        R"({"kind": "vxlan", "local": "auto", "remote": "10.0.1.1", "link": "wg0", "port": 4789,
            "address": ["10.0.9.2", "fd00:9::2"]})"}) {
    const auto profile = with_inner(test::home_profile(), inner);
    EXPECT_EQ(parse_profile(profile.name, "again", profile_to_json(profile)).value(), profile) << inner;
  }
}

TEST(InnerKey, OneMemberOnTheCommandLine_LeavesTheOthers) {
  const auto profile = with_inner(test::home_profile(), kToVps);
  const auto other = parse_profile("x", "x", profile_to_json(profile), {{{"inner.port", "25026"}}}).value();
  EXPECT_EQ(other.inner->port, 25026);
  EXPECT_EQ(other.inner->remote, profile.inner->remote);
  EXPECT_FALSE(parse_profile("x", "x", profile_to_json(profile), {{{"table.x", "1"}}}));
}

TEST(InnerKey, Refusals_NameTheMemberAndWhatIsRight) {
  EXPECT_NE(refusal("7").find("is number; write {\"remote\": "), std::string::npos) << refusal("7");
  for (const auto& [inner, words] : std::initializer_list<std::pair<std::string, std::string>>{
           {"{}", "\"remote\": is missing; write the far end's address"},
           {R"({"remote": "10.0.1.1"})", "\"link\": is missing"},
           {R"({"remote": "10.0.1.1", "link": 7})", "\"link\" 7: is number"},
           {R"({"remote": "10.0.1.1", "link": "a/b"})", "\"link\" \"a/b\""},
           {R"({"remote": "10.0.1.1", "link": "lo"})", "leads nowhere"},
           {R"({"remote": "mail", "link": "wg0"})", "\"remote\" \"mail\""},
           {R"({"remote": "127.0.0.1", "link": "wg0"})", "no address that an end of a link can have"},
           {R"({"remote": "fe80::1", "link": "wg0"})", "no address that an end of a link can have"},
           {R"({"remote": "10.0.1.1", "link": "wg0", "kind": "gre"})", "write \"vxlan\" or \"ipip\""},
           {R"({"remote": "10.0.1.1", "link": "wg0", "local": "10.0.1.1"})", "is remote too"},
           {R"({"remote": "10.0.1.1", "link": "wg0", "local": "fd00::1"})", "of another family"},
           {R"({"remote": "10.0.1.1", "link": "wg0", "port": 65535})", "write one from 1 to 65534"},
           {R"({"remote": "10.0.1.1", "link": "wg0", "port": "25-26"})", "is no udp port"},
           {R"({"remote": "10.0.1.1", "link": "wg0", "address": ["10.0.9.2", "10.0.9.3"]})", "two of one family"},
           {R"({"remote": "10.0.1.1", "link": "wg0", "address": "10.0.9.2/32"})", "\"address\""},
           {R"({"remote": "10.0.1.1", "link": "wg0", "mtu": 1400})", "known are kind, local"},
           {R"({"remote": "192.168.203.1", "link": "wg0"})", "is in the source 192.168.203.0/24"},
           {R"({"remote": "10.0.1.1", "link": "mail0"})", "is key 'tunnel' too"}}) {
    EXPECT_NE(refusal(inner).find(words), std::string::npos) << inner << ": " << refusal(inner);
  }
  EXPECT_EQ(refusal(kToVps), "accepted");
  EXPECT_NE(refusal(kToVps, R"(, "tunnel": "mail0", "nat": "masquerade")").find("no IPv4 \"address\""),
            std::string::npos);
  EXPECT_NE(refusal(kToHome, R"(, "tunnel": "mail0", "wan": "wg0")", "vps").find("is key 'wan' too"),
            std::string::npos);
}

TEST(Inner, Mtu_IsTheLinksLessWhatIsPutAround) {
  // add_link() gives every interface an MTU of 1500.
  const auto mtu = [](const std::string& members) {
    auto host = test::bare_home();
    test::add_address(host, "wg0", "fd00:1::2/64");
    return link_of(with_inner(test::home_profile(), R"({"link": "wg0", )" + members + "}"), host).mtu;
  };
  EXPECT_EQ(mtu(R"("remote": "10.0.1.1")"), 1500U - 50);
  EXPECT_EQ(mtu(R"("remote": "fd00:1::1")"), 1500U - 70);
  EXPECT_EQ(mtu(R"("remote": "10.0.1.1", "kind": "ipip")"), 1500U - 20);
  EXPECT_EQ(mtu(R"("remote": "fd00:1::1", "kind": "ipip")"), 1500U - 40);
}

TEST(Inner, Kind_CarriesTheFamiliesOfTheSources) {
  const auto kind = [](const Profile& profile, const char* remote) {
    return link_kind_of(
        with_inner(profile, std::string(R"({"kind": "ipip", "link": "wg0", "remote": ")") + remote + R"("})"));
  };
  EXPECT_EQ(kind(test::home_profile(), "10.0.1.1"), "ipip");
  EXPECT_EQ(kind(test::dual_home_profile(), "10.0.1.1"), "sit");
  EXPECT_EQ(kind(test::home_profile(), "fd00:1::1"), "ip6tnl");
}

TEST(Inner, CarriesTheHostsOwnMail_AsItDoesTheSources) {
  const auto own = [](const std::string& kind, const std::string& addresses) {
    return parse_profile("x", "x.json",
                         R"({"side": "home", "tunnel": "mail0", "sources": [{"user": 997, "address": )" + addresses +
                             R"(}], "inner": {"kind": ")" + kind + R"(", "remote": "10.0.1.1", "link": "wg0"}})")
        .value();
  };
  constexpr const char* kBoth = R"(["10.0.9.2", "fd00:9::2"])";
  EXPECT_EQ(link_of(own("vxlan", R"("10.0.9.2")"), test::bare_home()).neighbours.size(), 1U);
  EXPECT_EQ(link_of(own("vxlan", kBoth), test::dual_bare_home()).neighbours.size(), 2U);
  EXPECT_EQ(link_kind_of(own("ipip", R"("10.0.9.2")")), "ipip");
  EXPECT_EQ(link_kind_of(own("ipip", kBoth)), "sit");
  EXPECT_EQ(outer_protocols(own("ipip", R"("10.0.9.2")")).size(), 1U);
  EXPECT_EQ(outer_protocols(own("ipip", kBoth)).size(), 2U);
}

TEST(Inner, OverWhatLeadsToTheInternet_IsRefused) {
  auto vps = test::vps();
  const auto over_wan = with_inner(test::vps_profile(), R"({"remote": "198.51.100.7", "link": "eth0"})");
  EXPECT_NE(resolve_host(over_wan, vps.state).error().message().find("is over the uplink"), std::string::npos);
  auto host = test::bare_home();  // a PPPoE has no gateway
  test::add_link(host, "ppp0", "ppp", "198.51.100.2/32");
  std::ranges::find_if(host.state.routes, [](const Route& route) {
    return route.destination.is_default();
  })->interface = test::ifname("ppp0");
  std::ranges::find_if(host.state.routes, [](const Route& route) {
    return route.destination.is_default();
  })->gateway.reset();
  const auto over_ppp = with_inner(test::home_profile(), R"({"remote": "203.0.113.10", "link": "ppp0"})");
  EXPECT_NE(resolve_host(over_ppp, host.state).error().message().find("is over the uplink"), std::string::npos);
}

TEST(Inner, ThisEndsAddress_IsOneThatLasts) {
  auto host = test::bare_home();
  const int wg0 = host.state.link(test::ifname("wg0"))->index;
  host.state.addresses.push_back({wg0, test::address("fd00:1::1234"), 64, kTemporary});
  host.state.addresses.push_back({wg0, test::address("fd00:1::2"), 64, kPermanent});
  const auto link = link_of(with_inner(test::home_profile(), R"({"remote": "fd00:1::1", "link": "wg0"})"), host);
  EXPECT_EQ(link.local, test::address("fd00:1::2"));
}

TEST(Inner, NarrowLink_TakesIpv6OnlyWithIpipBetweenIpv4Addresses) {
  auto host = test::dual_home();
  std::ranges::find(host.state.links, test::ifname("wg0"), &Link::name)->mtu = 1280;  // as Tailscale's
  const auto vxlan = resolve_host(with_inner(test::dual_home_profile(), kToVps), host.state);
  ASSERT_FALSE(vxlan);
  EXPECT_NE(vxlan.error().message().find("MTU 1280 less 50"), std::string::npos) << vxlan.error().message();
  EXPECT_EQ(link_of(with_inner(test::home_profile(), kToVps), host).mtu, 1230U) << "IPv4 alone";
  const auto ipip = with_inner(test::dual_home_profile(), R"({"kind": "ipip", "remote": "10.0.1.1", "link": "wg0"})");
  EXPECT_EQ(link_of(ipip, host).mtu, 1280U);
  test::add_address(host, "wg0", "fd00:1::2/64");
  const auto over_ipv6 =
      with_inner(test::dual_home_profile(), R"({"kind": "ipip", "remote": "fd00:1::1", "link": "wg0"})");
  EXPECT_FALSE(resolve_host(over_ipv6, host.state));
}

TEST(Inner, Ends_AreEachOthersGatewayAndNeighbour) {
  const auto home = link_of(with_inner(test::home_profile(), kToVps), test::bare_home());
  const auto vps = link_of(with_inner(test::vps_profile(), kToHome), test::vps());
  ASSERT_EQ(home.neighbours.size(), 1U);
  ASSERT_EQ(vps.neighbours.size(), 1U);
  EXPECT_EQ(home.neighbours[0].mac, vps.mac);
  EXPECT_EQ(vps.neighbours[0].mac, home.mac);
  EXPECT_NE(home.mac, vps.mac);
  EXPECT_EQ(home.port, vps.port);
  EXPECT_EQ(home.id, vps.id);
}

TEST(Inner, Local_IsTheLinksAddressOfTheRemotesFamily_OrTheOneNamed) {
  auto host = test::bare_home();
  test::add_address(host, "wg0", "10.0.7.2/24");
  EXPECT_EQ(link_of(with_inner(test::home_profile(), kToVps), host).local, test::address("10.0.1.2"));
  const auto named = R"({"remote": "10.0.1.1", "link": "wg0", "local": "10.0.7.2"})";
  EXPECT_EQ(link_of(with_inner(test::home_profile(), named), host).local, test::address("10.0.7.2"));
  const auto absent = R"({"remote": "10.0.1.1", "link": "wg0", "local": "10.0.8.2"})";
  EXPECT_EQ(link_of(with_inner(test::home_profile(), absent), host).mtu, 0U) << "not there yet";
}

TEST(Inner, OverTheUplink_IsRefused) {
  const auto home = with_inner(test::home_profile(), R"({"remote": "203.0.113.10", "link": "eth0"})");
  EXPECT_FALSE(resolve_host(home, test::bare_home().state));
  const auto vps = with_inner(test::vps_profile(), R"({"remote": "198.51.100.2", "link": "eth0"})");
  EXPECT_FALSE(resolve_host(vps, test::vps().state));
}

}  // namespace
}  // namespace smtpegress
