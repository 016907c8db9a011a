// Where packets come to their end, as the running kernel tells it: this host, a router and a server, each in a network
// namespace of its own, and firewalls that drop and refuse.
#include "probe/hop_trace.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "netns/fresh_namespace.hpp"
#include "probe/conversation.hpp"

namespace smtpegress::probe {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::in_fresh_namespace;
using test::shell;

constexpr std::uint16_t kDropped = 25;
constexpr std::uint16_t kRefusedByServer = 443;
constexpr std::uint16_t kRefusedByRouter = 465;
constexpr std::uint16_t kRefusedHere = 587;
constexpr std::uint16_t kClosed = 2525;

/// The addresses of one family on the way.
struct Way {
  std::string here;
  std::string router;
  std::string behind;  ///< the router's, on the server's side
  std::string server;
  int length;  ///< of both networks
  [[nodiscard]] IpAddress router_address() const { return IpAddress::parse(router).value(); }
  [[nodiscard]] IpAddress server_address() const { return IpAddress::parse(server).value(); }
};
const Way kWay4{"10.0.1.2", "10.0.1.1", "10.0.2.1", "10.0.2.2", 24};
const Way kWay6{"fd00:1::2", "fd00:1::1", "fd00:2::1", "fd00:2::2", 64};

void give(const std::string& of, const std::string& link, const std::string& address, int length) {
  shell("ip " + of + " address add " + address + "/" + std::to_string(length) + " dev " + link +
        (address.find(':') == std::string::npos ? "" : " nodad"));
}

/// Nobody there counts the errors that it sends, or waits until its IPv6 addresses are known to be nobody else's.
void make_hosts() {
  shell("ip link set lo up && ip netns add router && ip netns add server");
  for (const std::string in : {"", "ip netns exec router ", "ip netns exec server "}) {
    shell(in + "sysctl -qw net.ipv6.conf.default.accept_dad=0");
  }
  shell("ip link add here type veth peer name there netns router && ip link set here up");
  shell("ip link add far netns router type veth peer name eth0 netns server");
  shell("ip -n router link set there up && ip -n router link set far up && ip -n server link set eth0 up");
  for (const auto& way : {kWay4, kWay6}) {
    give("", "here", way.here, way.length);
    give("-n router", "there", way.router, way.length);
    give("-n router", "far", way.behind, way.length);
    give("-n server", "eth0", way.server, way.length);
    shell("ip route add default via " + way.router + " && ip -n server route add default via " + way.behind);
  }
  for (const std::string name : {"router", "server"}) {
    shell("ip netns exec " + name + " sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0");
  }
  shell("ip netns exec router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
}

/// Of that namespace, with one rule for a port.
void firewall(const std::string& in, const std::string& hook, std::uint16_t port, const std::string& verdict) {
  const auto chain = "inet fw_" + hook + " c";
  shell(in + " nft 'add table inet fw_" + hook + "; add chain " + chain + " { type filter hook " + hook +
        " priority 0; }; add rule " + chain + " tcp dport " + std::to_string(port) + " " + verdict + "'");
}
void make_firewalls() {
  const std::string refuse = "reject with icmpx type admin-prohibited";
  const std::string at_server = "ip netns exec server";
  firewall(at_server, "input", kDropped, "drop");
  firewall(at_server, "input", kRefusedByServer, refuse);
  firewall("ip netns exec router", "forward", kRefusedByRouter, refuse);
  firewall("", "output", kRefusedHere, refuse);
}

HopTrace traced(const Way& way, std::uint16_t port, milliseconds patience = seconds(5)) {
  const auto traces = trace_hops({{way.server_address(), port}}, {}, Deadline::in(patience));
  EXPECT_TRUE(traces.at(0)) << "too few file descriptors";
  return traces.at(0).value_or(HopTrace{});
}

void expect_router_alone(const Way& way, const HopTrace& trace) {
  EXPECT_EQ(trace.hops.size(), 1U);
  EXPECT_EQ(trace.last_hop(), 1U);
  if (!trace.hops.empty()) {
    EXPECT_EQ(trace.hops.front().from, way.router_address());
  }
}

TEST(HopTrace, AServerThatRefusesByIcmp_HasAnswered_AndIsNoHop) {
  in_fresh_namespace(
      [] {
        make_hosts();
        make_firewalls();
        for (const auto& way : {kWay4, kWay6}) {
          const auto trace = traced(way, kRefusedByServer);
          EXPECT_TRUE(trace.server_answered) << way.server;
          expect_router_alone(way, trace);
        }
      },
      test::Run::kOwn);
}

TEST(HopTrace, AResetIsAnAnswer_AndSilenceIsNone) {
  in_fresh_namespace(
      [] {
        make_hosts();
        make_firewalls();
        const auto closed = traced(kWay4, kClosed);
        EXPECT_TRUE(closed.server_answered);
        expect_router_alone(kWay4, closed);
        const auto dropped = traced(kWay4, kDropped, milliseconds(500));
        EXPECT_FALSE(dropped.server_answered);
        expect_router_alone(kWay4, dropped);
      },
      test::Run::kOwn);
}

TEST(HopTrace, ARouterThatRefuses_IsTheLastHop_AndIsOne) {
  in_fresh_namespace(
      [] {
        make_hosts();
        make_firewalls();
        for (const auto& way : {kWay4, kWay6}) {
          const auto trace = traced(way, kRefusedByRouter);
          EXPECT_FALSE(trace.server_answered) << way.server;
          expect_router_alone(way, trace);
        }
      },
      test::Run::kOwn);
}

TEST(HopTrace, WhatThisHostItselfRefuses_HasNoHop) {
  in_fresh_namespace(
      [] {
        make_hosts();
        make_firewalls();
        for (const auto& way : {kWay4, kWay6}) {
          const auto trace = traced(way, kRefusedHere);
          EXPECT_FALSE(trace.server_answered) << way.server;
          EXPECT_TRUE(trace.hops.empty()) << way.server;
        }
      },
      test::Run::kOwn);
}

TEST(Conversation, WhereTheKernelGivesUpBeforeTheSearch_ThereIsOneAllTheSame) {
  in_fresh_namespace(
      [] {
        make_hosts();
        make_firewalls();
        shell("sysctl -qw net.ipv4.tcp_syn_retries=1");  // about three seconds, of the ten
        const auto patience = seconds(10);
        ProbeSighting sighting;
        hold({.server = {kWay4.server_address(), kDropped},
              .how = {},
              .name = {},
              .far_end = {},
              .control_port = kRefusedByServer,
              .patience = patience},
             Deadline::in(patience), sighting);
        EXPECT_EQ(sighting.step, ProbeStep::kConnect);
        EXPECT_EQ(sighting.errnum, ETIMEDOUT);
        ASSERT_TRUE(sighting.trace);
        expect_router_alone(kWay4, *sighting.trace);
        ASSERT_TRUE(sighting.control);
        EXPECT_TRUE(sighting.control->server_answered);
        expect_router_alone(kWay4, *sighting.control);
      },
      test::Run::kOwn);
}

}  // namespace
}  // namespace smtpegress::probe
