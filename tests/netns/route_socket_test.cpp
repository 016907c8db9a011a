// RouteSocket against the running kernel: what it adds is what `ip` shows, what `ip` adds is what it lists, and it
// deletes that and nothing else.
#include "netlink/route_socket.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <fstream>
#include <thread>

#include "netns/fresh_namespace.hpp"

namespace smtpegress::netlink {
namespace {

using test::entry;
using test::in_fresh_namespace;
using test::ip_json;
using test::shell;

constexpr std::uint32_t kLastMetric = 4278198272;

IfName name(std::string_view text) {
  return IfName::parse(text).value();
}
IpAddress ip(std::string_view text) {
  return IpAddress::parse(text).value();
}

/// wg0: a TUN device that stands for the tunnel, 10.9.0.2/24; v0 and v1: a pair, v0 with 192.0.2.1/24 and the default.
void make_host() {
  shell("ip link set lo up");
  shell("ip tuntap add mode tun wg0 && ip link set wg0 mtu 1400 up && ip address add 10.9.0.2/24 dev wg0");
  shell("ip link add v0 type veth peer name v1 && ip link set v1 up && ip link set v0 up");
  shell("ip address add 192.0.2.1/24 dev v0 && ip route add default via 192.0.2.254 dev v0");
}

RouteSocket opened() {
  auto socket = RouteSocket::open();
  if (!socket) {
    ADD_FAILURE() << socket.error().message();
    std::exit(EXIT_FAILURE);
  }
  return std::move(*socket);
}

template <class T>
T must(Result<T> result) {
  EXPECT_TRUE(result) << (result ? "" : result.error().message());
  return std::move(result).value();
}
void must(Result<void> result) {
  EXPECT_TRUE(result) << (result ? "" : result.error().message());
}

template <class T>
Error must_fail(const Result<T>& result) {
  EXPECT_FALSE(result);
  return result ? Error{} : result.error();
}

PolicyRule our_rule() {
  PolicyRule rule;
  rule.priority = {10025};
  rule.table = {100};
  rule.mark = Mark{.value = 0x19, .mask = 0xffffffff};
  rule.protocol = kOurProtocol;
  return rule;
}

Route tunnel_default() {
  Route route;
  route.table = {100};
  route.interface = name("wg0");
  route.protocol = kOurProtocol;
  return route;
}

Route unreachable_default() {
  Route route;
  route.table = {100};
  route.type = RouteType::kUnreachable;
  route.metric = kLastMetric;
  route.protocol = kOurProtocol;
  return route;
}

template <class T>
std::ptrdiff_t count(const std::vector<T>& all, const T& one) {
  return std::count(all.begin(), all.end(), one);
}

std::vector<Route> routes_of(RouteSocket& socket, TableId table) {
  auto all = must(socket.routes(must(socket.links())));
  std::erase_if(all, [&](const Route& route) { return route.table != table; });
  return all;
}

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

TEST(RouteSocket, AddRule_IsWhatIpShows_AndListsBackEqual) {
  in_fresh_namespace([] {
    auto socket = opened();
    must(socket.add_rule(our_rule(), Duplicates::kRefuse));
    const auto shown = entry(ip_json("rule"), "priority", 10025);
    ASSERT_FALSE(shown.is_null());
    EXPECT_EQ(shown.at("fwmark"), "0x19");
    EXPECT_EQ(shown.at("table"), "100");
    EXPECT_EQ(shown.at("protocol"), "25");
    EXPECT_EQ(shown.at("src"), "all");
    EXPECT_FALSE(shown.contains("fwmask"));
    EXPECT_EQ(count(must(socket.rules()), our_rule()), 1);
  });
}

TEST(RouteSocket, AddRule_WithAMaskAndALargeTable_ListsBackEqual) {
  in_fresh_namespace([] {
    auto socket = opened();
    auto rule = our_rule();
    rule.mark = Mark{.value = 0x19, .mask = 0xff};
    rule.table = {100000};
    must(socket.add_rule(rule, Duplicates::kRefuse));
    EXPECT_EQ(count(must(socket.rules()), rule), 1);
    EXPECT_EQ(entry(ip_json("rule"), "priority", 10025).at("fwmask"), "0xff");
    must(socket.delete_rule(rule));
    EXPECT_EQ(must(socket.rules()).size(), 3U);
  });
}

TEST(RouteSocket, Rules_MadeByIp_EqualOursOnlyWhereTheyMeanTheSame) {
  in_fresh_namespace([] {
    auto socket = opened();
    shell("ip rule add fwmark 0x19 table 100 priority 10025 protocol 25");
    EXPECT_EQ(count(must(socket.rules()), our_rule()), 1);
    shell("ip rule delete priority 10025");
    for (const std::string selector :
         {"not fwmark 0x19", "from 10.0.0.0/8 fwmark 0x19", "to 10.0.0.0/8 fwmark 0x19", "iif lo fwmark 0x19",
          "oif lo fwmark 0x19", "fwmark 0x19 uidrange 0-1000", "fwmark 0x19 ipproto tcp", "fwmark 0x19 dport 25",
          "fwmark 0x19 sport 25", "fwmark 0x19 suppress_prefixlength 0", "fwmark 0x19 suppress_ifgroup 3",
          "tos 0x10 fwmark 0x19", "fwmark 0x19/0xff"}) {
      shell("ip rule add " + selector + " table 100 priority 10025 protocol 25");
      const auto rules = must(socket.rules());
      EXPECT_EQ(rules.size(), 4U);
      EXPECT_EQ(count(rules, our_rule()), 0) << selector;
      shell("ip rule delete priority 10025");
    }
  });
}

TEST(RouteSocket, Rules_OfEveryShape_AreDeletedAndAddedBackAsTheyWere) {
  in_fresh_namespace([] {
    auto socket = opened();
    shell(
        "ip rule add not from 10.0.0.0/8 iif lo fwmark 0x19/0xff ipproto tcp dport 25 table 100 priority 5 protocol 7");
    shell("ip rule add fwmark 0x19 lookup main suppress_prefixlength 0 priority 6");
    shell("ip rule add to 192.0.2.0/24 tos 0x10 uidrange 5-6 unreachable priority 7");
    shell("ip rule add from all goto 32766 priority 8");
    const auto before = ip_json("rule");
    const auto rules = must(socket.rules());
    for (std::uint32_t priority = 5; priority <= 8; ++priority) {
      const auto rule =
          std::find_if(rules.begin(), rules.end(), [&](const PolicyRule& r) { return r.priority.value == priority; });
      ASSERT_NE(rule, rules.end()) << priority;
      must(socket.delete_rule(*rule));
      EXPECT_NE(ip_json("rule"), before) << priority;
      must(socket.add_rule(*rule, Duplicates::kRefuse));
    }
    EXPECT_EQ(ip_json("rule"), before);
    EXPECT_EQ(must(socket.rules()), rules);
  });
}

// FACTS 15, and beyond it: EXCL compares the protocol number as well.
TEST(RouteSocket, AddRule_Twice_IsRefusedUnlessAllowed) {
  in_fresh_namespace([] {
    auto socket = opened();
    must(socket.add_rule(our_rule(), Duplicates::kRefuse));
    const auto error = must_fail(socket.add_rule(our_rule(), Duplicates::kRefuse));
    EXPECT_EQ(error.errnum, EEXIST);
    EXPECT_EQ(error.operation, "add rule");
    EXPECT_EQ(error.object, to_string(our_rule()));
    EXPECT_FALSE(error.hint.empty());
    must(socket.add_rule(our_rule(), Duplicates::kAllow));
    EXPECT_EQ(count(must(socket.rules()), our_rule()), 2);
    auto other_owner = our_rule();
    other_owner.protocol = kBootProtocol;
    must(socket.add_rule(other_owner, Duplicates::kRefuse));
    EXPECT_EQ(count(must(socket.rules()), other_owner), 1);
  });
}

TEST(RouteSocket, DeleteRule_AnotherOwnersOfTheSameShape_IsLeftAlone) {
  in_fresh_namespace([] {
    auto socket = opened();
    shell("ip rule add fwmark 0x19 table 100 priority 10025 protocol 3");  // first, so the kernel meets it first
    shell("ip rule add fwmark 0x19 table 100 priority 10025");  // protocol 0: what ip writes when told nothing
    must(socket.add_rule(our_rule(), Duplicates::kRefuse));
    must(socket.delete_rule(our_rule()));
    auto boot = our_rule();
    boot.protocol = kBootProtocol;
    auto unspecified = our_rule();
    unspecified.protocol = {0};
    auto rules = must(socket.rules());
    EXPECT_EQ(count(rules, boot), 1);
    EXPECT_EQ(count(rules, unspecified), 1);
    EXPECT_EQ(count(rules, our_rule()), 0);
    const auto error = must_fail(socket.delete_rule(our_rule()));
    EXPECT_EQ(error.errnum, ENOENT);
    EXPECT_EQ(must(socket.rules()), rules);
    // A request for protocol 0 matches any: the kernel would take the other.
    EXPECT_EQ(must_fail(socket.delete_rule(unspecified)).errnum, ENOTUNIQ);
    EXPECT_EQ(must(socket.rules()), rules);
    must(socket.delete_rule(boot));
    must(socket.delete_rule(unspecified));
    EXPECT_EQ(must(socket.rules()).size(), 3U);
  });
}

// The kernel does not compare what a request leaves out, nor "not": each of these would go in our rule's stead.
TEST(RouteSocket, DeleteRule_OneWithFurtherSelectors_IsLeftAlone) {
  in_fresh_namespace([] {
    auto socket = opened();
    for (const std::string selector : {"not fwmark 0x19", "iif lo fwmark 0x19", "fwmark 0x19 ipproto tcp dport 25",
                                       "fwmark 0x19 uidrange 0-1000", "fwmark 0x19 suppress_prefixlength 0"}) {
      shell("ip rule add " + selector + " table 100 priority 10025 protocol 25");
      const auto before = must(socket.rules());
      EXPECT_EQ(must_fail(socket.delete_rule(our_rule())).errnum, ENOENT) << selector;
      must(socket.add_rule(our_rule(), Duplicates::kAllow));
      EXPECT_EQ(must_fail(socket.delete_rule(our_rule())).errnum, ENOTUNIQ) << selector;
      shell("ip rule delete priority 10025");  // the first: the other one
      must(socket.delete_rule(our_rule()));
      EXPECT_EQ(must(socket.rules()).size(), 3U);
    }
  });
}

TEST(RouteSocket, DeleteRule_OneOfTwo_LeavesTheOther) {
  in_fresh_namespace([] {
    auto socket = opened();
    must(socket.add_rule(our_rule(), Duplicates::kRefuse));
    must(socket.add_rule(our_rule(), Duplicates::kAllow));
    must(socket.delete_rule(our_rule()));
    EXPECT_EQ(count(must(socket.rules()), our_rule()), 1);
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
    EXPECT_EQ(must(socket.rules()).size(), 3U) << "looking needs no privilege";
  });
}

RouteAnswer ask(RouteSocket& socket, std::string_view destination, std::uint32_t mark = 0) {
  RouteQuery query;
  query.destination = ip(destination);
  query.mark = mark;
  return must(socket.look_up(query));
}

TEST(RouteSocket, LookUp_FromTheHost_FollowsTheMark) {
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

TEST(RouteSocket, LookUp_NoWay_IsAnAnswerWithItsErrno) {
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

void write(const std::string& sysctl, int value) {
  std::ofstream("/proc/sys/" + sysctl) << value;
}

TEST(RouteSocket, LookUp_Forwarded_UsesInterfaceSourceAndMark) {
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
      EXPECT_EQ(must(socket.rules()).size(), 4U);
      EXPECT_EQ(must(socket.links()).size(), 4U);
    }
  });
}

// Some 300 KB: many datagrams. Another thread changes the list all the while.
TEST(RouteSocket, Rules_ManyAndChanging_AreNeverListedInPart) {
  in_fresh_namespace([] {
    constexpr std::uint32_t kStanding = 3000;
    auto socket = opened();
    auto rule = our_rule();
    for (std::uint32_t i = 0; i < kStanding; ++i) {
      rule.priority = {10000 + i};
      must(socket.add_rule(rule, Duplicates::kAllow));
    }
    std::atomic<bool> stop = false;
    std::thread other([&] {
      auto own = opened();
      auto changing = our_rule();
      changing.priority = {5};
      changing.protocol = kBootProtocol;
      while (!stop) {
        (void)own.add_rule(changing, Duplicates::kAllow);
        (void)own.delete_rule(changing);
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
      }
    });
    int whole = 0;
    for (int i = 0; i < 30; ++i) {
      const auto rules = socket.rules();
      if (!rules) {
        EXPECT_EQ(rules.error().errnum, EINTR);
        continue;
      }
      ++whole;
      EXPECT_EQ(
          std::count_if(rules->begin(), rules->end(), [](const PolicyRule& r) { return r.protocol == kOurProtocol; }),
          std::ptrdiff_t{kStanding});
    }
    stop = true;
    other.join();
    EXPECT_GT(whole, 0);
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
