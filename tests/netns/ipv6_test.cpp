// IPv6 in the running kernel: what is made lists back equal, though the kernel hangs reject routes on the loopback
// interface and gives every route a metric; and what an address is for is told.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>

#include "netns/fresh_namespace.hpp"
#include "netns/route_host.hpp"
#include "smtpegress/kernel.hpp"

namespace smtpegress::netlink {
namespace {

using test::in_fresh_namespace;
using test::shell;

constexpr std::uint32_t kUserMetric = 1024;  // IP6_RT_PRIO_USER, net/ip6_route.h

void make_ipv6_host() {
  make_host();
  shell("ip -6 address add 2001:db8:51::2/64 dev v0 nodad");
  shell("ip -6 address add fd00:1::2/64 dev wg0 nodad");
}

Route egress(RouteType type, std::string_view destination) {
  Route route;
  route.family = IpFamily::kV6;
  route.table = {100};
  route.destination = Prefix::parse(destination).value();
  route.metric = type == RouteType::kUnreachable ? 0xffffffff : kUserMetric;
  route.type = type;
  route.interface = type == RouteType::kUnicast ? name("wg0") : IfName{};
  route.protocol = kOurProtocol;
  return route;
}

PolicyRule rule_with(std::vector<UnknownAttribute> selectors) {
  auto rule = our_rule();
  rule.family = IpFamily::kV6;
  rule.mark.reset();
  rule.other = std::move(selectors);
  return rule;
}

std::vector<Route> egress_routes(RouteSocket& socket) {
  auto all = must(socket.routes(IpFamily::kV6, must(socket.links())));
  std::erase_if(all, [](const Route& route) { return route.table != TableId{100}; });
  return all;
}

TEST(Ipv6Routes, EachKindOfOurs_ListsBackEqualAndIsDeletedAlone) {
  in_fresh_namespace([] {
    make_ipv6_host();
    auto socket = opened();
    const std::vector ours{egress(RouteType::kUnreachable, "::/0"), egress(RouteType::kThrow, "fd00:203::/64"),
                           egress(RouteType::kUnicast, "::/0")};
    for (const auto& route : ours) {
      must(socket.add_route(route));
      EXPECT_EQ(count(egress_routes(socket), route), 1) << to_string(route);
      EXPECT_EQ(must_fail(socket.add_route(route)).errnum, EEXIST);
    }
    for (const auto& route : ours) {
      must(socket.delete_route(route));
      EXPECT_EQ(count(egress_routes(socket), route), 0) << to_string(route);
    }
    EXPECT_TRUE(egress_routes(socket).empty());
  });
}

TEST(Ipv6Rules, ByMarkBySourceAndByInterface_ListBackEqualAndAreDeletedAlone) {
  in_fresh_namespace([] {
    make_ipv6_host();
    auto socket = opened();
    auto by_mark = rule_with({});
    by_mark.mark = Mark{.value = 0x19, .mask = 0xffffffff};
    const PortRange smtp{25, 25};
    const std::vector ours{by_mark, rule_with(selecting(Prefix::parse("fd00:203::/64").value(), 6, smtp)),
                           rule_with(selecting(name("v0"), 6, smtp)), rule_with(selecting(name("not-there"), 6, smtp))};
    const auto before = must(socket.rules(IpFamily::kV6));
    const auto ipv4 = must(socket.rules(IpFamily::kV4));
    for (const auto& rule : ours) {
      must(socket.add_rule(rule, Duplicates::kRefuse));
      EXPECT_EQ(count(must(socket.rules(IpFamily::kV6)), rule), 1) << to_string(rule);
    }
    EXPECT_EQ(must(socket.rules(IpFamily::kV4)), ipv4) << "nothing of IPv4's";
    for (const auto& rule : ours) {
      must(socket.delete_rule(rule));
    }
    EXPECT_EQ(must(socket.rules(IpFamily::kV6)), before);
  });
}

TEST(Ipv6Addresses, TheirFlagsAreTold) {
  in_fresh_namespace([] {
    make_ipv6_host();
    shell("ip -6 address add 2001:db8:51::3/64 dev v0 nodad preferred_lft 0 valid_lft forever");
    shell("ip -6 address add 2001:db8:51::4/64 dev v0 nodad valid_lft 600 preferred_lft 600");
    auto socket = opened();
    const auto addresses = must(socket.addresses());
    const auto flags = [&](std::string_view text) {
      const auto found = std::ranges::find(addresses, ip(text), &InterfaceAddress::local);
      EXPECT_NE(found, addresses.end());
      return found->flags & (kTemporary | kDeprecated | kTentative | kDadFailed | kPermanent);
    };
    EXPECT_EQ(flags("2001:db8:51::2"), kPermanent);
    EXPECT_EQ(flags("2001:db8:51::3"), kPermanent | kDeprecated);
    EXPECT_EQ(flags("2001:db8:51::4"), 0U);
  });
}

TEST(Ipv6Observation, HasBothFamilies) {
  in_fresh_namespace([] {
    make_ipv6_host();
    const auto observed = must(make_linux_kernel()->observe());
    for (const auto family : kBothFamilies) {
      EXPECT_TRUE(std::ranges::any_of(observed.rules, [&](const PolicyRule& rule) { return rule.family == family; }));
      EXPECT_TRUE(std::ranges::any_of(observed.routes, [&](const Route& route) {
        return route.family == family && route.interface == name("wg0");
      }));
    }
  });
}

/// All of IPv6's sysctls in this namespace, a line each.
std::string ipv6_sysctls() {
  const auto all = test::output_of(
      "cd /proc/sys/net/ipv6; find . -type f | sort | while read -r file; do "
      "case $file in *stable_secret|*/flush) ;; *) echo \"$file=$(cat $file)\" ;; esac; done");
  EXPECT_EQ(all.status, 0) << all.text;
  return all.text;
}

std::string with_forwarding_off(std::string text) {
  constexpr std::string_view kOn = "/forwarding=1\n";
  for (auto at = text.find(kOn); at != std::string::npos; at = text.find(kOn, at)) {
    text.replace(at, kOn.size(), "/forwarding=0\n");
  }
  return text;
}

/// What the kernel does beside when IPv6 forwarding is switched on and off: each interface's own, and nothing else.
TEST(Ipv6Forwarding, SwitchedThereAndBack_TouchesEachInterfacesForwardingAlone) {
  in_fresh_namespace([] {
    make_ipv6_host();
    auto kernel = make_linux_kernel();
    must(kernel->write_sysctl("net/ipv6/conf/wg0/forwarding", "1"));
    const auto before = ipv6_sysctls();
    ASSERT_NE(before.find("./conf/wg0/forwarding=1\n"), std::string::npos);
    must(kernel->write_sysctl("net/ipv6/conf/all/forwarding", "1"));
    const auto on = ipv6_sysctls();
    EXPECT_NE(on.find("./conf/v0/forwarding=1\n"), std::string::npos);
    EXPECT_EQ(with_forwarding_off(on), with_forwarding_off(before));
    must(kernel->write_sysctl("net/ipv6/conf/all/forwarding", "0"));
    EXPECT_EQ(ipv6_sysctls(), with_forwarding_off(before)) << "wg0's is lost";
    must(kernel->write_sysctl("net/ipv6/conf/wg0/forwarding", "1"));
    EXPECT_EQ(ipv6_sysctls(), before);
  });
}

}  // namespace
}  // namespace smtpegress::netlink
