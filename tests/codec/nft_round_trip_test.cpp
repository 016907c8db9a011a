// What is encoded decodes to itself: every match and statement, with its negations, masks, wildcards and ranges.
#include <gtest/gtest.h>

#include <algorithm>

#include "codec/nft_support.hpp"

namespace smtpegress::nft {
namespace {

using test::decoded;
using test::kInetChain;
using test::kIpChain;
using test::rule_message;

Prefix prefix(const char* text) {
  return Prefix::parse(text).value();
}
IpAddress address(const char* text) {
  return IpAddress::parse(text).value();
}

const ChainKey kIp6Chain{{Family::kIp6, "filter"}, "FORWARD"};

void expect_round_trip(const ChainKey& chain, const Rule& rule) {
  const auto observed = decoded(rule_message(chain, rule));
  EXPECT_EQ(observed.rule, rule);
}

void expect_round_trip(const ChainKey& chain, const Match& match) {
  expect_round_trip(chain, Rule{.matches = {match}, .statements = {Counter{}, Verdict{}}, .comment = {}});
}

void expect_round_trip(const ChainKey& chain, const Statement& statement) {
  expect_round_trip(chain, Rule{.matches = {}, .statements = {statement}, .comment = {}});
}

TEST(NftRoundTrip, Interface_OfEveryLengthAndSense_IsKept) {
  for (const auto way : {Way::kIn, Way::kOut}) {
    for (const auto sense : {Sense::kIs, Sense::kIsNot}) {
      for (const bool wildcard : {false, true}) {
        for (std::size_t length = 1; length <= 15; ++length) {
          expect_round_trip(kIpChain, MatchInterface{way, std::string(length, 'x'), wildcard, sense});
        }
      }
    }
  }
}

TEST(NftRoundTrip, Interface_NameAndItsWildcard_Differ) {
  const Match exact = MatchInterface{Way::kIn, "wg0", false, Sense::kIs};
  const Match wildcard = MatchInterface{Way::kIn, "wg0", true, Sense::kIs};
  const auto one = decoded(rule_message(kIpChain, Rule{{exact}, {}, {}}));
  const auto other = decoded(rule_message(kIpChain, Rule{{wildcard}, {}, {}}));
  EXPECT_NE(one.rule, other.rule);
}

TEST(NftRoundTrip, Address4_OfEveryPrefixLength_IsKept) {
  for (unsigned length = 0; length <= 32; ++length) {
    IpAddress network = address("172.31.255.255");
    const auto mask = netlink::prefix_mask(length);
    for (std::size_t i = 0; i < network.size(); ++i) {
      network.bytes.at(i) &= mask.at(i);
    }
    for (const auto side : {Side::kSource, Side::kDestination}) {
      for (const auto sense : {Sense::kIs, Sense::kIsNot}) {
        const MatchAddress match{side, Prefix{network, static_cast<std::uint8_t>(length)}, sense};
        expect_round_trip(kIpChain, match);
        expect_round_trip(kInetChain, Rule{{MatchNfProto{IpFamily::kV4}, match}, {Counter{}}, {}});
      }
    }
  }
}

TEST(NftRoundTrip, Address6_OfEveryPrefixLength_IsKept) {
  for (unsigned length = 0; length <= 128; ++length) {
    IpAddress network = address("fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    const auto mask = netlink::prefix_mask(length);
    for (std::size_t i = 0; i < network.size(); ++i) {
      network.bytes.at(i) &= mask.at(i);
    }
    for (const auto side : {Side::kSource, Side::kDestination}) {
      const MatchAddress match{side, Prefix{network, static_cast<std::uint8_t>(length)}, Sense::kIs};
      expect_round_trip(kIp6Chain, match);
      expect_round_trip(kInetChain, Rule{{MatchNfProto{IpFamily::kV6}, match}, {Counter{}}, {}});
    }
  }
}

TEST(NftRoundTrip, Ports_SingleAndRanges_AreKept) {
  for (const auto side : {Side::kSource, Side::kDestination}) {
    for (const auto sense : {Sense::kIs, Sense::kIsNot}) {
      for (const auto ports : {PortRange{25, 25}, PortRange{25, 26}, PortRange{1, 65535}, PortRange{255, 256},
                               PortRange{65535, 65535}, PortRange{1, 1}}) {
        expect_round_trip(kIpChain, MatchPort{side, ports, sense});
      }
    }
  }
}

TEST(NftRoundTrip, ProtocolsFlagsMarksAndStates_AreKept) {
  for (const auto sense : {Sense::kIs, Sense::kIsNot}) {
    expect_round_trip(kIpChain, MatchL4Proto{6, sense});
    expect_round_trip(kIpChain, MatchTcpFlags{0x17, 0x02, sense});
    expect_round_trip(kIpChain, MatchTcpFlags{0xff, 0x00, sense});
    expect_round_trip(kIpChain, MatchMark{Mark{0x19, 0xffffffff}, sense});
    expect_round_trip(kIpChain, MatchMark{Mark{0x19, 0xff}, sense});
    expect_round_trip(kIpChain, MatchMark{Mark{0x80000000, 0x80000000}, sense});
    expect_round_trip(kIpChain, MatchSkuid{997, sense});
    expect_round_trip(kInetChain, MatchSkuid{0, sense});
  }
  expect_round_trip(kInetChain, MatchNfProto{IpFamily::kV4});
  expect_round_trip(kInetChain, MatchNfProto{IpFamily::kV6});
  for (const auto states :
       {kCtInvalid, kCtEstablished, kCtRelated, kCtNew, kCtUntracked, kCtEstablished | kCtRelated}) {
    expect_round_trip(kIpChain, MatchCtState{states});
  }
  expect_round_trip(kIpChain, MatchCtDirection{CtDirection::kOriginal});
  expect_round_trip(kIpChain, MatchCtDirection{CtDirection::kReply});
  expect_round_trip(kIpChain, MatchCtDnat{Sense::kIs});
  expect_round_trip(kIpChain, MatchCtDnat{Sense::kIsNot});
  for (const bool by_mark : {false, true}) {
    for (const auto sense : {Sense::kIs, Sense::kIsNot}) {
      expect_round_trip(kIpChain, MatchReversePath{by_mark, sense});
    }
  }
}

TEST(NftRoundTrip, EveryStatement_IsKept) {
  for (const auto code :
       {VerdictCode::kAccept, VerdictCode::kDrop, VerdictCode::kReturn, VerdictCode::kContinue, VerdictCode::kQueue}) {
    expect_round_trip(kIpChain, Verdict{code, {}});
  }
  expect_round_trip(kIpChain, Verdict{VerdictCode::kJump, "DOCKER-USER"});
  expect_round_trip(kIpChain, Verdict{VerdictCode::kGoto, std::string(255, 'c')});
  expect_round_trip(kIpChain, Counter{});
  expect_round_trip(kIpChain, SetMark{Mark{0x19, 0xffffffff}});
  expect_round_trip(kIpChain, SetMark{Mark{0x19, 0xff}});
  expect_round_trip(kIpChain, SetMark{Mark{0, 0xff000000}});
  expect_round_trip(kIpChain, ClampMss{});
  expect_round_trip(kIpChain, Snat{});
  expect_round_trip(kIp6Chain, Snat{});
  expect_round_trip(kIpChain, Snat{address("198.51.100.7")});
  expect_round_trip(kInetChain, Snat{address("2001:db8::7")});
  expect_round_trip(kInetChain, Rule{{MatchNfProto{IpFamily::kV6}}, {Snat{}}, {}});
  expect_round_trip(kIpChain, Masquerade{});
  for (const auto side : {Side::kSource, Side::kDestination}) {
    for (const auto* network : {"240.168.203.0/24", "10.0.0.0/9", "192.0.2.1/32", "0.0.0.0/0"}) {
      expect_round_trip(kIpChain, SetNetwork{side, Prefix::parse(network).value()});
    }
    expect_round_trip(kIp6Chain, SetNetwork{side, Prefix::parse("2001:db8:203::/52").value()});
  }
  expect_round_trip(kInetChain, Rule{{MatchNfProto{IpFamily::kV4}},
                                     {Counter{}, SetNetwork{Side::kDestination, Prefix::parse("240.0.0.0/24").value()}},
                                     {}});
  for (const auto& chain : {kInetChain, kIpChain, kIp6Chain}) {
    expect_round_trip(chain, Reject{});
    expect_round_trip(chain, StartTrace{});
  }
}

TEST(NftRoundTrip, StatementsInARow_KeepTheirOrder) {
  expect_round_trip(kInetChain, Rule{{MatchMark{Mark{0x19}, Sense::kIsNot}},
                                     {Counter{}, SetMark{Mark{0x19, 0xff}}, SetMark{Mark{0x100, 0xff00}}, ClampMss{},
                                      Verdict{VerdictCode::kAccept, {}}},
                                     "two marks"});
}

TEST(NftRoundTrip, Comment_UpToTheLongest_IsKept) {
  for (const std::size_t length : {std::size_t{1}, std::size_t{20}, std::size_t{127}}) {
    expect_round_trip(kIpChain, Rule{{}, {Counter{}}, std::string(length, 'c')});
  }
}

TEST(NftRoundTrip, RuleWithoutParts_IsEmpty) {
  expect_round_trip(kIpChain, Rule{});
}

// ---- what cannot be written is refused, not written as something else

void expect_refused(const ChainKey& chain, const Rule& rule) {
  const auto encoded = netlink::encode_rule(chain, rule);
  ASSERT_FALSE(encoded);
  EXPECT_EQ(encoded.error().kind, ErrorKind::kUsage);
  EXPECT_FALSE(encoded.error().hint.empty());
}

TEST(NftEncodeRefuses, Address_OfUnknownFamily) {
  const Match v4 = MatchAddress{Side::kSource, prefix("10.0.0.0/8"), Sense::kIs};
  expect_refused(kInetChain, Rule{{v4}, {}, {}});  // would also match IPv6 packets with these bytes
  expect_refused(kInetChain, Rule{{MatchNfProto{IpFamily::kV6}, v4}, {}, {}});
  expect_refused(kIp6Chain, Rule{{v4}, {}, {}});
  expect_refused(kInetChain, Rule{{}, {Snat{}}, {}});
}

TEST(NftEncodeRefuses, OpaqueParts) {
  expect_refused(kIpChain, Rule{{MatchOpaque{"xt addrtype", {1}}}, {}, {}});
  expect_refused(kIpChain, Rule{{}, {StatementOpaque{"log", {1}}}, {}});
}

TEST(NftEncodeRefuses, ValuesThatCannotHold) {
  expect_refused(kIpChain, Rule{{MatchInterface{Way::kIn, "", true, Sense::kIs}}, {}, {}});
  expect_refused(kIpChain, Rule{{MatchInterface{Way::kIn, std::string(16, 'x'), false, Sense::kIs}}, {}, {}});
  expect_refused(kIpChain, Rule{{MatchMark{Mark{0x119, 0xff}, Sense::kIs}}, {}, {}});
  expect_refused(kIpChain, Rule{{MatchTcpFlags{0x02, 0x12, Sense::kIs}}, {}, {}});
  expect_refused(kIpChain, Rule{{MatchPort{Side::kSource, PortRange{26, 25}, Sense::kIs}}, {}, {}});
  expect_refused(kIpChain, Rule{{}, {SetMark{Mark{0x119, 0xff}}}, {}});
  expect_refused(kIpChain, Rule{{}, {Verdict{VerdictCode::kJump, ""}}, {}});
  expect_refused(kIpChain, Rule{{}, {Verdict{VerdictCode::kAccept, "chain"}}, {}});
  expect_refused(kIpChain, Rule{{}, {Verdict{VerdictCode::kJump, std::string("other\0name", 10)}}, {}});
  expect_refused(kIpChain, Rule{{}, {}, std::string(128, 'c')});
  expect_refused(ChainKey{{Family::kBridge, "b"}, "c"}, Rule{{}, {Reject{}}, {}});
}

}  // namespace
}  // namespace smtpegress::nft
