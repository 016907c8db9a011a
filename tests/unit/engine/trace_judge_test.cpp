// trace: whose packets are judged, and by what; with a kernel that tells what the test says.
#include <algorithm>

#include "unit/engine/traced_host.hpp"

namespace smtpegress {
namespace {

using Judgement = Journey::Judgement;
using nft::Family;
using test::HomeTrace;
using test::kAck;
using test::kSyn;
using test::packet_of;
using test::Telling;
using test::TracedHost;

TEST_F(HomeTrace, ToASourcesNetworkThatIsNotPrivate_KeepsItsOwnWay) {
  auto profile = test::home_profile();
  profile.sources.push_back(test::prefix("198.18.5.0/24"));
  ASSERT_TRUE(box.enable(profile));
  EXPECT_EQ(only(traced({mail(7, "198.18.5.9").through(link("eth0")).read()})).judgement, Judgement::kAside);
  expect_wrong(only(traced({mail(7, "198.18.6.9").through(link("eth0")).read()})), JourneyEnd::kLeft,
               "past the tunnel");
}

TEST_F(HomeTrace, ToTheLinksNetworkThatHoldsASource_KeepsItsOwnWay) {
  test::add_link(box.host(), "br9", "bridge", "198.18.5.1/24");
  auto profile = test::home_profile();
  profile.sources.push_back(test::prefix("198.18.5.9/32"));
  ASSERT_TRUE(box.enable(profile));
  EXPECT_EQ(only(traced({mail(7, "198.18.5.77").through(link("br9")).read()})).judgement, Judgement::kAside);
}

TEST_F(HomeTrace, ToALinksNeighbour_TheSourcesMailIsStillPastTheTunnel) {
  expect_wrong(only(traced({mail(7, "169.254.1.1").through(link("eth0")).read()})), JourneyEnd::kLeft,
               "past the tunnel");
}

TEST_F(HomeTrace, ADropOfATableThatIsClosed_IsNoRuleToDelete_ButForItsProgramToBeTold) {
  const nft::ChainKey forward{{Family::kInet, "firewalld"}, "filter_FORWARD"};
  auto& ruleset = box.host().state.ruleset;
  ruleset.tables.push_back(forward.table);
  const nft::BaseHook hook{nft::ChainType::kFilter, nft::Hook::kForward, 10, nft::Policy::kAccept};
  const nft::ObservedRule reject{.rule = {{}, {nft::Reject{}}, {}}, .handle = 901};
  ruleset.chains.push_back({.key = forward, .handle = 900, .hook = hook, .rules = {reject}, .closed = true});
  const auto telling = mail().at("prerouting", 1).at("prerouting-end").out_by(link("wg0")).at("forward");
  const auto journey = only(traced({Telling(telling).rule(forward, 901, nft::VerdictCode::kDrop).read()}));
  expect_wrong(journey, JourneyEnd::kDropped, "refused by inet firewalld filter_FORWARD");
  EXPECT_NE(journey.mend.find("firewall-cmd --permanent"), std::string::npos) << journey.mend;
  EXPECT_EQ(journey.mend.find("nft delete rule"), std::string::npos) << journey.mend;
}

Telling through_jumps(Telling telling, std::uint64_t jumps) {
  const nft::ChainKey theirs{{Family::kInet, "theirs"}, "p"};
  for (std::uint64_t handle = 1; handle <= jumps; ++handle) {
    telling.rule(theirs, handle, nft::VerdictCode::kJump);
  }
  return telling;
}

TEST_F(HomeTrace, BehindMoreEventsThanAreKept_TheDropIsTold_AndTheProgramThatTookIt) {
  const nft::ChainKey last{{Family::kInet, "theirs"}, "last"};
  constexpr std::uint64_t kHandle = 4711;
  for (const std::uint64_t jumps : {256U, 300U}) {
    auto telling = through_jumps(mail().at("prerouting", 1), jumps).rule(last, kHandle, nft::VerdictCode::kDrop);
    const auto journey = only(traced({telling.read()}));
    expect_wrong(journey, JourneyEnd::kDropped, "dropped by inet theirs last");
    ASSERT_FALSE(journey.steps.empty());
    EXPECT_EQ(journey.steps.back().chain, last);
    EXPECT_EQ(journey.steps.back().handle, kHandle);
  }
  auto queued = through_jumps(mail().at("prerouting", 1), 300).rule(last, kHandle, nft::VerdictCode::kQueue);
  expect_wrong(only(traced({queued.read()})), JourneyEnd::kQueued, "handed to a program by inet theirs last");
}

TEST_F(HomeTrace, ADropThatNoRuleIsNamedFor_IsTold) {
  const nft::ChainKey theirs{{Family::kInet, "theirs"}, "p"};
  expect_wrong(only(traced({mail().at("prerouting", 1).rule(theirs, 0, nft::VerdictCode::kDrop).read()})),
               JourneyEnd::kDropped, "dropped by a rule that is not known");
}

TEST_F(HomeTrace, WhereOneInterfaceAloneDoesNotForward_ItsOwnSysctlIsTheMend) {
  test::set_link_down(box.host(), "wg0");  // the lookup's answer, there as here: no way
  box.host().sysctls["net/ipv4/conf/br-mailu/forwarding"] = "0";
  auto telling = mail().at("prerouting", 1).marked(0x19).at("prerouting-end");
  const auto one = only(traced({telling.read()}));
  expect_wrong(one, JourneyEnd::kLost, "by br-mailu (net.ipv4.conf.br-mailu.forwarding is 0)");
  EXPECT_EQ(one.mend, "`sysctl net.ipv4.conf.br-mailu.forwarding=1`");
  box.host().sysctls["net/ipv4/ip_forward"] = "0";
  const auto all = only(traced({telling.read()}));
  expect_wrong(all, JourneyEnd::kLost, "net.ipv4.ip_forward is off");
  EXPECT_NE(all.mend.find("smtp-egress enable"), std::string::npos) << all.mend;
}

class DualTrace : public TracedHost {
 protected:
  DualTrace() : TracedHost(test::dual_home(), test::dual_home_profile()) {}
};

TEST_F(DualTrace, AnIpv6PacketThatIsTooLarge_IsToldByAllOfItsBytes) {
  auto& links = box.host().state.links;
  std::ranges::find(links, test::ifname("wg0"), &Link::name)->mtu = 1420;
  auto packet = packet_of("fd00:203::10", 40000, "2a00:1450::25", 25);
  packet.length = 1410;  // behind the header of 40
  Telling telling(table(), 7, packet, link(test::kBridge));
  expect_wrong(only(traced({telling.at("prerouting", 1).marked(0x19).at("prerouting-end").read()})), JourneyEnd::kLost,
               "its 1450 bytes are more than wg0 takes (1420)");
}

class OwnMailTrace : public TracedHost {
 protected:
  OwnMailTrace()
      : TracedHost(test::docker_home(),
                   parse_profile("mox-home", "x.json",
                                 R"({"side": "home", "sources": [{"user": "daemon", "address": "10.0.1.2"}]})")
                       .value()) {}
  Telling mail(std::string_view to) {
    return Telling(table(), 7, packet_of("10.0.1.2", 40000, to, 25), 0)
        .out_by(link("eth0"))
        .at("output", 1)
        .at("output-end")
        .at("postrouting")
        .at("postrouting-end");
  }
};

TEST_F(OwnMailTrace, ToALinksNeighbour_KeepsItsOwnWay) {
  EXPECT_EQ(only(traced({mail("169.254.1.1").read()})).judgement, Judgement::kAside);
  expect_wrong(only(traced({mail("192.0.2.25").read()})), JourneyEnd::kLeft, "past the tunnel");
}

class VpsTrace : public TracedHost {
 protected:
  VpsTrace() : TracedHost(test::vps(), test::vps_profile()) {}

  Telling mail(std::string_view source = "192.168.203.10") {
    return {table(), 7, packet_of(source, 40000, "192.0.2.25", 25), link("wg0")};
  }
  Telling up_to_postrouting() {
    return mail().at("prerouting", 1).at("prerouting-end").out_by(link("eth0")).at("forward").at("forward-end");
  }
  /// From the internet, before its destination is translated; dropped there.
  Telling dropped(std::uint32_t id, std::uint16_t to_port) {
    const nft::ChainKey hard{{Family::kInet, "hard"}, "p"};
    return Telling(table(), id, packet_of("192.0.2.25", 25, "203.0.113.10", to_port), link("eth0"))
        .flagged(kSyn | kAck)
        .at("prerouting", 1)
        .rule(hard, 2, nft::VerdictCode::kDrop);
  }
};

TEST_F(VpsTrace, AsThePublicAddressByTheWan_IsRight) {
  const auto journey =
      only(traced({up_to_postrouting().at("postrouting").as("203.0.113.10").at("postrouting-end").read()}));
  EXPECT_EQ(journey.judgement, Judgement::kRight) << journey.reason;
}

TEST_F(VpsTrace, WithoutSnat_IsWrong) {
  const auto journey = only(traced({up_to_postrouting().at("postrouting").at("postrouting-end").read()}));
  EXPECT_EQ(journey.judgement, Judgement::kWrong);
  EXPECT_EQ(journey.reason, "left as 192.168.203.10, not as 203.0.113.10");
}

TEST_F(VpsTrace, OfNoSource_IsAside) {
  const auto journey = only(traced({mail("10.9.9.9").through(link("eth0")).read()}));
  EXPECT_EQ(journey.judgement, Judgement::kAside);
  EXPECT_NE(journey.reason.find("10.9.9.9 is of no source"), std::string::npos);
}

TEST_F(VpsTrace, AScanThatLooksLikeAReply_IsAside) {
  const auto journey = only(traced({dropped(1, 45678).read()}));
  EXPECT_EQ(journey.judgement, Judgement::kAside);
  EXPECT_EQ(journey.end, JourneyEnd::kDropped);
  EXPECT_NE(journey.reason.find("no connection of the mail's waits for it"), std::string::npos) << journey.reason;
}

TEST_F(VpsTrace, AReplyToTheHostsOwnConnection_IsAsideWhereverItEnds) {
  box.host().flows.push_back(test::mail_flow("203.0.113.10", "192.0.2.25", 25, "203.0.113.10"));
  EXPECT_EQ(only(traced({dropped(1, 40000).read()})).judgement, Judgement::kAside);
}

TEST_F(VpsTrace, AReplyThatIsDroppedBehindAScanOfTheSameWay_IsWrong) {
  box.host().flows.push_back(test::mail_flow("192.168.203.10", "192.0.2.25", 25, "203.0.113.10"));
  const auto report = traced({dropped(1, 45678).read(), dropped(2, 40000).read()});
  EXPECT_EQ(report.packets(Judgement::kAside), 1U);
  EXPECT_EQ(report.packets(Judgement::kWrong), 1U);
}

}  // namespace
}  // namespace smtpegress
