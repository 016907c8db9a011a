// trace: what the kernel tells, put together and judged; with a kernel that tells what the test says.
#include <algorithm>
#include <iterator>

#include "unit/engine/traced_host.hpp"

namespace smtpegress {
namespace {

using Judgement = Journey::Judgement;
using nft::Family;
using test::address;
using test::HomeTrace;
using test::kAck;
using test::kSyn;
using test::packet_of;
using test::Telling;

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
  options.packets = 3;
  const auto report = traced({mail(1).through(link("wg0")).read(), mail(2).through(link("wg0")).read(),
                              mail(3).through(link("wg0")).read(), mail(4).through(link("wg0")).read()});
  EXPECT_EQ(only(report).count, 3U) << "three were asked for";
}

TEST_F(HomeTrace, ThatNoReplyCame_IsSaidOfATraceThatWaitedForIt) {
  const auto notes_of = [&] {
    box.kernel.clock = {};
    return traced({mail().through(link("wg0")).read()}).notes;
  };
  const auto notes = notes_of();
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_NE(notes.front().find("no reply came back"), std::string::npos) << notes.front();
  options.packets = 1;
  EXPECT_EQ(notes_of(), std::vector<std::string>{}) << "as many as were asked for";
  options.packets = 0;
  options.stopped = [this] { return box.kernel.traced.empty(); };
  EXPECT_EQ(notes_of(), std::vector<std::string>{}) << "by a person";
  options.stopped = {};
  options.sent = [] { return true; };
  EXPECT_EQ(notes_of(), notes) << "whoever knocked waits no longer";
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

TEST_F(HomeTrace, WhatBeginsInAReadWithAnOverrun_IsNotCalledLostEither) {
  const auto half = [&](std::uint32_t id) { return mail(id).at("prerouting", 1).at("prerouting-end").read().events; };
  auto twice = half(1);  // of one id, which is used again
  std::ranges::copy(half(1), std::back_inserter(twice));
  const auto report = traced({{twice, true}, {half(2), true}});
  EXPECT_EQ(only(report).end, JourneyEnd::kUnfinished);
  EXPECT_EQ(only(report).count, 3U);
  EXPECT_EQ(report.packets(Judgement::kWrong), 0U);
}

TEST_F(HomeTrace, BehindAnOverrun_PacketsAreFollowedAsBefore) {
  const auto half = [&](std::uint32_t id) { return mail(id).at("prerouting", 1).at("prerouting-end").read(); };
  const auto report = traced({{half(1).events, true}, mail(2).through(link("wg0")).read(), half(3)});
  EXPECT_EQ(report.packets(Judgement::kAside), 1U);
  EXPECT_EQ(report.packets(Judgement::kRight), 1U);
  EXPECT_EQ(report.packets(Judgement::kWrong), 1U) << "the third was lost by none of ours";
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

TEST_F(HomeTrace, GivenBackByAProgram_AndLostLater_IsLost) {
  const nft::ChainKey theirs{{Family::kInet, "ips"}, "p"};
  auto telling = mail().at("prerouting", 1).rule(theirs, 4000, nft::VerdictCode::kQueue).at("prerouting-end");
  expect_wrong(only(traced({telling.read()})), JourneyEnd::kLost, "lost between routing and the next hook");
}

/// What a firewall does that starts anew while it is traced.
class ReloadTrace : public HomeTrace {
 protected:
  static constexpr std::uint64_t kHandle = 4;
  const nft::ChainKey chain{{Family::kInet, "fw"}, "c"};

  static nft::Rule drop_to(std::uint16_t port) {
    return {{nft::MatchPort{nft::Side::kDestination, {port, port}, nft::Sense::kIs}},
            {nft::Verdict{nft::VerdictCode::kDrop, {}}},
            {}};
  }
  static std::string text(std::uint16_t port) { return nft::to_string(drop_to(port)); }
  /// The table, made anew: its rules are numbered from the same number on. 0: without any.
  void load(std::uint16_t port) {
    auto& ruleset = box.host().state.ruleset;
    std::erase_if(ruleset.chains, [&](const nft::ObservedChain& c) { return c.key == chain; });
    if (port != 0) {
      nft::ObservedChain made;
      made.key = chain;
      made.rules.push_back({.rule = drop_to(port), .handle = kHandle});
      ruleset.chains.push_back(std::move(made));
    }
    ++ruleset.generation;
  }
  TraceRead dropped(std::uint32_t id) {
    return mail(id).at("prerouting", 1).rule(chain, kHandle, nft::VerdictCode::kDrop).read();
  }
  static std::string rule_of(const Journey& journey) { return journey.steps.empty() ? "" : journey.steps.back().rule; }
};

TEST_F(ReloadTrace, ARuleOfAnothersNumber_IsToldAsItIsNow) {
  load(1000);
  options.begun = [this](const Profile&) {
    load(25);
    return Result<void>();
  };
  EXPECT_EQ(rule_of(only(traced({dropped(1)}))), text(25));
}

TEST_F(ReloadTrace, BetweenTwoPackets_TheyWentTwoWays) {
  load(1000);
  options.told = [this](const Journey&) { load(25); };
  const auto report = traced({dropped(1), dropped(2)});
  ASSERT_EQ(report.journeys.size(), 2U);
  EXPECT_EQ(rule_of(report.journeys[0]), text(1000));
  EXPECT_EQ(rule_of(report.journeys[1]), text(25));
}

TEST_F(ReloadTrace, ARuleThatIsGoneAgain_KeepsItsText) {
  load(1000);
  options.begun = [this](const Profile&) {
    load(0);
    return Result<void>();
  };
  EXPECT_EQ(rule_of(only(traced({dropped(1)}))), text(1000));
}

TEST_F(ReloadTrace, ARuleOfATableThatCameMeanwhile_IsTold) {
  options.begun = [this](const Profile&) {
    load(25);
    return Result<void>();
  };
  options.told = [this](const Journey&) { load(0); };
  const auto report = traced({dropped(1), dropped(2)});
  EXPECT_EQ(rule_of(only(report)), text(25));
  EXPECT_EQ(only(report).count, 2U);
}

TEST_F(HomeTrace, NotEnabled_IsAnErrorOfItsOwn) {
  const auto report = box.engine.trace("other", std::nullopt, options);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().kind, ErrorKind::kNotEnabled);
}

TEST_F(HomeTrace, AKernelWithoutOwnedTables_IsRefused) {
  box.kernel.trace_refusal = EOPNOTSUPP;
  const auto report = box.engine.trace("mailu-home", std::nullopt, options);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().errnum, EOPNOTSUPP);
}

TEST_F(HomeTrace, WhatIsSentForIt_EndsItWhenAllIsTold) {
  box.kernel.traced = {mail().through(link("wg0")).read()};
  options.bound = std::chrono::hours(1);
  options.sent = [] { return true; };
  const auto report = box.engine.trace("mailu-home", std::nullopt, options);
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->as_it_should_be());
  EXPECT_LT(box.kernel.clock, std::chrono::seconds(2));
}

}  // namespace
}  // namespace smtpegress
