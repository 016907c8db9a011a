// What the tests of RouteSocket share: a small host, and what smtp-egress puts on one.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "netlink/route_socket.hpp"
#include "netns/fresh_namespace.hpp"

namespace smtpegress::netlink {

inline constexpr std::uint32_t kLastMetric = 4278198272;

inline IfName name(std::string_view text) {
  return IfName::parse(text).value();
}
inline IpAddress ip(std::string_view text) {
  return IpAddress::parse(text).value();
}

/// wg0: a TUN device that stands for the tunnel, 10.9.0.2/24; v0 and v1: a pair, v0 with 192.0.2.1/24 and the default.
inline void make_host() {
  test::shell("ip link set lo up");
  test::shell("ip tuntap add mode tun wg0 && ip link set wg0 mtu 1400 up && ip address add 10.9.0.2/24 dev wg0");
  test::shell("ip link add v0 type veth peer name v1 && ip link set v1 up && ip link set v0 up");
  test::shell("ip address add 192.0.2.1/24 dev v0 && ip route add default via 192.0.2.254 dev v0");
}

inline RouteSocket opened() {
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
inline void must(Result<void> result) {
  EXPECT_TRUE(result) << (result ? "" : result.error().message());
}

template <class T>
Error must_fail(const Result<T>& result) {
  EXPECT_FALSE(result);
  return result ? Error{} : result.error();
}

inline PolicyRule our_rule() {
  PolicyRule rule;
  rule.priority = {10025};
  rule.table = {100};
  rule.mark = Mark{.value = 0x19, .mask = 0xffffffff};
  rule.protocol = kOurProtocol;
  return rule;
}

inline Route tunnel_default() {
  Route route;
  route.table = {100};
  route.interface = name("wg0");
  route.protocol = kOurProtocol;
  return route;
}

inline Route unreachable_default() {
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

inline std::vector<Route> routes_of(RouteSocket& socket, TableId table) {
  auto all = must(socket.routes(IpFamily::kV4, must(socket.links())));
  std::erase_if(all, [&](const Route& route) { return route.table != table; });
  return all;
}

}  // namespace smtpegress::netlink
