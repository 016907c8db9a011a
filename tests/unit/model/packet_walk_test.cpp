#include "model/packet_walk.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "model/ownership.hpp"
#include "support/hosts.hpp"
#include "support/iptables_text.hpp"

namespace smtpegress {
namespace {

using test::ifname;
using test::iptables_rule;
using test::prefix;

/// The outgoing mail at the forward hook, as verify asks about it.
PacketFacts mail() {
  return {.in = ifname("br-mailu"),
          .out = ifname("wg0"),
          .source = prefix("192.168.203.0/24"),
          .destination = {},
          .source_port = {},
          .destination_port = PortRange{25, 25},
          .ct_states = nft::kCtNew | nft::kCtEstablished,
          .direction = nft::CtDirection::kOriginal,
          .mark = 0x19,
          .tcp_flags_never = {}};
}

Holds test_of(std::string_view specification, const PacketFacts& packet = mail()) {
  return holds(iptables_rule(std::string(specification) + " -j DROP"), packet);
}

TEST(PacketWalk, Interface) {
  EXPECT_EQ(test_of("-i br-mailu"), Holds::kYes);
  EXPECT_EQ(test_of("-o eth0"), Holds::kNo);
  EXPECT_EQ(test_of("! -o eth0"), Holds::kYes);
  EXPECT_EQ(test_of("! -i br-mailu"), Holds::kNo);
  EXPECT_EQ(test_of("-i br-+"), Holds::kYes);
  EXPECT_EQ(test_of("-i eth+"), Holds::kNo);
  auto packet = mail();
  packet.in = {};
  EXPECT_EQ(test_of("-i br-mailu", packet), Holds::kMaybe);
  EXPECT_EQ(test_of("! -i br-mailu", packet), Holds::kMaybe);
}

TEST(PacketWalk, Address) {
  EXPECT_EQ(test_of("-s 192.168.0.0/16"), Holds::kYes);
  EXPECT_EQ(test_of("-s 192.168.203.10/32"), Holds::kSome) << "one container of the network";
  EXPECT_EQ(test_of("! -s 192.168.203.10/32"), Holds::kSome);
  EXPECT_EQ(test_of("-s 10.0.0.0/8"), Holds::kNo);
  EXPECT_EQ(test_of("! -s 10.0.0.0/8"), Holds::kYes);
  EXPECT_EQ(test_of("-d 198.51.100.0/24"), Holds::kPeers) << "the peer may be anybody";
  EXPECT_EQ(test_of("! -d 198.51.100.0/24"), Holds::kMaybe) << "anybody but those";
  EXPECT_EQ(test_of("-d 128.0.0.0/1"), Holds::kMaybe) << "half the internet";
  EXPECT_EQ(test_of("-d 0.0.0.0/0"), Holds::kYes);
}

TEST(PacketWalk, PortAndProtocol) {
  EXPECT_EQ(test_of("-p tcp --dport 25"), Holds::kYes);
  EXPECT_EQ(test_of("-p tcp --dport 20:30"), Holds::kYes);
  EXPECT_EQ(test_of("-p tcp --dport 26"), Holds::kNo);
  EXPECT_EQ(test_of("-p tcp ! --dport 25"), Holds::kNo);
  EXPECT_EQ(test_of("-p tcp --sport 25"), Holds::kMaybe);
  EXPECT_EQ(test_of("-p udp"), Holds::kNo);
  EXPECT_EQ(test_of("! -p udp"), Holds::kYes);
  auto packet = mail();
  packet.destination_port = PortRange{25, 30};
  EXPECT_EQ(test_of("-p tcp --dport 25", packet), Holds::kSome);
}

TEST(PacketWalk, NfProto_IsThatOfIpv4) {
  EXPECT_EQ(holds({{nft::MatchNfProto{IpFamily::kV4}}, {}, {}}, mail()), Holds::kYes);
  EXPECT_EQ(holds({{nft::MatchNfProto{IpFamily::kV6}}, {}, {}}, mail()), Holds::kNo);
}

TEST(PacketWalk, MarkAndItsMask) {
  EXPECT_EQ(test_of("-m mark --mark 0x19"), Holds::kYes);
  EXPECT_EQ(test_of("-m mark --mark 0x9/0xf"), Holds::kYes);
  EXPECT_EQ(test_of("-m mark --mark 0x20"), Holds::kNo);
  EXPECT_EQ(test_of("-m mark ! --mark 0x20"), Holds::kYes);
  auto packet = mail();
  packet.mark.reset();
  EXPECT_EQ(test_of("-m mark --mark 0x19", packet), Holds::kMaybe);
}

TEST(PacketWalk, ConntrackState) {
  EXPECT_EQ(test_of("-m conntrack --ctstate NEW,ESTABLISHED"), Holds::kYes);
  EXPECT_EQ(test_of("-m conntrack --ctstate RELATED,ESTABLISHED"), Holds::kSome) << "not the first packet";
  EXPECT_EQ(test_of("-m conntrack --ctstate INVALID"), Holds::kNo);
  auto packet = mail();
  packet.ct_states = 0;
  EXPECT_EQ(test_of("-m conntrack --ctstate NEW", packet), Holds::kMaybe);
}

TEST(PacketWalk, ConntrackDirection) {
  EXPECT_EQ(holds({{nft::MatchCtDirection{nft::CtDirection::kReply}}, {}, {}}, mail()), Holds::kNo);
  EXPECT_EQ(holds({{nft::MatchCtDirection{nft::CtDirection::kOriginal}}, {}, {}}, mail()), Holds::kYes);
  auto packet = mail();
  packet.direction.reset();
  EXPECT_EQ(holds({{nft::MatchCtDirection{nft::CtDirection::kReply}}, {}, {}}, packet), Holds::kMaybe);
}

TEST(PacketWalk, ConntrackDnat_BeforeTrackingItIsNotKnownToBeNone) {
  const auto holds_of = [](nft::Sense sense, const PacketFacts& packet) {
    return holds({{nft::MatchCtDnat{sense}}, {}, {}}, packet);
  };
  EXPECT_EQ(holds_of(nft::Sense::kIs, mail()), Holds::kNo);
  EXPECT_EQ(holds_of(nft::Sense::kIsNot, mail()), Holds::kYes);
  auto packet = mail();
  packet.ct_states = 0;
  EXPECT_EQ(holds_of(nft::Sense::kIs, packet), Holds::kNo);
  EXPECT_EQ(holds_of(nft::Sense::kIsNot, packet), Holds::kMaybe);
}

TEST(PacketWalk, TcpFlags_OnlyABareSynIsKnownNotToBeAReply) {
  auto packet = mail();
  EXPECT_EQ(test_of("-p tcp --tcp-flags FIN,SYN,RST,ACK SYN", packet), Holds::kMaybe);
  packet.tcp_flags_never = 0x02;
  EXPECT_EQ(test_of("-p tcp --tcp-flags FIN,SYN,RST,ACK SYN", packet), Holds::kNo);
  EXPECT_EQ(test_of("-p tcp ! --tcp-flags FIN,SYN,RST,ACK SYN", packet), Holds::kYes);
  EXPECT_EQ(test_of("-p tcp --tcp-flags SYN,RST SYN", packet), Holds::kMaybe);
}

TEST(PacketWalk, AnOpaqueTest_MayHoldOrNot) {
  EXPECT_EQ(test_of("-m addrtype --dst-type LOCAL"), Holds::kMaybe);
  EXPECT_EQ(test_of("-o eth0 -m addrtype --dst-type LOCAL"), Holds::kNo)
      << "whatever it says, the interface does not fit";
}

TEST(PacketWalk, ARule_HoldsAsMuchAsItsWeakestTest) {
  EXPECT_EQ(test_of("-i br-mailu -s 192.168.203.10/32"), Holds::kSome);
  EXPECT_EQ(test_of("-s 192.168.203.10/32 -d 198.51.100.0/24"), Holds::kPeers);
  EXPECT_EQ(holds({}, mail()), Holds::kYes) << "no test at all";
}

std::string told(const std::optional<Obstacle>& obstacle) {
  return !obstacle ? "-" : (obstacle->certain ? "certain: " : "maybe: ") + obstacle->rule;
}

/// What the mail meets in FORWARD: "-" nothing, "certain: rule" or "maybe: rule".
std::string walk(const std::string& filter, const PacketFacts& packet = mail(), Ends ends = Ends::kSome) {
  nft::Ruleset ruleset;
  test::add_iptables(ruleset, "*filter\n" + filter);
  const auto* chain = ruleset.find({{nft::Family::kIp, "filter"}, "FORWARD"});
  return told(find_obstacle(ruleset, *chain, packet, nullptr, ends));
}

TEST(PacketWalk, Policy) {
  EXPECT_EQ(walk(":FORWARD ACCEPT\n"), "-");
  EXPECT_EQ(walk(":FORWARD DROP\n"), "certain: policy drop");
  EXPECT_EQ(walk(":FORWARD DROP\n-A FORWARD -o wg0 -j ACCEPT\n"), "-");
  EXPECT_EQ(walk(":FORWARD DROP\n-A FORWARD -o eth0 -j ACCEPT\n"), "certain: policy drop");
}

TEST(PacketWalk, DropRejectAndQueue_AreObstacles) {
  EXPECT_EQ(walk(":FORWARD ACCEPT\n-A FORWARD -o wg0 -j DROP\n"), "certain: oifname \"wg0\" counter drop");
  EXPECT_EQ(walk(":FORWARD ACCEPT\n-A FORWARD -j REJECT\n"), "certain: counter reject");
  nft::Ruleset ruleset;
  test::add_iptables(ruleset, "*filter\n:FORWARD ACCEPT\n");
  for (const auto& end :
       {nft::Statement{nft::Verdict{nft::VerdictCode::kQueue, {}}}, nft::Statement{nft::StatementOpaque{"queue", {}}},
        nft::Statement{nft::StatementOpaque{"reject", {}}}, nft::Statement{nft::StatementOpaque{"xt NFQUEUE", {}}}}) {
    ruleset.chains.front().rules = {{{{}, {end}, {}}, 9, 0, 0}};
    EXPECT_TRUE(find_obstacle(ruleset, ruleset.chains.front(), mail()));
  }
  ruleset.chains.front().rules = {{{{}, {nft::StatementOpaque{"log", {}}}, {}}, 9, 0, 0}};
  EXPECT_FALSE(find_obstacle(ruleset, ruleset.chains.front(), mail()));
}

TEST(PacketWalk, AnAcceptForSome_LeavesTheOthersToWhatFollows) {
  EXPECT_EQ(walk(":FORWARD DROP\n-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT\n"), "certain: policy drop");
}

TEST(PacketWalk, AMaybe_IsNoCertainObstacle) {
  EXPECT_EQ(walk(":FORWARD ACCEPT\n-A FORWARD -d 198.51.100.0/24 -j DROP\n"),
            "maybe: ip daddr 198.51.100.0/24 counter drop");
  EXPECT_EQ(walk(":FORWARD ACCEPT\n-A FORWARD -d 198.51.100.0/24 -j DROP\n-A FORWARD -s 192.168.203.7/32 -j DROP\n"),
            "certain: ip saddr 192.168.203.7/32 counter drop")
      << "a certain one outranks an earlier maybe";
}

TEST(PacketWalk, JumpAndReturn) {
  const std::string chains = ":FORWARD DROP\n:SUB -\n-A FORWARD -j SUB\n";
  EXPECT_EQ(walk(chains + "-A SUB -j ACCEPT\n"), "-");
  EXPECT_EQ(walk(chains + "-A SUB -j RETURN\n-A SUB -j ACCEPT\n"), "certain: policy drop") << "accept is not reached";
  EXPECT_EQ(walk(chains + "-A SUB -j RETURN\n-A FORWARD -j ACCEPT\n"), "-") << "back in FORWARD";
  EXPECT_EQ(walk(chains + "-A SUB -o wg0 -j DROP\n-A FORWARD -j ACCEPT\n"), "certain: oifname \"wg0\" counter drop");
}

TEST(PacketWalk, AJumpForSomePackets_AcceptsOnlyThose) {
  EXPECT_EQ(walk(":FORWARD DROP\n:SUB -\n-A FORWARD -s 192.168.203.7/32 -j SUB\n-A SUB -j ACCEPT\n"),
            "certain: policy drop");
  EXPECT_EQ(walk(":FORWARD ACCEPT\n:SUB -\n-A FORWARD -d 198.51.100.0/24 -j SUB\n-A SUB -j DROP\n"),
            "maybe: counter drop");
}

TEST(PacketWalk, Goto_DoesNotComeBack) {
  EXPECT_EQ(walk(":FORWARD DROP\n:SUB -\n-A FORWARD -g SUB\n-A FORWARD -j ACCEPT\n"), "certain: policy drop");
  EXPECT_EQ(walk(":FORWARD DROP\n:SUB -\n-A FORWARD -g SUB\n-A SUB -j ACCEPT\n"), "-");
}

TEST(PacketWalk, ReturnInTheBaseChain_GoesToItsPolicy) {
  EXPECT_EQ(walk(":FORWARD DROP\n-A FORWARD -o wg0 -j RETURN\n-A FORWARD -j ACCEPT\n"), "certain: policy drop");
  EXPECT_EQ(walk(":FORWARD ACCEPT\n-A FORWARD -o wg0 -j RETURN\n-A FORWARD -j DROP\n"), "-");
}

TEST(PacketWalk, AMarkThatIsSetOnTheWay_CountsFromThere) {
  EXPECT_EQ(walk(":FORWARD DROP\n-A FORWARD -j MARK --set-mark 0x20\n-A FORWARD -m mark --mark 0x19 -j ACCEPT\n"),
            "certain: policy drop");
  EXPECT_EQ(walk(":FORWARD DROP\n-A FORWARD -j MARK --set-mark 0x20\n-A FORWARD -m mark --mark 0x20 -j ACCEPT\n"), "-");
  EXPECT_EQ(walk(":FORWARD DROP\n-A FORWARD -s 192.168.203.7/32 -j MARK --set-mark 0x20\n-A FORWARD -m mark --mark "
                 "0x19 -j ACCEPT\n"),
            "certain: policy drop")
      << "known for none of them any more, if some were marked anew";
}

TEST(PacketWalk, BehindAnAcceptThatMayHold_NothingIsCertain) {
  const std::string local = "-m addrtype --dst-type LOCAL";
  EXPECT_EQ(walk(":FORWARD DROP\n-A FORWARD " + local + " -j ACCEPT\n"), "maybe: policy drop");
  EXPECT_EQ(walk(":FORWARD ACCEPT\n-A FORWARD -m multiport --dports 25,53 -j ACCEPT\n-A FORWARD -j DROP\n"),
            "maybe: counter drop");
  const std::string chains = ":FORWARD DROP\n:SUB -\n";
  EXPECT_EQ(walk(chains + "-A FORWARD -j SUB\n-A SUB " + local + " -j ACCEPT\n"), "maybe: policy drop");
  EXPECT_EQ(walk(chains + "-A FORWARD " + local + " -j SUB\n-A SUB -j ACCEPT\n"), "maybe: policy drop");
  EXPECT_EQ(walk(chains + "-A FORWARD " + local + " -g SUB\n-A FORWARD -o wg0 -j ACCEPT\n"), "maybe: policy drop");
  EXPECT_EQ(walk(":FORWARD DROP\n-A FORWARD -p tcp --sport 1024:65535 -j ACCEPT\n"), "maybe: policy drop")
      << "every client's port";
}

TEST(PacketWalk, TheFirstPacketAndAllOthers_AreWalkedByThemselves) {
  const std::string replies = ":FORWARD DROP\n-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n";
  EXPECT_EQ(walk(replies + "-A FORWARD -m conntrack --ctstate NEW -p tcp --dport 25 -j ACCEPT\n"), "-");
  EXPECT_EQ(walk(replies + "-A FORWARD -m conntrack --ctstate NEW -p tcp --dport 587 -j ACCEPT\n"),
            "certain: policy drop");
  EXPECT_EQ(walk(replies + "-A FORWARD -m conntrack --ctstate NEW -m multiport --dports 25,53 -j ACCEPT\n"),
            "maybe: policy drop");
  EXPECT_EQ(walk(replies + "-A FORWARD -p tcp --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT\n"), "maybe: policy drop")
      << "the first is a bare SYN";
}

TEST(PacketWalk, BehindAReturnThatMayHold_NothingOfItsChainIsCertain) {
  const std::string sub = ":SUB -\n-A FORWARD -j SUB\n-A SUB -m addrtype --dst-type LOCAL -j RETURN\n";
  EXPECT_EQ(walk(":FORWARD ACCEPT\n" + sub + "-A SUB -j DROP\n"), "maybe: counter drop");
  EXPECT_EQ(walk(":FORWARD DROP\n" + sub + "-A SUB -j DROP\n"), "certain: policy drop") << "there, or here";
  EXPECT_EQ(walk(":FORWARD DROP\n" + sub), "certain: policy drop");
  EXPECT_EQ(walk(":FORWARD DROP\n" + sub + "-A SUB -j ACCEPT\n"), "maybe: policy drop");
  EXPECT_EQ(walk(":FORWARD DROP\n:SUB -\n-A FORWARD -j SUB\n-A SUB -s 192.168.203.7/32 -j RETURN\n-A SUB -j ACCEPT\n"),
            "certain: policy drop")
      << "one container's";
  EXPECT_EQ(walk(":FORWARD DROP\n-A FORWARD -m addrtype --dst-type LOCAL -j RETURN\n-A FORWARD -j ACCEPT\n"),
            "maybe: policy drop");
}

TEST(PacketWalk, AnAcceptThatSurelyLeavesSome_LeavesThemToWhatFollows) {
  for (const auto* accepted :
       {"-m conntrack --ctstate RELATED,ESTABLISHED -m set --match-set docker-ext-bridges-v4 dst",
        "-s 192.168.203.7/32 -m addrtype --dst-type LOCAL", "-d 198.51.100.0/24 -m set --match-set bans src",
        "-d 198.51.100.0/24", "-p tcp --sport 22", "-p tcp ! --tcp-flags FIN,SYN,RST,ACK SYN",
        "-p tcp --tcp-flags SYN,ACK SYN", "-i docker0 -m addrtype --dst-type LOCAL"}) {
    EXPECT_EQ(walk(std::string(":FORWARD DROP\n-A FORWARD ") + accepted + " -j ACCEPT\n"), "certain: policy drop")
        << accepted;
  }
  auto replies = mail();
  replies.tcp_flags_never = 0x02;
  EXPECT_EQ(walk(":FORWARD DROP\n-A FORWARD -p tcp --tcp-flags ACK ACK -j ACCEPT\n", replies), "maybe: policy drop")
      << "all of them have it";
}

TEST(PacketWalk, AnAcceptThatIsNotReached_LeavesAllToWhatFollows) {
  EXPECT_EQ(walk(":FORWARD DROP\n:SUB -\n-A FORWARD -m addrtype --dst-type LOCAL -j SUB\n-A SUB -j DROP\n"
                 "-A SUB -j ACCEPT\n"),
            "certain: policy drop");
}

TEST(PacketWalk, WhereAllHaveToEnd_OneThatIsAcceptedIsEnough) {
  const auto all = [](const std::string& rules) { return walk(":FORWARD DROP\n" + rules, mail(), Ends::kAll); };
  EXPECT_EQ(all(""), "certain: policy drop");
  EXPECT_EQ(all("-A FORWARD -s 192.168.203.7/32 -j DROP\n"), "certain: policy drop");
  EXPECT_EQ(all("-A FORWARD -s 192.168.203.7/32 -j ACCEPT\n"), "maybe: policy drop");
  EXPECT_EQ(all("-A FORWARD -d 198.51.100.0/24 -j ACCEPT\n"), "maybe: policy drop");
  EXPECT_EQ(all(":SUB -\n-A FORWARD -j SUB\n-A SUB -s 192.168.203.7/32 -j RETURN\n-A SUB -j DROP\n"),
            "certain: policy drop");
}

TEST(PacketWalk, AMarkThatAllGetWhoAreLeft_IsKnown) {
  const std::string by_mark = "-A FORWARD -m mark --mark 0x20 -j ACCEPT\n";
  EXPECT_EQ(walk(":FORWARD DROP\n-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT\n"
                 "-A FORWARD -j MARK --set-mark 0x20\n" +
                 by_mark),
            "-");
  EXPECT_EQ(walk(":FORWARD DROP\n:SUB -\n-A FORWARD -j SUB\n-A SUB -m addrtype --dst-type LOCAL -j RETURN\n"
                 "-A SUB -j MARK --set-mark 0x20\n" +
                 by_mark),
            "maybe: policy drop")
      << "who went back has not got it";
  EXPECT_EQ(walk(":FORWARD DROP\n-A FORWARD -m addrtype --dst-type LOCAL -j MARK --set-mark 0x20\n" + by_mark),
            "maybe: policy drop");
}

/// A chain of nft's: such a rule, and the policy drop.
std::string behind(const nft::Rule& rule) {
  nft::Ruleset ruleset;
  test::add_iptables(ruleset, "*filter\n:FORWARD DROP\n");
  ruleset.chains.front().rules = {{rule, 9, 0, 0}};
  return told(find_obstacle(ruleset, ruleset.chains.front(), mail()));
}

TEST(PacketWalk, AVerdictByAMap_MayBeAnAccept) {
  for (const auto* map : {"vmap", "ct state vmap"}) {
    EXPECT_EQ(behind({{}, {nft::StatementOpaque{map, {}}}, {}}), "maybe: policy drop") << map;
  }
}

TEST(PacketWalk, ASetOfPorts_MayHoldTheMails) {
  const nft::Statement accept = nft::Verdict{nft::VerdictCode::kAccept, {}};
  EXPECT_EQ(behind({{nft::MatchL4Proto{6, nft::Sense::kIs}, nft::MatchOpaque{"lookup", {}}}, {accept}, {}}),
            "maybe: policy drop");
  EXPECT_EQ(behind({{nft::MatchOpaque{"meta iif", {}}}, {accept}, {}}), "certain: policy drop") << "`iif lo accept`";
}

TEST(PacketWalk, WhatEndsCertainPeersOnly_IsToldFromWhatMayEndAnybody) {
  const auto of_peers = [](const std::string& rules) {
    nft::Ruleset ruleset;
    test::add_iptables(ruleset, "*filter\n" + rules);
    const auto found = find_obstacle(ruleset, ruleset.chains.front(), mail());
    return found && found->of_peers;
  };
  EXPECT_TRUE(of_peers(":FORWARD ACCEPT\n-A FORWARD -d 198.51.100.0/24 -j DROP\n"));
  EXPECT_TRUE(of_peers(":FORWARD ACCEPT\n:BAD -\n-A FORWARD -d 198.51.100.0/24 -j BAD\n-A BAD -j DROP\n"));
  EXPECT_TRUE(of_peers(":FORWARD ACCEPT\n-A FORWARD -d 198.51.100.0/24 -m set --match-set bans src -j DROP\n"));
  EXPECT_FALSE(of_peers(":FORWARD ACCEPT\n-A FORWARD -m set --match-set bans src -j DROP\n"));
  EXPECT_FALSE(of_peers(":FORWARD DROP\n-A FORWARD -d 198.51.100.0/24 -j DROP\n")) << "the policy is for all";
  EXPECT_FALSE(
      of_peers(":FORWARD ACCEPT\n-A FORWARD -d 198.51.100.0/24 -j DROP\n"
               "-A FORWARD -m set --match-set bans src -j DROP\n"));
}

TEST(PacketWalk, ALoopOfChains_Ends) {
  EXPECT_EQ(walk(":FORWARD ACCEPT\n:A -\n:B -\n-A FORWARD -j A\n-A A -j B\n-A B -j A\n"), "-");
}

TEST(PacketWalk, AJumpToNowhere_IsPassed) {
  EXPECT_EQ(walk(":FORWARD DROP\n-A FORWARD -j GONE\n-A FORWARD -j ACCEPT\n"), "-");
}

TEST(PacketWalk, SkippedRules_AreTakenAsNotThere) {
  nft::Ruleset ruleset;
  test::add_iptables(ruleset,
                     "*filter\n:FORWARD DROP\n-A FORWARD -m comment --comment smtp-egress:x:admission -j ACCEPT\n");
  EXPECT_FALSE(find_obstacle(ruleset, ruleset.chains.front(), mail()));
  EXPECT_TRUE(find_obstacle(ruleset, ruleset.chains.front(), mail(), is_tagged));
}

TEST(SourceRewrite, MasqueradeAndSnatInTheChainAndBelow) {
  nft::Ruleset ruleset;
  test::add_iptables(
      ruleset, "*nat\n:POSTROUTING ACCEPT\n:SUB -\n-A POSTROUTING -o eth0 -j MASQUERADE\n-A POSTROUTING -j SUB\n");
  const auto& post = *ruleset.find({{nft::Family::kIp, "nat"}, "POSTROUTING"});
  EXPECT_FALSE(find_rewrite(ruleset, post, mail()));
  test::add_iptables(ruleset, "*nat\n-A SUB -s 192.168.203.0/24 -j SNAT --to-source 203.0.113.10\n");
  const auto found = find_rewrite(ruleset, *ruleset.find({{nft::Family::kIp, "nat"}, "POSTROUTING"}), mail());
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->certain);
  EXPECT_EQ(found->chain.name, "SUB");
}

TEST(SourceRewrite, AnAcceptAhead_EndsTheChain) {
  nft::Ruleset ruleset;
  test::add_iptables(ruleset,
                     "*nat\n:POSTROUTING ACCEPT\n-A POSTROUTING -o wg0 -j ACCEPT\n-A POSTROUTING -j MASQUERADE\n");
  EXPECT_FALSE(find_rewrite(ruleset, ruleset.chains.front(), mail()));
}

TEST(SourceRewrite, AnAcceptForSome_LeavesTheOthersToWhatFollows) {
  nft::Ruleset ruleset;
  test::add_iptables(
      ruleset,
      "*nat\n:POSTROUTING ACCEPT\n-A POSTROUTING -s 192.168.203.7/32 -j ACCEPT\n-A POSTROUTING -j MASQUERADE\n");
  EXPECT_TRUE(find_rewrite(ruleset, ruleset.chains.front(), mail()));
}

TEST(SourceRewrite, BehindAnAcceptThatMayHold_IsNotCertain) {
  for (const auto* rules : {"-A POSTROUTING -m addrtype --dst-type LOCAL -j ACCEPT\n-A POSTROUTING -j MASQUERADE\n",
                            "-A POSTROUTING -j SUB\n-A SUB -m addrtype --dst-type LOCAL -j ACCEPT\n"
                            "-A POSTROUTING -j MASQUERADE\n",
                            "-A POSTROUTING -j SUB\n-A SUB -m addrtype --dst-type LOCAL -j RETURN\n"
                            "-A SUB -j MASQUERADE\n"}) {
    nft::Ruleset ruleset;
    test::add_iptables(ruleset, std::string("*nat\n:POSTROUTING ACCEPT\n:SUB -\n") + rules);
    EXPECT_EQ(told(find_rewrite(ruleset, ruleset.chains.front(), mail())), "maybe: counter masquerade") << rules;
  }
}

TEST(SourceRewrite, OnlyTheFirstPacketCounts) {
  nft::Ruleset ruleset;
  test::add_iptables(ruleset,
                     "*nat\n:POSTROUTING ACCEPT\n-A POSTROUTING -m conntrack --ctstate NEW -j ACCEPT\n"
                     "-A POSTROUTING -j MASQUERADE\n");
  EXPECT_FALSE(find_rewrite(ruleset, ruleset.chains.front(), mail()));
}

TEST(SourceRewrite, BelowAJumpThatIsNotUnderstood_IsNotCertain) {
  nft::Ruleset ruleset;
  test::add_iptables(ruleset,
                     "*nat\n:PREROUTING ACCEPT\n:DOCKER -\n-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n"
                     "-A DOCKER -p tcp --dport 25 -j DNAT --to-destination 172.18.0.2:25\n");
  const auto& pre = *ruleset.find({{nft::Family::kIp, "nat"}, "PREROUTING"});
  const auto found = find_rewrite(ruleset, pre, mail());
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->certain) << "only what is for this host itself";
  test::add_iptables(ruleset, "*nat\n-A PREROUTING -p tcp --dport 25 -j DNAT --to-destination 10.0.0.1:25\n");
  const auto surely = find_rewrite(ruleset, *ruleset.find({{nft::Family::kIp, "nat"}, "PREROUTING"}), mail());
  EXPECT_TRUE(surely->certain);
  EXPECT_EQ(surely->chain.name, "PREROUTING");
}

TEST(SourceRewrite, ALoopOfChains_Ends) {
  nft::Ruleset ruleset;
  test::add_iptables(ruleset, "*nat\n:POSTROUTING ACCEPT\n:A -\n:B -\n-A POSTROUTING -j A\n-A A -j B\n-A B -j A\n");
  EXPECT_FALSE(find_rewrite(ruleset, ruleset.chains.front(), mail()));
}

}  // namespace
}  // namespace smtpegress
