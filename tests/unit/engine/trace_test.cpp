// trace: what the kernel tells, put together and judged; with a kernel that tells what the test says.
#include <gtest/gtest.h>
#include <unistd.h>

#include "model/trace_table.hpp"
#include "support/engine_host.hpp"

namespace smtpegress {
namespace {

using Kind = TraceEvent::Kind;
using Judgement = Journey::Judgement;
using nft::Family;
using test::address;
using test::EngineHost;

constexpr std::uint8_t kSyn = 0x02;
constexpr std::uint8_t kAck = 0x10;

TracedPacket packet_of(std::string_view from, std::uint16_t from_port, std::string_view to, std::uint16_t to_port) {
  return {address(from), address(to), 60, 64, 6, from_port, to_port, kSyn};
}

/// One packet's events, as they come.
class Telling {
 public:
  Telling(const nft::TableKey& table, std::uint32_t id, TracedPacket packet, int in)
      : table_(table), packet_(packet), id_(id), in_(in) {}

  Telling& at(const std::string& checkpoint, std::uint64_t handle = 0) {
    return event({table_, checkpoint}, handle == 0 ? Kind::kPolicy : Kind::kRule, handle,
                 handle == 0 ? nft::VerdictCode::kAccept : nft::VerdictCode::kContinue);
  }
  Telling& rule(const nft::ChainKey& chain, std::uint64_t handle, nft::VerdictCode verdict) {
    return event(chain, Kind::kRule, handle, verdict);
  }
  Telling& policy_drop(const nft::ChainKey& chain) { return event(chain, Kind::kPolicy, 0, nft::VerdictCode::kDrop); }
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
  Telling& event(const nft::ChainKey& chain, Kind kind, std::uint64_t handle, nft::VerdictCode verdict) {
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

/// An enabled home under Docker's firewall.
class HomeTrace : public testing::Test {
 protected:
  HomeTrace() : box(test::docker_home()) { EXPECT_TRUE(box.enable(test::home_profile())); }

  [[nodiscard]] int link(std::string_view name) { return box.host().state.link(test::ifname(name))->index; }
  [[nodiscard]] nft::TableKey table() const {
    return trace_table_key("mailu-home", static_cast<std::uint32_t>(::getpid()));
  }
  Telling mail(std::uint32_t id = 7) {
    return {table(), id, packet_of("192.168.203.10", 40000, "192.0.2.25", 25), link(test::kBridge)};
  }
  Telling reply(std::uint32_t id = 8) {
    return {table(), id, packet_of("192.0.2.25", 25, "192.168.203.10", 40000), link("wg0")};
  }
  TraceReport traced(std::vector<TraceRead> reads) {
    box.kernel.traced = {reads.begin(), reads.end()};
    TraceOptions options;
    options.packets = packets;
    options.clock = [this] { return box.kernel.clock; };
    const auto report = box.engine.trace("mailu-home", std::nullopt, options);
    EXPECT_TRUE(report) << test::said(report);
    return report.value_or(TraceReport{});
  }
  Journey only(const TraceReport& report) {
    EXPECT_EQ(report.journeys.size(), 1U);
    return report.journeys.empty() ? Journey{} : report.journeys.front();
  }
  void expect_wrong(const Journey& journey, JourneyEnd end, std::string_view reason) {
    EXPECT_EQ(journey.judgement, Judgement::kWrong);
    EXPECT_EQ(journey.end, end);
    EXPECT_NE(journey.reason.find(reason), std::string::npos) << journey.reason;
    EXPECT_FALSE(journey.mend.empty());
  }

  EngineHost box;
  std::size_t packets = 0;
};

TEST_F(HomeTrace, MailIntoTheTunnelAndItsReply_GoTheRightWay) {
  const auto report = traced({mail().through(link("wg0")).read(), reply().through(link(test::kBridge)).read()});
  EXPECT_TRUE(report.as_it_should_be());
  EXPECT_EQ(report.packets(Judgement::kRight), 2U);
  EXPECT_TRUE(report.notes.empty());
}

TEST_F(HomeTrace, ALostPacketOfNoConnection_IsToldAsInvalid_AlsoWhereTheKernelDoesNotSay) {
  constexpr std::string_view kKnowsNothing = "connection tracking knows nothing of it";
  const nft::ChainKey raw{{Family::kIp, "raw"}, "PREROUTING"};
  const auto drop = [&] {
    return traced({reply().flagged(kSyn | kAck).at("prerouting", 1).rule(raw, 99, nft::VerdictCode::kDrop).read()});
  };
  expect_wrong(only(drop()), JourneyEnd::kDropped, kKnowsNothing);
  box.host().flows.push_back({.source = address("192.168.203.10"),
                              .destination = address("192.0.2.25"),
                              .source_port = 40000,
                              .destination_port = 25,
                              .reply_source = address("192.0.2.25"),
                              .reply_destination = address("192.168.203.10"),
                              .reply_source_port = 25,
                              .reply_destination_port = 40000});
  const auto of_a_connection = only(drop());
  EXPECT_EQ(of_a_connection.judgement, Judgement::kWrong);
  EXPECT_EQ(of_a_connection.reason.find(kKnowsNothing), std::string::npos) << of_a_connection.reason;
}

TEST_F(HomeTrace, TheTable_IsOwnedAndDropsNothing) {
  (void)traced({});
  ASSERT_EQ(box.kernel.traces.size(), 1U);
  for (const auto& step : box.kernel.traces.front()) {
    if (const auto* added = std::get_if<nft::AddTable>(&step)) {
      EXPECT_TRUE(added->owned);
      EXPECT_FALSE(added->table.name.starts_with(nft::kOwnTablePrefix)) << "nobody takes it for an instance's";
    } else if (const auto* chain = std::get_if<nft::AddChain>(&step)) {
      EXPECT_EQ(chain->hook.policy, nft::Policy::kAccept);
    } else {
      EXPECT_EQ(std::get<nft::AppendRule>(step).rule.statements, std::vector<nft::Statement>{nft::StartTrace{}});
    }
  }
}

TEST_F(HomeTrace, TheKernelsOwnDoing_ChangesNothingOfThisHost) {
  const auto before = box.now();
  (void)traced({mail().through(link("wg0")).read()});
  EXPECT_EQ(box.now(), before);
}

TEST_F(HomeTrace, NothingSeen_IsNotAsItShouldBe_AndSaysWhatToDo) {
  const auto report = traced({});
  EXPECT_FALSE(report.as_it_should_be());
  ASSERT_EQ(report.notes.size(), 1U);
  EXPECT_NE(report.notes.front().find("--probe"), std::string::npos);
}

TEST_F(HomeTrace, ARuleThatDrops_IsToldWithItsOwner) {
  const nft::ChainKey raw{{Family::kIp, "raw"}, "PREROUTING"};
  const auto& rules = box.host().state.ruleset.find(raw)->rules;
  const auto report =
      traced({reply().at("prerouting", 1).rule(raw, rules.back().handle, nft::VerdictCode::kDrop).read()});
  const auto journey = only(report);
  expect_wrong(journey, JourneyEnd::kDropped, "Docker's drop of strangers");
  EXPECT_EQ(journey.steps.back().rule, nft::to_string(rules.back().rule));
  EXPECT_FALSE(report.as_it_should_be());
}

TEST_F(HomeTrace, APolicyThatDrops_IsTold) {
  const nft::ChainKey forward{{Family::kIp, "filter"}, "FORWARD"};
  expect_wrong(
      only(traced({mail().at("prerouting", 1).at("prerouting-end").at("forward").policy_drop(forward).read()})),
      JourneyEnd::kDropped, "policy drop");
}

TEST_F(HomeTrace, ARuleThatIsNotThere_IsToldByItsHandle) {
  const nft::ChainKey gone{{Family::kInet, "gone"}, "chain"};
  const auto journey = only(traced({mail().at("prerouting", 1).rule(gone, 4711, nft::VerdictCode::kDrop).read()}));
  expect_wrong(journey, JourneyEnd::kDropped, "handle 4711");
  EXPECT_EQ(journey.steps.back().owner, "others'");
}

TEST_F(HomeTrace, PastTheTunnel_IsWrong) {
  expect_wrong(only(traced({mail().through(link("eth0")).read()})), JourneyEnd::kLeft, "past the tunnel wg0");
}

TEST_F(HomeTrace, WithAnotherAddressIntoTheTunnel_IsWrong) {
  auto telling = mail().at("prerouting", 1).at("prerouting-end").out_by(link("wg0")).at("forward").at("forward-end");
  expect_wrong(only(traced({telling.at("postrouting").as("10.0.1.2").at("postrouting-end").read()})), JourneyEnd::kLeft,
               "entered the tunnel as 10.0.1.2");
}

TEST_F(HomeTrace, ToAPrivateNetwork_KeepsItsOwnWay) {
  Telling local(table(), 3, packet_of("192.168.203.10", 40000, "192.168.1.5", 25), link(test::kBridge));
  const auto report = traced({local.through(link("eth0")).read()});
  EXPECT_EQ(only(report).judgement, Judgement::kAside);
  EXPECT_FALSE(report.as_it_should_be()) << "none of the mail's was seen";
}

TEST_F(HomeTrace, ABridgesPacket_IsFollowedThoughItsIdChanges) {
  auto telling = mail(7).at("prerouting", 1).at("prerouting-end").out_by(link("wg0")).with_id(99).at("forward");
  const auto report = traced({telling.at("forward-end").at("postrouting").at("postrouting-end").read()});
  EXPECT_EQ(only(report).judgement, Judgement::kRight);
}

TEST_F(HomeTrace, OthersTraces_AreNotTold) {
  const nft::ChainKey theirs{{Family::kInet, "debug"}, "chain"};
  const auto report = traced({mail().rule(theirs, 5, nft::VerdictCode::kDrop).read()});
  EXPECT_TRUE(report.journeys.empty());
}

TEST_F(HomeTrace, TheSameWayAgain_IsCounted) {
  packets = 3;
  const auto report = traced({mail(1).through(link("wg0")).read(), mail(2).through(link("wg0")).read(),
                              mail(3).through(link("wg0")).read(), mail(4).through(link("wg0")).read()});
  EXPECT_EQ(only(report).count, 3U) << "three were asked for";
}

TEST_F(HomeTrace, AnIdThatIsUsedAgain_IsAnotherPacket) {
  const auto report = traced({mail(1).at("prerouting", 1).read(), mail(1).through(link("wg0")).read()});
  EXPECT_EQ(report.packets(Judgement::kRight), 1U);
  EXPECT_EQ(report.packets(Judgement::kWrong), 1U) << "the first went no further";
}

TEST_F(HomeTrace, AnOverrun_IsTold_AndNoPacketIsCalledLostForIt) {
  auto half = mail().at("prerouting", 1).at("prerouting-end").read();
  const auto report = traced({half, {{}, true}});
  EXPECT_TRUE(report.overrun);
  EXPECT_EQ(only(report).end, JourneyEnd::kUnfinished);
  EXPECT_EQ(only(report).judgement, Judgement::kAside);
  EXPECT_NE(report.notes.front().find("faster"), std::string::npos);
}

TEST_F(HomeTrace, LostAtRouting_TheTunnelBeingDown_IsSaid) {
  test::set_link_down(box.host(), "wg0");
  const auto telling = mail().at("prerouting", 1).marked(0x19).at("prerouting-end");
  expect_wrong(only(traced({telling.read()})), JourneyEnd::kLost, "the tunnel wg0 is down");
}

TEST_F(HomeTrace, LostAtRouting_ForwardingBeingOff_IsSaid) {
  box.host().sysctls["net/ipv4/ip_forward"] = "0";
  const auto telling = mail().at("prerouting", 1).marked(0x19).at("prerouting-end");
  expect_wrong(only(traced({telling.read()})), JourneyEnd::kLost, "ip_forward");
}

TEST_F(HomeTrace, LostAtItsLastHop_IsSaid) {
  auto packet = packet_of("192.168.203.10", 40000, "192.0.2.25", 25);
  packet.hops_left = 1;
  Telling telling(table(), 3, packet, link(test::kBridge));
  expect_wrong(only(traced({telling.at("prerouting", 1).at("prerouting-end").read()})), JourneyEnd::kLost, "TTL");
}

TEST_F(HomeTrace, HandedToAProgram_IsSaid) {
  const nft::ChainKey forward{{Family::kIp, "filter"}, "FORWARD"};
  const auto telling = mail().at("prerouting", 1).at("prerouting-end").at("forward");
  expect_wrong(only(traced({Telling(telling).rule(forward, 4000, nft::VerdictCode::kQueue).read()})),
               JourneyEnd::kQueued, "handed to a program");
}

TEST_F(HomeTrace, NotEnabled_IsAnErrorOfItsOwn) {
  TraceOptions options;
  options.clock = [this] { return box.kernel.clock; };
  const auto report = box.engine.trace("other", std::nullopt, options);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().kind, ErrorKind::kNotEnabled);
}

TEST_F(HomeTrace, AKernelWithoutOwnedTables_IsRefused) {
  box.kernel.trace_refusal = EOPNOTSUPP;
  TraceOptions options;
  options.clock = [this] { return box.kernel.clock; };
  const auto report = box.engine.trace("mailu-home", std::nullopt, options);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().errnum, EOPNOTSUPP);
}

TEST_F(HomeTrace, WhatIsSentForIt_EndsItWhenAllIsTold) {
  box.kernel.traced = {mail().through(link("wg0")).read()};
  TraceOptions options;
  options.bound = std::chrono::hours(1);
  options.clock = [this] { return box.kernel.clock; };
  options.sent = [] { return true; };
  const auto report = box.engine.trace("mailu-home", std::nullopt, options);
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->as_it_should_be());
  EXPECT_LT(box.kernel.clock, std::chrono::seconds(2));
}

/// An enabled VPS.
class VpsTrace : public testing::Test {
 protected:
  VpsTrace() : box(test::vps()) { EXPECT_TRUE(box.enable(test::vps_profile())); }
  [[nodiscard]] int link(std::string_view name) { return box.host().state.link(test::ifname(name))->index; }
  Telling mail(std::string_view source = "192.168.203.10") {
    const auto table = trace_table_key("mailu-vps", static_cast<std::uint32_t>(::getpid()));
    return {table, 7, packet_of(source, 40000, "192.0.2.25", 25), link("wg0")};
  }
  Journey traced(const Telling& telling) {
    box.kernel.traced = {telling.read()};
    TraceOptions options;
    options.clock = [this] { return box.kernel.clock; };
    const auto report = box.engine.trace("mailu-vps", std::nullopt, options);
    EXPECT_TRUE(report && report->journeys.size() == 1) << test::said(report);
    return report && !report->journeys.empty() ? report->journeys.front() : Journey{};
  }
  Telling up_to_postrouting() {
    return mail().at("prerouting", 1).at("prerouting-end").out_by(link("eth0")).at("forward").at("forward-end");
  }
  EngineHost box;
};

TEST_F(VpsTrace, AsThePublicAddressByTheWan_IsRight) {
  const auto journey = traced(up_to_postrouting().at("postrouting").as("203.0.113.10").at("postrouting-end"));
  EXPECT_EQ(journey.judgement, Judgement::kRight) << journey.reason;
}

TEST_F(VpsTrace, WithoutSnat_IsWrong) {
  const auto journey = traced(up_to_postrouting().at("postrouting").at("postrouting-end"));
  EXPECT_EQ(journey.judgement, Judgement::kWrong);
  EXPECT_EQ(journey.reason, "left as 192.168.203.10, not as 203.0.113.10");
}

TEST_F(VpsTrace, OfNoSource_IsAside) {
  const auto journey = traced(mail("10.9.9.9").through(link("eth0")));
  EXPECT_EQ(journey.judgement, Judgement::kAside);
  EXPECT_NE(journey.reason.find("10.9.9.9 is of no source"), std::string::npos);
}

}  // namespace
}  // namespace smtpegress
