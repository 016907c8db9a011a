// Links, addresses and routes in the running kernel: what RouteSocket adds is what `ip` shows, what `ip` adds is what
// it lists, and it deletes that and nothing else.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "netns/fresh_namespace.hpp"
#include "netns/route_host.hpp"

namespace smtpegress::netlink {
namespace {

using test::entry;
using test::in_fresh_namespace;
using test::ip_json;
using test::shell;

TEST(RouteSocket, Links_AreThoseThatIpShows) {
  in_fresh_namespace([] {
    make_host();
    shell("ip link add br-mail type bridge");
    auto socket = opened();
    const auto links = must(socket.links());
    const auto shown = ip_json("link");
    ASSERT_EQ(links.size(), shown.size());
    for (const Link& link : links) {
      const auto other = entry(shown, "ifname", link.name.str());
      ASSERT_FALSE(other.is_null()) << link.name.str();
      EXPECT_EQ(link.index, other.at("ifindex").get<int>());
      EXPECT_EQ(link.mtu, other.at("mtu").get<std::uint32_t>());
      const auto& flags = other.at("flags");
      EXPECT_EQ(link.up, std::find(flags.begin(), flags.end(), "UP") != flags.end()) << link.name.str();
      const bool has_kind = other.contains("linkinfo") && other.at("linkinfo").contains("info_kind");
      EXPECT_EQ(link.kind, has_kind ? other.at("linkinfo").at("info_kind").get<std::string>() : "");
    }
  });
}

TEST(RouteSocket, Addresses_AreThoseThatIpShows) {
  in_fresh_namespace([] {
    make_host();
    shell("ip address add 10.8.0.2 peer 10.8.0.1 dev wg0 && ip address add 2001:db8::2/64 dev wg0");
    auto socket = opened();
    std::vector<std::string> ours;
    for (const auto& address : must(socket.addresses())) {
      ours.push_back(std::to_string(address.link) + ' ' + address.local.to_string() + '/' +
                     std::to_string(address.prefix_length));
    }
    std::vector<std::string> shown;
    for (const auto& link : ip_json("address")) {
      for (const auto& info : link.at("addr_info")) {
        shown.push_back(std::to_string(link.at("ifindex").get<int>()) + ' ' + info.at("local").get<std::string>() +
                        '/' + std::to_string(info.at("prefixlen").get<int>()));
      }
    }
    std::sort(ours.begin(), ours.end());
    std::sort(shown.begin(), shown.end());
    EXPECT_EQ(ours, shown);
    EXPECT_NE(std::find(ours.begin(), ours.end(), "2 10.8.0.2/32"), ours.end()) << "ours, not the peer's";
  });
}

TEST(RouteSocket, AddRoutes_AreWhatIpShows_AndListBackEqual) {
  in_fresh_namespace([] {
    make_host();
    auto socket = opened();
    must(socket.add_route(tunnel_default()));
    must(socket.add_route(unreachable_default()));
    const auto shown = ip_json("route show table 100");
    ASSERT_EQ(shown.size(), 2U);
    EXPECT_EQ(shown[0].at("dst"), "default");
    EXPECT_EQ(shown[0].at("dev"), "wg0");
    EXPECT_EQ(shown[0].at("protocol"), "25");
    EXPECT_EQ(shown[0].at("scope"), "253");  // link
    EXPECT_EQ(shown[1].at("type"), "7");     // unreachable
    EXPECT_EQ(shown[1].at("metric"), kLastMetric);
    EXPECT_EQ(routes_of(socket, {100}), (std::vector{tunnel_default(), unreachable_default()}));
    must(socket.delete_route(tunnel_default()));
    must(socket.delete_route(unreachable_default()));
    EXPECT_TRUE(ip_json("route show table all").dump().find("\"table\":\"100\"") == std::string::npos);
  });
}

TEST(RouteSocket, Routes_MadeByIp_EqualOursOnlyWhereTheyMeanTheSame) {
  in_fresh_namespace([] {
    make_host();
    auto socket = opened();
    shell("ip route add default dev wg0 table 100 proto 25");
    shell("ip route add unreachable default table 100 proto 25 metric 4278198272");
    EXPECT_EQ(routes_of(socket, {100}), (std::vector{tunnel_default(), unreachable_default()}));
    shell("ip route flush table 100");
    for (const std::string route :
         {"default dev wg0 mtu 1280", "default dev wg0 src 10.9.0.2", "default via 10.9.0.1 dev wg0",
          "default dev wg0 metric 5", "default dev wg0 scope global", "default via 10.9.0.1 dev wg0 onlink",
          "default nexthop via 192.0.2.7 dev v0 nexthop via 192.0.2.8 dev v0", "default dev wg0 realm 5",
          "0.0.0.0/0 via inet6 fe80::1 dev v0", "default tos 0x10 dev wg0", "default dev wg0 proto 3",
          "blackhole default", "default dev v0", "0.0.0.0/1 dev wg0"}) {
      shell("ip -4 route add table 100 proto 25 " + route);
      const auto routes = routes_of(socket, {100});
      ASSERT_EQ(routes.size(), 1U) << route;
      EXPECT_NE(routes[0], tunnel_default()) << route;
      EXPECT_EQ(must_fail(socket.delete_route(tunnel_default())).errnum, ESRCH) << route;
      EXPECT_EQ(routes_of(socket, {100}), routes) << route;
      must(socket.delete_route(routes[0]));
      EXPECT_TRUE(routes_of(socket, {100}).empty()) << route;
      must(socket.add_route(routes[0]));
      EXPECT_EQ(routes_of(socket, {100}), routes) << route;
      shell("ip route flush table 100");
    }
  });
}

TEST(RouteSocket, Routes_OfTheLocalTable_AreNotListed_AndMainIs) {
  in_fresh_namespace([] {
    make_host();
    auto socket = opened();
    EXPECT_TRUE(routes_of(socket, {255}).empty());
    const auto main = routes_of(socket, kMainTable);
    ASSERT_EQ(main.size(), ip_json("route show table main").size());
    const auto gateway = std::find_if(main.begin(), main.end(), [](const Route& r) { return r.gateway.has_value(); });
    ASSERT_NE(gateway, main.end());
    EXPECT_EQ(*gateway->gateway, ip("192.0.2.254"));
    EXPECT_TRUE(gateway->destination.is_default());
    EXPECT_EQ(gateway->protocol, kBootProtocol);
  });
}

TEST(RouteSocket, DeleteRoute_AnotherOwnersOfTheSameShape_IsLeftAlone) {
  in_fresh_namespace([] {
    make_host();
    auto socket = opened();
    shell("ip route add default dev wg0 table 100 proto 3");
    const auto before = ip_json("route show table 100");
    EXPECT_EQ(must_fail(socket.add_route(tunnel_default())).errnum, EEXIST);
    EXPECT_EQ(must_fail(socket.delete_route(tunnel_default())).errnum, ESRCH);
    EXPECT_EQ(ip_json("route show table 100"), before);
    must(socket.add_route(unreachable_default()));
    must(socket.delete_route(unreachable_default()));
    EXPECT_EQ(ip_json("route show table 100"), before);
  });
}

// Metric 0 in a request matches any: without a look first, the one with metric 50 would go.
TEST(RouteSocket, DeleteRoute_OneWithAnotherMetric_IsLeftAlone) {
  in_fresh_namespace([] {
    make_host();
    auto socket = opened();
    shell("ip route add default dev wg0 table 100 proto 25 metric 50");
    EXPECT_EQ(must_fail(socket.delete_route(tunnel_default())).errnum, ESRCH);
    must(socket.add_route(tunnel_default()));
    must(socket.delete_route(tunnel_default()));
    const auto left = ip_json("route show table 100");
    ASSERT_EQ(left.size(), 1U);
    EXPECT_EQ(left[0].at("metric"), 50);
  });
}

TEST(RouteSocket, DeleteRoute_OneWithAnotherSourceBeforeIt_IsLeftAlone) {
  in_fresh_namespace([] {
    make_host();
    auto socket = opened();
    shell("ip route add default dev wg0 src 10.9.0.2 table 100 proto 25");
    shell("ip route append default dev wg0 table 100 proto 25");
    const auto before = ip_json("route show table 100");
    ASSERT_EQ(before.size(), 2U);
    EXPECT_EQ(must_fail(socket.delete_route(tunnel_default())).errnum, ENOTUNIQ);
    EXPECT_EQ(ip_json("route show table 100"), before);
  });
}

TEST(RouteSocket, Routes_InterfaceDownOrGone_AreErrorsThatSayWhatToDo) {
  in_fresh_namespace([] {
    make_host();
    auto socket = opened();
    shell("ip link set wg0 down");
    auto error = must_fail(socket.add_route(tunnel_default()));
    EXPECT_EQ(error.errnum, ENETDOWN);
    EXPECT_EQ(error.hint, "bring wg0 up");
    EXPECT_EQ(error.kernel_text, "Device for nexthop is not up");
    EXPECT_EQ(error.object, to_string(tunnel_default()));
    shell("ip link delete wg0");
    error = must_fail(socket.add_route(tunnel_default()));
    EXPECT_EQ(error.errnum, ENODEV);
    EXPECT_EQ(error.operation, "add route");
    EXPECT_EQ(error.hint, "there is no interface wg0");
    EXPECT_EQ(must_fail(socket.delete_route(tunnel_default())).errnum, ESRCH);
  });
}

TEST(RouteSocket, Changes_WithoutCapNetAdmin_ArePermissionErrors) {
  in_fresh_namespace([] {
    make_host();
    ASSERT_EQ(::setresuid(65534, 65534, 65534), 0);
    auto socket = opened();
    for (const auto& error :
         {must_fail(socket.add_rule(our_rule(), Duplicates::kRefuse)), must_fail(socket.add_route(tunnel_default()))}) {
      EXPECT_EQ(error.kind, ErrorKind::kPermission);
      EXPECT_NE(error.hint.find("CAP_NET_ADMIN"), std::string::npos);
    }
    EXPECT_EQ(must(socket.rules(IpFamily::kV4)).size(), 3U) << "looking needs no privilege";
  });
}

TEST(RouteSocket, AfterARefusal_TheNextAnswerIsItsOwn) {
  in_fresh_namespace([] {
    make_host();
    auto socket = opened();
    must(socket.add_rule(our_rule(), Duplicates::kRefuse));
    auto elsewhere = tunnel_default();
    elsewhere.interface = name("nosuch0");
    for (int i = 0; i < 50; ++i) {
      EXPECT_EQ(must_fail(socket.add_rule(our_rule(), Duplicates::kRefuse)).errnum, EEXIST);
      EXPECT_EQ(must_fail(socket.add_route(elsewhere)).errnum, ENODEV);
      EXPECT_EQ(must(socket.rules(IpFamily::kV4)).size(), 4U);
      EXPECT_EQ(must(socket.links()).size(), 4U);
    }
  });
}

TEST(RouteSocket, Routes_ManyDatagrams_AreAllListed) {
  in_fresh_namespace([] {
    make_host();
    auto socket = opened();
    auto route = unreachable_default();
    for (int i = 0; i < 4000; ++i) {
      route.destination = Prefix{.address = ip("10.0.0.0"), .length = 32};
      route.destination.address.bytes[2] = static_cast<std::uint8_t>(i >> 8);
      route.destination.address.bytes[3] = static_cast<std::uint8_t>(i);
      must(socket.add_route(route));
    }
    EXPECT_EQ(routes_of(socket, {100}).size(), 4000U);
  });
}

}  // namespace
}  // namespace smtpegress::netlink
