// A host of the engine's that tells of packets what the test says, for the tests of trace.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <vector>

#include "model/trace_table.hpp"
#include "support/engine_host.hpp"

namespace smtpegress::test {

inline constexpr std::uint8_t kSyn = 0x02;
inline constexpr std::uint8_t kAck = 0x10;

inline TracedPacket packet_of(std::string_view from, std::uint16_t from_port, std::string_view to,
                              std::uint16_t to_port) {
  return {address(from), address(to), 60, 64, 6, from_port, to_port, kSyn};
}

/// One packet's events, as they come.
class Telling {
 public:
  Telling(const nft::TableKey& table, std::uint32_t id, TracedPacket packet, int in)
      : table_(table), packet_(packet), id_(id), in_(in) {}

  Telling& at(const std::string& checkpoint, std::uint64_t handle = 0) {
    return event({table_, checkpoint}, handle == 0 ? TraceEvent::Kind::kPolicy : TraceEvent::Kind::kRule, handle,
                 handle == 0 ? nft::VerdictCode::kAccept : nft::VerdictCode::kContinue);
  }
  Telling& rule(const nft::ChainKey& chain, std::uint64_t handle, nft::VerdictCode verdict) {
    return event(chain, TraceEvent::Kind::kRule, handle, verdict);
  }
  Telling& policy_drop(const nft::ChainKey& chain) {
    return event(chain, TraceEvent::Kind::kPolicy, 0, nft::VerdictCode::kDrop);
  }
  Telling& out_by(int link) {
    out_ = link;
    return *this;
  }
  Telling& marked(std::uint32_t mark) {
    mark_ = mark;
    return *this;
  }
  Telling& with_id(std::uint32_t id) {
    id_ = id;
    return *this;
  }
  Telling& flagged(std::uint8_t tcp_flags) {
    packet_.tcp_flags = tcp_flags;
    return *this;
  }
  Telling& as(std::string_view source) {
    packet_.source = address(source);
    return *this;
  }
  /// From prerouting to the end of postrouting, through no chain of anybody's.
  Telling& through(int link) {
    return at("prerouting", 1)
        .at("prerouting-end")
        .out_by(link)
        .at("forward")
        .at("forward-end")
        .at("postrouting")
        .at("postrouting-end");
  }
  [[nodiscard]] TraceRead read() const { return {events_, false}; }

 private:
  Telling& event(const nft::ChainKey& chain, TraceEvent::Kind kind, std::uint64_t handle, nft::VerdictCode verdict) {
    events_.push_back({.id = id_,
                       .kind = kind,
                       .chain = chain,
                       .handle = handle,
                       .verdict = nft::Verdict{verdict, {}},
                       .mark = mark_,
                       .packet = packet_,
                       .in = in_,
                       .out = out_,
                       .ct_states = 0});
    return *this;
  }

  nft::TableKey table_;
  TracedPacket packet_;
  std::uint32_t id_;
  int in_;
  int out_ = 0;
  std::uint32_t mark_ = 0;
  std::vector<TraceEvent> events_;
};

/// An enabled instance on its host.
class TracedHost : public ::testing::Test {
 protected:
  TracedHost(FakeHost host, const Profile& profile) : box(std::move(host)), name(profile.name) {
    const auto enabled = box.enable(profile);
    EXPECT_TRUE(enabled) << said(enabled);
    options.clock = [this] { return box.kernel.clock; };
  }

  [[nodiscard]] int link(std::string_view link) { return box.host().state.link(ifname(link))->index; }
  [[nodiscard]] nft::TableKey table() const { return trace_table_key(name, static_cast<std::uint32_t>(::getpid())); }
  TraceReport traced(std::vector<TraceRead> reads) {
    box.kernel.traced = {reads.begin(), reads.end()};
    const auto report = box.engine.trace(name, std::nullopt, options);
    EXPECT_TRUE(report) << said(report);
    return report.value_or(TraceReport{});
  }
  static Journey only(const TraceReport& report) {
    EXPECT_EQ(report.journeys.size(), 1U);
    return report.journeys.empty() ? Journey{} : report.journeys.front();
  }
  static void expect_wrong(const Journey& journey, JourneyEnd end, std::string_view reason) {
    EXPECT_EQ(journey.judgement, Journey::Judgement::kWrong);
    EXPECT_EQ(journey.end, end);
    EXPECT_NE(journey.reason.find(reason), std::string::npos) << journey.reason;
    EXPECT_FALSE(journey.mend.empty());
  }

  EngineHost box;
  std::string name;
  TraceOptions options;
};

/// Home, under Docker's firewall.
class HomeTrace : public TracedHost {
 protected:
  HomeTrace() : TracedHost(docker_home(), home_profile()) {}

  Telling mail(std::uint32_t id = 7, std::string_view to = "192.0.2.25") {
    return {table(), id, packet_of("192.168.203.10", 40000, to, 25), link(kBridge)};
  }
  Telling reply(std::uint32_t id = 8) {
    return {table(), id, packet_of("192.0.2.25", 25, "192.168.203.10", 40000), link("wg0")};
  }
};

}  // namespace smtpegress::test
