// Owned tables and trace events on the running kernel.
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <algorithm>

#include "netlink/trace_socket.hpp"
#include "netns/nft_namespace.hpp"

namespace smtpegress::nft {
namespace {

using test::in_new_namespace;
using test::must_run;
using test::Nft;

class TraceSocket : public test::NamespaceTest {};

const TableKey kTable{Family::kInet, "smtp-egress.trace.test.1"};
const ChainKey kOutput{kTable, "output"};

/// Traces udp to port 9.
Batch table(const TableKey& key = kTable) {
  const ChainKey chain{key, "output"};
  return {AddTable{.table = key, .dormant = false, .owned = true},
          AddChain{chain, {ChainType::kFilter, Hook::kOutput, -1000, Policy::kAccept}},
          AppendRule{chain, {{MatchL4Proto{IPPROTO_UDP}, MatchPort{Side::kDestination, {9, 9}}}, {StartTrace{}}, {}}}};
}

std::vector<TraceEvent> events_of(PacketTrace& trace, std::size_t at_least) {
  std::vector<TraceEvent> events;
  for (int reads = 0; reads < 100 && events.size() < at_least; ++reads) {
    const auto read = trace.next(std::chrono::milliseconds(100));
    EXPECT_TRUE(read && !read->overrun);
    if (read) {
      events.insert(events.end(), read->events.begin(), read->events.end());
    }
  }
  return events;
}

TEST_F(TraceSocket, Table_GoesWithTheSocket) {
  in_new_namespace([] {
    Nft nft;
    const auto before = must_run("nft list ruleset");
    {
      const auto trace = netlink::TraceSocket::start(table());
      ASSERT_TRUE(trace) << trace.error().message();
      EXPECT_TRUE(nft.observe().has(kTable));
      EXPECT_TRUE(nft.observe().find(kOutput)->closed);
      EXPECT_EQ(nft.rules(kOutput).front().statements, std::vector<Statement>{StartTrace{}});
      EXPECT_NE(must_run("nft list ruleset").find("meta nftrace set 1"), std::string::npos);
      EXPECT_NE(test::run("nft delete table inet smtp-egress.trace.test.1").status, 0) << "it is another's";
    }
    EXPECT_EQ(must_run("nft list ruleset"), before);
  });
}

TEST_F(TraceSocket, TwoAtOnce_EachHasItsOwn) {
  in_new_namespace([] {
    Nft nft;
    const TableKey other{Family::kInet, "smtp-egress.trace.test.2"};
    auto first = netlink::TraceSocket::start(table());
    const auto second = netlink::TraceSocket::start(table(other));
    ASSERT_TRUE(first && second);
    first->reset();
    EXPECT_FALSE(nft.observe().has(kTable));
    EXPECT_TRUE(nft.observe().has(other));
    const auto same = netlink::TraceSocket::start(table(other));
    ASSERT_FALSE(same);
    EXPECT_EQ(same.error().kind, ErrorKind::kPermission);
    EXPECT_TRUE(nft.observe().has(other));
  });
}

TEST_F(TraceSocket, Packets_AreToldFromRuleToRule) {
  in_new_namespace([] {
    must_run("ip link set lo up");
    must_run(
        "nft 'add table ip theirs; add chain ip theirs out { type filter hook output priority 0; policy accept; }; "
        "add rule ip theirs out udp dport 9 meta mark set 0x7; add rule ip theirs out udp dport 9 drop'");
    const auto trace = netlink::TraceSocket::start(table());
    ASSERT_TRUE(trace) << trace.error().message();
    must_run("bash -c 'echo hello > /dev/udp/127.0.0.1/8'");  // not asked for
    (void)test::run("bash -c 'echo hello > /dev/udp/127.0.0.1/9'");
    const auto events = events_of(**trace, 5);
    ASSERT_GE(events.size(), 5U);
    const auto id = events.front().id;
    EXPECT_TRUE(std::ranges::all_of(events, [&](const TraceEvent& event) { return event.id == id; }));
    ASSERT_TRUE(events.front().packet);
    EXPECT_EQ(events.front().packet->destination.to_string(), "127.0.0.1");
    EXPECT_EQ(events.front().packet->destination_port, 9);
    EXPECT_EQ(events.front().chain, kOutput);
    const auto& last = events.back();
    EXPECT_EQ(to_string(last.chain), "ip theirs out");
    EXPECT_EQ(last.verdict, (Verdict{VerdictCode::kDrop, {}}));
    EXPECT_EQ(last.mark, 7U);
  });
}

TEST_F(TraceSocket, WithoutPackets_NothingComes) {
  in_new_namespace([] {
    const auto trace = netlink::TraceSocket::start(table());
    ASSERT_TRUE(trace);
    const auto read = (*trace)->next(std::chrono::milliseconds(1));
    ASSERT_TRUE(read);
    EXPECT_TRUE(read->events.empty());
    EXPECT_FALSE(read->overrun);
  });
}

TEST_F(TraceSocket, WhatDoesNotFitTheSocket_IsAnOverrun_UntilWhatWaitsIsRead) {
  in_new_namespace([] {
    must_run("ip link set lo up");
    const auto trace = netlink::TraceSocket::start(table());
    ASSERT_TRUE(trace);
    // More events than 16 MiB of the smallest of their buffers take; three a packet.
    must_run(
        "/usr/bin/python3 -c \"import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "for _ in range(30000): s.sendto(b'x', ('127.0.0.1', 9))\n\"");
    std::size_t waited = 0;
    for (bool overrun = true; overrun;) {
      const auto read = (*trace)->next(std::chrono::milliseconds(1));
      ASSERT_TRUE(read);
      overrun = read->overrun;
      waited += overrun ? read->events.size() : 0;
    }
    EXPECT_GT(waited, 10000U) << "what came before it was read last, and may be half told";
    const auto later = (*trace)->next(std::chrono::milliseconds(1));
    ASSERT_TRUE(later);
    EXPECT_FALSE(later->overrun);
  });
}

}  // namespace
}  // namespace smtpegress::nft
