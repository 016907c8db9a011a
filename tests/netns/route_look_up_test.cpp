// RouteSocket::look_up against the running kernel: for the host's own packets and for forwarded ones.
#include <gtest/gtest.h>

#include <cerrno>
#include <fstream>
#include <string>
#include <string_view>

#include "netns/fresh_namespace.hpp"
#include "netns/route_host.hpp"

namespace smtpegress::netlink {
namespace {

using test::in_fresh_namespace;
using test::shell;

RouteAnswer ask(RouteSocket& socket, std::string_view destination, std::uint32_t mark = 0) {
  RouteQuery query;
  query.destination = ip(destination);
  query.mark = mark;
  return must(socket.look_up(query));
}

void write(const std::string& sysctl, int value) {
  std::ofstream("/proc/sys/" + sysctl) << value;
}

TEST(RouteLookUp, FromTheHost_FollowsTheMark) {
  in_fresh_namespace([] {
    make_host();
    auto socket = opened();
    must(socket.add_rule(our_rule(), Duplicates::kRefuse));
    must(socket.add_route(tunnel_default()));
    must(socket.add_route(unreachable_default()));
    const auto marked = ask(socket, "203.0.113.25", 0x19);
    EXPECT_EQ(marked.errnum, 0);
    EXPECT_EQ(marked.interface, name("wg0"));
    EXPECT_EQ(marked.table.value, 100U);
    EXPECT_FALSE(marked.gateway);
    const auto unmarked = ask(socket, "203.0.113.25");
    EXPECT_EQ(unmarked.interface, name("v0"));
    EXPECT_EQ(unmarked.table, kMainTable);
    EXPECT_EQ(unmarked.gateway, ip("192.0.2.254"));
    shell("ip link set wg0 down");  // takes the route with it: the unreachable one behind is left (FACTS 16)
    const auto down = ask(socket, "203.0.113.25", 0x19);
    EXPECT_EQ(down.errnum, EHOSTUNREACH);
    EXPECT_TRUE(down.interface.empty());
  });
}

TEST(RouteLookUp, OfAUser_MeetsHisRuleAndChoosesTheTunnelsAddress) {
  in_fresh_namespace([] {
    make_host();
    shell("ip -6 address add fd00:1::2/128 dev wg0 nodad");
    auto socket = opened();
    for (const auto family : kBothFamilies) {
      must(socket.add_rule({.family = family,
                            .priority = {10'025},
                            .action = kLookUpTable,
                            .table = {100},
                            .mark = {},
                            .protocol = kOurProtocol,
                            .other = selecting(UidRange{997, 997}, 6, PortRange{25, 25})},
                           Duplicates::kRefuse));
    }
    must(socket.add_route(tunnel_default()));
    shell("ip -6 route add default dev wg0 table 100");
    RouteQuery mail;
    mail.destination = ip("203.0.113.25");
    mail.ip_protocol = 6;
    mail.destination_port = 25;
    mail.uid = 997;
    EXPECT_EQ(must(socket.look_up(mail)).interface, name("wg0"));
    EXPECT_EQ(must(socket.look_up(mail)).preferred_source, ip("10.9.0.2"));
    mail.uid = 998;
    EXPECT_EQ(must(socket.look_up(mail)).interface, name("v0"));
    mail.uid = 997;
    mail.destination_port = 443;
    EXPECT_EQ(must(socket.look_up(mail)).interface, name("v0"));
    mail.destination = ip("2001:db8::25");
    mail.destination_port = 25;
    EXPECT_EQ(must(socket.look_up(mail)).interface, name("wg0"));
    EXPECT_EQ(must(socket.look_up(mail)).preferred_source, ip("fd00:1::2"));
  });
}

TEST(RouteLookUp, Forwarded_MeetsRulesBySourceInterfaceAndPort) {
  in_fresh_namespace([] {
    make_host();
    write("net/ipv4/ip_forward", 1);
    shell("ip link add br-mail type veth peer name c0 && ip link set c0 up && ip link set br-mail up");
    shell("ip address add 172.22.1.1/24 dev br-mail && ip route add default dev wg0 table 300");
    auto socket = opened();
    const RouteQuery mail{.destination = ip("203.0.113.25"),
                          .source = ip("172.22.1.10"),
                          .incoming = name("br-mail"),
                          .mark = 0x19,
                          .ip_protocol = 6,
                          .source_port = 40'000,
                          .destination_port = 25};
    for (const char* rule : {"from 172.22.1.0/24", "iif br-mail", "ipproto tcp", "dport 25", "sport 40000"}) {
      shell("ip rule add pref 100 " + std::string(rule) + " lookup 300");
      EXPECT_EQ(must(socket.look_up(mail)).table.value, 300U) << rule;
      EXPECT_EQ(ask(socket, "203.0.113.25", 0x19).table, kMainTable) << rule << ": not the host's own";
      shell("ip rule del pref 100");
    }
  });
}

TEST(RouteLookUp, NoWay_IsAnAnswerWithItsErrno) {
  in_fresh_namespace([] {
    make_host();
    auto socket = opened();
    shell("ip route add prohibit 198.51.100.1 && ip route add blackhole 198.51.100.2 && ip route delete default");
    shell("ip route add unreachable 198.51.100.3 && ip -6 route add unreachable 2001:db8:1::/48");
    shell("ip -6 route add prohibit 2001:db8:2::/48 && ip -6 route add blackhole 2001:db8:3::/48");
    EXPECT_EQ(ask(socket, "198.51.100.1").errnum, EACCES);
    EXPECT_EQ(ask(socket, "198.51.100.2").errnum, EINVAL);
    EXPECT_EQ(ask(socket, "198.51.100.3").errnum, EHOSTUNREACH);
    EXPECT_EQ(ask(socket, "203.0.113.25").errnum, ENETUNREACH);
    EXPECT_EQ(ask(socket, "2001:db8:1::1").errnum, EHOSTUNREACH);
    EXPECT_EQ(ask(socket, "2001:db8:2::1").errnum, EACCES);
    EXPECT_EQ(ask(socket, "2001:db8:3::1").errnum, EINVAL);
    EXPECT_EQ(ask(socket, "2001:db8:4::1").errnum, ENETUNREACH);
  });
}

TEST(RouteLookUp, Forwarded_UsesInterfaceSourceAndMark) {
  in_fresh_namespace([] {
    make_host();
    write("net/ipv4/ip_forward", 1);
    shell("ip link add br-mail type veth peer name c0 && ip link set c0 up && ip link set br-mail up");
    shell("ip address add 172.22.1.1/24 dev br-mail");
    auto socket = opened();
    must(socket.add_rule(our_rule(), Duplicates::kRefuse));
    must(socket.add_route(tunnel_default()));
    must(socket.add_route(unreachable_default()));
    RouteQuery query;
    query.destination = ip("203.0.113.25");
    query.source = ip("172.22.1.10");
    query.incoming = name("br-mail");
    EXPECT_EQ(must(socket.look_up(query)).interface, name("v0"));
    query.mark = 0x19;
    const auto marked = must(socket.look_up(query));
    EXPECT_EQ(marked.interface, name("wg0"));
    EXPECT_EQ(marked.table.value, 100U);
    query.source = ip("198.51.100.9");  // not one of the bridge's: strict reverse path filtering drops it
    write("net/ipv4/conf/br-mail/rp_filter", 1);
    const int errnum = must(socket.look_up(query)).errnum;
    EXPECT_TRUE(errnum == EXDEV || errnum == EINVAL) << errnum;
    query.incoming = name("nosuch0");
    const auto error = must_fail(socket.look_up(query));
    EXPECT_EQ(error.errnum, ENODEV);
    EXPECT_EQ(error.object, "nosuch0");
  });
}

}  // namespace
}  // namespace smtpegress::netlink
