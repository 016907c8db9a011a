// ConntrackSocket against the running kernel's table; flows are made with conntrack(8).
#include "netlink/conntrack_socket.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

#include "netns/fresh_namespace.hpp"

namespace smtpegress::netlink {
namespace {

using test::in_fresh_namespace;
using test::output_of;
using test::shell;

ConntrackSocket opened() {
  auto socket = ConntrackSocket::open();
  if (!socket) {
    ADD_FAILURE() << socket.error().message();
    std::exit(EXIT_FAILURE);
  }
  return std::move(*socket);
}

std::vector<Flow> flows_of(ConntrackSocket& socket) {
  auto flows = socket.tcp_flows(IpFamily::kV4);
  EXPECT_TRUE(flows) << (flows ? "" : flows.error().message());
  std::sort(flows->begin(), flows->end(), [](const Flow& a, const Flow& b) { return a.source_port < b.source_port; });
  return *flows;
}

/// A flow to port 25 from `port`; `more` are further options of conntrack -I.
void make_flow(int port, const std::string& more = "", const std::string& source = "172.22.1.10") {
  shell("conntrack -I -p tcp -s " + source + " -d 203.0.113.25 --sport " + std::to_string(port) +
        " --dport 25 --state ESTABLISHED -t 300 -u SEEN_REPLY,ASSURED " + more);
}

std::string table() {
  return output_of("conntrack -L -o id 2>/dev/null | sort").text;
}

TEST(ConntrackSocket, TcpFlows_AreThoseOfTheKernel) {
  in_fresh_namespace([] {
    make_flow(40000);
    make_flow(40001, "-r 203.0.113.25 -q 10.0.0.2 --reply-port-src 25 --reply-port-dst 50001");
    shell("conntrack -I -p udp -s 172.22.1.10 -d 203.0.113.53 --sport 53 --dport 53 -t 300");
    shell("conntrack -I -p tcp -s 2001:db8::1 -d 2001:db8::2 --sport 1 --dport 25 --state ESTABLISHED -t 300");
    auto socket = opened();
    const auto flows = flows_of(socket);
    ASSERT_EQ(flows.size(), 2U) << "no udp, no IPv6";
    EXPECT_EQ(flows[0].source.to_string(), "172.22.1.10");
    EXPECT_EQ(flows[0].destination.to_string(), "203.0.113.25");
    EXPECT_EQ(flows[0].source_port, 40000);
    EXPECT_EQ(flows[0].destination_port, 25);
    EXPECT_EQ(flows[0].reply_destination, flows[0].source);
    EXPECT_EQ(flows[1].reply_source.to_string(), "203.0.113.25");
    EXPECT_EQ(flows[1].reply_destination.to_string(), "10.0.0.2") << "SNATed";
    EXPECT_EQ(flows[1].reply_source_port, 25);
    EXPECT_EQ(flows[1].reply_destination_port, 50001);
    EXPECT_NE(flows[0].id, flows[1].id);
    EXPECT_NE(table().find("id=" + std::to_string(flows[0].id)), std::string::npos) << table();
  });
}

TEST(ConntrackSocket, TcpFlows_OfAnEmptyTable_AreNone) {
  in_fresh_namespace([] {
    auto socket = opened();
    EXPECT_TRUE(flows_of(socket).empty());
  });
}

TEST(ConntrackSocket, Delete_TakesThatFlowOnly) {
  in_fresh_namespace([] {
    make_flow(40000);
    make_flow(40001);
    make_flow(40000, "", "172.22.1.11");
    auto socket = opened();
    auto flows = flows_of(socket);
    ASSERT_EQ(flows.size(), 3U);
    ASSERT_TRUE(socket.delete_flow(flows[2]));
    EXPECT_EQ(table().find("sport=40001"), std::string::npos);
    EXPECT_EQ(flows_of(socket).size(), 2U);
    EXPECT_TRUE(socket.delete_flow(flows[2])) << "one that has ended meanwhile is no error";
    EXPECT_EQ(flows_of(socket).size(), 2U);
  });
}

TEST(ConntrackSocket, Delete_ANewFlowOfTheSameTuple_IsSpared) {
  in_fresh_namespace([] {
    make_flow(40000);
    auto socket = opened();
    auto flow = flows_of(socket).at(0);
    flow.id ^= 1;  // what was listed has ended; another flow has its tuple now
    const auto before = table();
    EXPECT_TRUE(socket.delete_flow(flow));
    EXPECT_EQ(flows_of(socket).size(), 1U);
    EXPECT_EQ(table().substr(0, 20), before.substr(0, 20));
  });
}

TEST(ConntrackSocket, Delete_InAZone_TakesThatZonesOnly) {
  in_fresh_namespace([] {
    make_flow(40000);
    make_flow(40000, "-w 7");
    make_flow(40000, "--orig-zone 8 -r 203.0.113.25 -q 10.0.0.2 --reply-port-src 25 --reply-port-dst 50001");
    auto socket = opened();
    auto flows = flows_of(socket);
    ASSERT_EQ(flows.size(), 3U);
    for (const std::uint16_t zone : {std::uint16_t{7}, std::uint16_t{8}, std::uint16_t{0}}) {
      const auto flow = std::find_if(flows.begin(), flows.end(), [&](const Flow& f) { return f.zone == zone; });
      ASSERT_NE(flow, flows.end()) << zone;
      const auto before = flows_of(socket).size();
      ASSERT_TRUE(socket.delete_flow(*flow)) << zone;
      EXPECT_EQ(flows_of(socket).size(), before - 1) << zone;
    }
  });
}

TEST(ConntrackSocket, TcpFlows_ManyDatagrams_AreAllListed) {
  in_fresh_namespace([] {
    constexpr int kFlows = 500;
    std::string commands = "for p in $(seq 1 " + std::to_string(kFlows) +
                           "); do echo \"-I -p tcp -s 172.22.1.10 -d 203.0.113.25 --sport $((40000 + p)) --dport 25 "
                           "--state ESTABLISHED -t 300\"; done | conntrack -R -";
    shell(commands);
    auto socket = opened();
    EXPECT_EQ(flows_of(socket).size(), std::size_t{kFlows});
  });
}

TEST(ConntrackSocket, WithoutCapNetAdmin_IsAPermissionError) {
  in_fresh_namespace([] {
    make_flow(40000);
    ASSERT_EQ(::setresuid(65534, 65534, 65534), 0);
    auto socket = opened();
    const auto flows = socket.tcp_flows(IpFamily::kV4);
    ASSERT_FALSE(flows);
    EXPECT_EQ(flows.error().kind, ErrorKind::kPermission);
    EXPECT_NE(flows.error().hint.find("CAP_NET_ADMIN"), std::string::npos);
    Flow flow;
    EXPECT_EQ(socket.delete_flow(flow).error().kind, ErrorKind::kPermission);
  });
}

}  // namespace
}  // namespace smtpegress::netlink
