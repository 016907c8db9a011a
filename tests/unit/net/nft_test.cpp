#include "smtpegress/nft.hpp"

#include <gtest/gtest.h>

#include <array>
#include <tuple>

#include "model/rules.hpp"
#include "support/hosts.hpp"

namespace smtpegress::nft {
namespace {

using test::ifname;
using test::prefix;

TEST(Nft, ToString_WritesEveryMatchInNftsWords) {
  const Rule rule{
      {rules::in(ifname("wg0")), MatchInterface{Way::kOut, "br-", true, Sense::kIsNot}, rules::is(IpFamily::kV4),
       rules::from(prefix("10.0.0.0/8")), MatchAddress{Side::kDestination, prefix("2001:db8::/32"), Sense::kIsNot},
       rules::tcp(), rules::from_port({25, 25}), MatchPort{Side::kDestination, {25, 26}, Sense::kIsNot},
       rules::flags(0x17, 0x02, Sense::kIsNot), rules::marked({0x19, 0xff}), rules::state(kCtEstablished | kCtRelated),
       rules::reply(), MatchOpaque{"xt addrtype", {1}}},
      {},
      {}};
  EXPECT_EQ(to_string(rule),
            "iifname \"wg0\" oifname != \"br-*\" ip saddr 10.0.0.0/8 ip6 daddr != 2001:db8::/32 tcp sport 25 tcp dport "
            "!= 25-26 "
            "tcp flags & (fin|syn|rst|ack) != syn meta mark 0x19/0xff ct state established,related ct direction reply "
            "[xt addrtype]");
}

TEST(Nft, ToString_WhatANarrowerTestImplies_IsNotWrittenTwice) {
  EXPECT_EQ(to_string(Rule{{rules::is(IpFamily::kV4), rules::to(prefix("10.0.0.0/8"))}, {}, {}}),
            "ip daddr 10.0.0.0/8");
  EXPECT_EQ(to_string(Rule{{rules::tcp(), rules::to_port({25, 25})}, {}, {}}), "tcp dport 25");
}

TEST(Nft, ToString_WhatNothingElseImplies_IsWritten) {
  EXPECT_EQ(to_string(Rule{{rules::is(IpFamily::kV6), rules::tcp()}, {}, {}}), "meta nfproto ipv6 meta l4proto tcp");
  EXPECT_EQ(to_string(Rule{{rules::to_port({25, 25})}, {}, {}}), "th dport 25");
  EXPECT_EQ(to_string(Rule{{rules::protocol(1)}, {}, {}}), "meta l4proto icmp");
  EXPECT_EQ(to_string(Rule{{rules::protocol(17)}, {}, {}}), "meta l4proto udp");
  EXPECT_EQ(to_string(Rule{{rules::protocol(132)}, {}, {}}), "meta l4proto 132");
}

TEST(Nft, ToString_WritesEveryStatementInNftsWords) {
  const std::array<std::pair<Statement, std::string>, 15> statements{{
      {Counter{}, "counter"},
      {Verdict{VerdictCode::kAccept, {}}, "accept"},
      {Verdict{VerdictCode::kDrop, {}}, "drop"},
      {Verdict{VerdictCode::kReturn, {}}, "return"},
      {Verdict{VerdictCode::kContinue, {}}, "continue"},
      {Verdict{VerdictCode::kJump, "DOCKER-USER"}, "jump DOCKER-USER"},
      {Verdict{VerdictCode::kGoto, "x"}, "goto x"},
      {Verdict{VerdictCode::kQueue, {}}, "queue"},
      {SetMark{{0x19, 0xffffffff}}, "meta mark set 0x19"},
      {ClampMss{}, "tcp option maxseg size set rt mtu"},
      {Snat{test::address("203.0.113.10")}, "snat to 203.0.113.10"},
      {Snat{}, "snat to ip saddr"},
      {Masquerade{}, "masquerade"},
      {Reject{}, "reject"},
      {SetNetwork{Side::kDestination, test::prefix("240.168.203.0/24")},
       "ip daddr set ip daddr & 0.0.0.255 | 240.168.203.0"},
  }};
  for (const auto& [statement, text] : statements) {
    EXPECT_EQ(to_string(Rule{{}, {statement}, {}}), text);
  }
  EXPECT_EQ(to_string(Rule{{}, {StatementOpaque{"log", {}}}, {}}), "[log]");
}

TEST(Nft, ToString_UnknownBitsAreShownAsNone) {
  EXPECT_EQ(to_string(Rule{{MatchCtState{0}}, {}, {}}), "ct state 0x0");
  EXPECT_EQ(to_string(Rule{{MatchTcpFlags{0x02, 0, Sense::kIs}}, {}, {}}), "tcp flags & (syn) == 0x0");
}

TEST(Nft, ToString_KeysNameTheFamily) {
  EXPECT_EQ(to_string(ChainKey{{Family::kIp, "raw"}, "PREROUTING"}), "ip raw PREROUTING");
  EXPECT_EQ(to_string(TableKey{Family::kInet, "smtp-egress-x"}), "inet smtp-egress-x");
  EXPECT_EQ(to_string(TableKey{Family::kIp6, "t"}), "ip6 t");
  EXPECT_EQ(to_string(TableKey{Family::kBridge, "t"}), "bridge t");
  EXPECT_EQ(to_string(TableKey{Family::kArp, "t"}), "arp t");
  EXPECT_EQ(to_string(TableKey{Family::kNetdev, "t"}), "netdev t");
}

TEST(Nft, SameRule_TheOrderOfMatchesDoesNotCount) {
  const Rule rule = rules::rule({rules::in(ifname("wg0")), rules::tcp()}, rules::accept(), "c");
  const Rule turned = rules::rule({rules::tcp(), rules::in(ifname("wg0"))}, rules::accept(), "c");
  EXPECT_TRUE(same_rule(rule, turned));
  EXPECT_NE(rule, turned);
}

TEST(Nft, SameRule_EverythingElseCounts) {
  const Rule rule = rules::rule({rules::tcp()}, rules::accept(), "c");
  auto other = rule;
  other.comment = "d";
  EXPECT_FALSE(same_rule(rule, other));
  other = rule;
  other.statements.pop_back();
  EXPECT_FALSE(same_rule(rule, other));
  other = rule;
  other.matches.push_back(rules::tcp());
  EXPECT_FALSE(same_rule(rule, other)) << "a test that stands twice is another rule";
}

TEST(Nft, OpaquePartsDiffer_NoTwoRulesAreTakenForEqual) {
  const Rule one{{MatchOpaque{"lookup", {1}}}, {}, {}};
  const Rule two{{MatchOpaque{"lookup", {2}}}, {}, {}};
  EXPECT_FALSE(same_rule(one, two));
}

TEST(Nft, OthersNames_CannotActOnATerminalNorMakeALineTwo) {  // the kernel takes any bytes but NUL
  const TableKey table{Family::kInet, "t\n== status"};
  EXPECT_EQ(to_string(table), "inet t\\x0a== status");
  EXPECT_EQ(to_string(ChainKey{table, "c\x1b[2J"}), "inet t\\x0a== status c\\x1b[2J");
  EXPECT_EQ(to_string(SetKey{table, "s\xc2\x9b"}), "inet t\\x0a== status s\\xc2\\x9b");
  EXPECT_EQ(to_string(Rule{{MatchInterface{.way = Way::kIn, .name = "a\n"}}, {Verdict{VerdictCode::kJump, "c\n"}}, {}}),
            "iifname \"a\\x0a\" jump c\\x0a");
}

TEST(Ruleset, FindAndHas_ByFullKey) {
  auto host = test::docker_home();
  const auto& ruleset = host.state.ruleset;
  EXPECT_NE(ruleset.find({{Family::kIp, "filter"}, "DOCKER-USER"}), nullptr);
  EXPECT_EQ(ruleset.find({{Family::kIp6, "filter"}, "DOCKER-USER"}), nullptr);
  EXPECT_TRUE(ruleset.has({Family::kIp, "nat"}));
  EXPECT_FALSE(ruleset.has({Family::kInet, "nat"}));
}

}  // namespace
}  // namespace smtpegress::nft
