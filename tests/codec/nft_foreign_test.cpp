// Rules of other programs: the same meaning in another spelling decodes to the same rule, anything else stays opaque.
#include "codec/nft_support.hpp"

#include <gtest/gtest.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/xt_TCPMSS.h>
#include <linux/netfilter/xt_comment.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ipt_REJECT.h>

namespace smtpegress::nft {
namespace {

using test::ForeignRule;
using test::host32;
using test::Octets;
using test::opaque_parts;
using test::xt_info;

Prefix prefix(const char* text) {
  return Prefix::parse(text).value();
}
const Octets kNoFlip(16, 0);

Rule only(const Match& match) {
  return Rule{.matches = {match}, .statements = {}, .comment = {}};
}
Rule only(const Statement& statement) {
  return Rule{.matches = {}, .statements = {statement}, .comment = {}};
}

// ---- the same in another spelling

TEST(NftForeign, EtherType_WhereFramesAreSeen_IsTheNetworkProtocol) {
  const auto rule = [](Family family) {
    return ForeignRule(family)
        .meta(NFT_META_PROTOCOL)
        .cmp(NFT_CMP_EQ, {0x08, 0x00})
        .payload(NFT_PAYLOAD_NETWORK_HEADER, 12, 4)
        .cmp(NFT_CMP_EQ, {192, 168, 203, 10})
        .rule();
  };
  const Rule expected{
      .matches = {MatchNfProto{IpFamily::kV4}, MatchAddress{Side::kSource, prefix("192.168.203.10/32"), Sense::kIs}},
      .statements = {},
      .comment = {}};
  EXPECT_EQ(rule(Family::kNetdev), expected);
  EXPECT_EQ(rule(Family::kBridge), expected);
  EXPECT_NE(rule(Family::kInet), expected) << "there it is another test than ours";
}

TEST(NftForeign, Protocol_FromTheIpHeader_IsTheSameMatch) {  // iptables 1.8.13; 1.8.9 uses meta l4proto
  EXPECT_EQ(ForeignRule().payload(NFT_PAYLOAD_NETWORK_HEADER, 9, 1).cmp(NFT_CMP_EQ, {6}).rule(),
            only(MatchL4Proto{6, Sense::kIs}));
}

TEST(NftForeign, InterfaceName_WithOneNul_IsTheWholeName) {  // iptables; nft pads to 16 bytes
  EXPECT_EQ(ForeignRule().meta(NFT_META_IIFNAME).cmp(NFT_CMP_NEQ, {'w', 'g', '0', 0}).rule(),
            only(MatchInterface{Way::kIn, "wg0", false, Sense::kIsNot}));
}

TEST(NftForeign, Prefix_ByMask_IsTheSameAsByBytes) {
  EXPECT_EQ(ForeignRule()
                .payload(NFT_PAYLOAD_NETWORK_HEADER, 12, 4)
                .bitwise({255, 255, 255, 0}, Octets(4, 0))
                .cmp(NFT_CMP_EQ, {192, 168, 203, 0})
                .rule(),
            only(MatchAddress{Side::kSource, prefix("192.168.203.0/24"), Sense::kIs}));
}

TEST(NftForeign, Range_Expression_IsTheSameAsTwoComparisons) {  // iptables --sport 25:30
  const auto rule = ForeignRule()
                        .payload(NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2)
                        .add("range", {{NFTNL_EXPR_RANGE_SREG, NFT_REG_1},
                                       {NFTNL_EXPR_RANGE_OP, NFT_RANGE_EQ},
                                       {NFTNL_EXPR_RANGE_FROM_DATA, Octets{0, 25}},
                                       {NFTNL_EXPR_RANGE_TO_DATA, Octets{0, 30}}})
                        .rule();
  EXPECT_EQ(rule, only(MatchPort{Side::kSource, PortRange{25, 30}, Sense::kIs}));
}

TEST(NftForeign, Registers_OfTheNewNumbering_AreTheSame) {
  // NFT_REG32_00 is the beginning of register 1; nft uses the others when it concatenates.
  EXPECT_EQ(ForeignRule().meta(NFT_META_MARK, NFT_REG32_05).cmp(NFT_CMP_EQ, host32(7), NFT_REG32_05).rule(),
            only(MatchMark{Mark{7, 0xffffffff}, Sense::kIs}));
  EXPECT_EQ(ForeignRule().meta(NFT_META_MARK, NFT_REG_2).cmp(NFT_CMP_EQ, host32(7), NFT_REG32_04).rule(),
            only(MatchMark{Mark{7, 0xffffffff}, Sense::kIs}));
}

TEST(NftForeign, Counter_ValuesAreNotPartOfTheRule) {
  const auto observed = ForeignRule().counter(5, 700).observed();
  EXPECT_EQ(observed.rule, only(Counter{}));
  EXPECT_EQ(observed.packets, 5U);
  EXPECT_EQ(observed.bytes, 700U);
}

TEST(NftForeign, MarkSet_ByMaskOfZeros_SetsTheWholeMark) {
  EXPECT_EQ(ForeignRule()
                .meta(NFT_META_MARK)
                .bitwise(host32(0), host32(0x19))
                .add("meta", {{NFTNL_EXPR_META_KEY, NFT_META_MARK}, {NFTNL_EXPR_META_SREG, NFT_REG_1}})
                .rule(),
            only(SetMark{Mark{0x19, 0xffffffff}}));
}

// ---- what looks like ours and is not

TEST(NftForeign, Address_WithoutItsFamilyInInet_IsOpaque) {
  const auto rule =
      ForeignRule(Family::kInet).payload(NFT_PAYLOAD_NETWORK_HEADER, 12, 4).cmp(NFT_CMP_EQ, {1, 2, 3, 4}).rule();
  EXPECT_EQ(opaque_parts(rule), std::vector<std::string>{"payload"});
}

TEST(NftForeign, Address_BehindTheOtherFamily_IsOpaque) {
  const auto rule = ForeignRule(Family::kInet)
                        .meta(NFT_META_NFPROTO)
                        .cmp(NFT_CMP_EQ, {NFPROTO_IPV6})
                        .payload(NFT_PAYLOAD_NETWORK_HEADER, 12, 4)
                        .cmp(NFT_CMP_EQ, {1, 2, 3, 4})
                        .rule();
  EXPECT_EQ(opaque_parts(rule), std::vector<std::string>{"payload"});
}

TEST(NftForeign, MaskWithAGap_IsOpaque) {
  const auto rule = ForeignRule()
                        .payload(NFT_PAYLOAD_NETWORK_HEADER, 12, 4)
                        .bitwise({255, 0, 255, 0}, Octets(4, 0))
                        .cmp(NFT_CMP_EQ, {192, 0, 203, 0})
                        .rule();
  EXPECT_EQ(opaque_parts(rule), std::vector<std::string>{"payload"});
}

TEST(NftForeign, ComparisonsOfOtherOrders_AreOpaque) {
  EXPECT_EQ(opaque_parts(ForeignRule().meta(NFT_META_MARK).cmp(NFT_CMP_GT, host32(7)).rule()),
            std::vector<std::string>{"meta mark"});
  EXPECT_EQ(opaque_parts(ForeignRule().payload(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2).cmp(NFT_CMP_LTE, {0, 25}).rule()),
            std::vector<std::string>{"payload"});
}

TEST(NftForeign, HalfARange_IsOpaque) {
  const auto half = ForeignRule().payload(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2).cmp(NFT_CMP_GTE, {0, 25}).rule();
  EXPECT_EQ(opaque_parts(half), std::vector<std::string>{"payload"});
  const auto empty = ForeignRule()
                         .payload(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2)
                         .cmp(NFT_CMP_GTE, {0, 26})
                         .cmp(NFT_CMP_LTE, {0, 25})
                         .rule();
  EXPECT_EQ(opaque_parts(empty), std::vector<std::string>{"payload"});
}

TEST(NftForeign, HalfARangeBesideAPort_IsOpaque) {
  const auto rule = ForeignRule()
                        .payload(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2)
                        .cmp(NFT_CMP_NEQ, {0, 25})
                        .cmp(NFT_CMP_GTE, {0, 20})
                        .rule();
  EXPECT_EQ(opaque_parts(rule), std::vector<std::string>{"payload"});
}

TEST(NftForeign, ValueInverted_IsOpaque) {
  EXPECT_EQ(opaque_parts(
                ForeignRule().meta(NFT_META_MARK).bitwise(host32(0xff), host32(1)).cmp(NFT_CMP_EQ, host32(1)).rule()),
            std::vector<std::string>{"meta mark"});
}

TEST(NftForeign, ComparisonThatNeverHolds_IsOpaque) {
  EXPECT_EQ(
      opaque_parts(
          ForeignRule().meta(NFT_META_MARK).bitwise(host32(0xff), host32(0)).cmp(NFT_CMP_EQ, host32(0x119)).rule()),
      std::vector<std::string>{"meta mark"});
}

TEST(NftForeign, OverwrittenRegister_IsNotTakenForItsOldValue) {
  const auto rule = ForeignRule()
                        .meta(NFT_META_IIFNAME)             // words 0 to 3
                        .meta(NFT_META_MARK, NFT_REG32_01)  // overwrites word 1
                        .cmp(NFT_CMP_EQ, {'w', 'g', '0', 0})
                        .rule();  // compares what is left
  EXPECT_EQ(opaque_parts(rule), (std::vector<std::string>{"meta iifname", "cmp"}))
      << "the old value, and the comparison with neither value, which takes in the new one";
}

TEST(NftForeign, LoadThatNothingReads_IsAMatch) {  // it ends the rule where there is nothing to load
  EXPECT_EQ(opaque_parts(ForeignRule().payload(NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2).counter().verdict(NF_ACCEPT).rule()),
            std::vector<std::string>{"payload"});
}

TEST(NftForeign, MatchBehindAStatement_IsOpaque) {  // counts before it tests
  const auto rule = ForeignRule().counter().meta(NFT_META_MARK).cmp(NFT_CMP_EQ, host32(7)).verdict(NF_DROP).rule();
  EXPECT_EQ(opaque_parts(rule), std::vector<std::string>{"meta mark"});
}

TEST(NftForeign, ValueLoadedBeforeAnEffect_IsNotReadBehindIt) {
  const auto rule = ForeignRule()
                        .meta(NFT_META_MARK, NFT_REG_2)
                        .immediate(host32(1))
                        .add("meta", {{NFTNL_EXPR_META_KEY, NFT_META_MARK}, {NFTNL_EXPR_META_SREG, NFT_REG_1}})
                        .bitwise(host32(0xffffff00), host32(0x19), NFT_REG_2, NFT_REG_1)
                        .add("meta", {{NFTNL_EXPR_META_KEY, NFT_META_MARK}, {NFTNL_EXPR_META_SREG, NFT_REG_1}})
                        .rule();
  EXPECT_EQ(opaque_parts(rule), (std::vector<std::string>{"meta mark", "meta mark set"}));
}

TEST(NftForeign, MarkSetThatInvertsKeptBits_IsOpaque) {
  const auto set = [](std::uint32_t kept, std::uint32_t inverted) {
    ForeignRule rule;
    rule.meta(NFT_META_MARK).bitwise(host32(kept), host32(inverted));
    rule.add("meta", {{NFTNL_EXPR_META_KEY, NFT_META_MARK}, {NFTNL_EXPR_META_SREG, NFT_REG_1}});
    return opaque_parts(rule.rule());
  };
  EXPECT_EQ(set(0xffffffff, 0x19), std::vector<std::string>{"meta mark set"});
  EXPECT_EQ(set(0xffffff00, 0x119), std::vector<std::string>{"meta mark set"});
  EXPECT_EQ(set(0xffffffff, 0), std::vector<std::string>{"meta mark set"}) << "sets no bit at all";
  EXPECT_EQ(set(0xffffff00, 0x19), std::vector<std::string>{});
}

TEST(NftForeign, Nat_WithPortsFlagsOrARange_IsOpaque) {
  const auto nat = [](std::initializer_list<ForeignRule::Value> more) {
    ForeignRule rule;
    rule.immediate({198, 51, 100, 7}).immediate({198, 51, 100, 9}, NFT_REG_2);
    rule.add("nat", more);
    return opaque_parts(rule.rule());
  };
  const std::vector<std::string> opaque{"nat"};
  EXPECT_EQ(nat({{NFTNL_EXPR_NAT_TYPE, NFT_NAT_SNAT},
                 {NFTNL_EXPR_NAT_FAMILY, NFPROTO_IPV4},
                 {NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1},
                 {NFTNL_EXPR_NAT_REG_ADDR_MAX, NFT_REG_2}}),
            opaque);
  EXPECT_EQ(nat({{NFTNL_EXPR_NAT_TYPE, NFT_NAT_SNAT},
                 {NFTNL_EXPR_NAT_FAMILY, NFPROTO_IPV4},
                 {NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1},
                 {NFTNL_EXPR_NAT_REG_PROTO_MIN, NFT_REG_2}}),
            opaque);
  EXPECT_EQ(nat({{NFTNL_EXPR_NAT_TYPE, NFT_NAT_SNAT},
                 {NFTNL_EXPR_NAT_FAMILY, NFPROTO_IPV4},
                 {NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1},
                 {NFTNL_EXPR_NAT_FLAGS, NF_NAT_RANGE_PERSISTENT}}),
            opaque);
  EXPECT_EQ(nat({{NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT},
                 {NFTNL_EXPR_NAT_FAMILY, NFPROTO_IPV4},
                 {NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1}}),
            opaque);
}

TEST(NftForeign, OtherExpressions_AreNamed) {
  EXPECT_EQ(opaque_parts(ForeignRule().meta(NFT_META_IIF).cmp(NFT_CMP_EQ, host32(1)).rule()),
            std::vector<std::string>{"meta iif"});
  EXPECT_EQ(opaque_parts(ForeignRule()
                             .add("ct", {{NFTNL_EXPR_CT_KEY, NFT_CT_MARK}, {NFTNL_EXPR_CT_DREG, NFT_REG_1}})
                             .cmp(NFT_CMP_EQ, host32(0x19))
                             .rule()),
            std::vector<std::string>{"ct mark"});
  EXPECT_EQ(opaque_parts(ForeignRule()
                             .add("fib", {{NFTNL_EXPR_FIB_DREG, NFT_REG_1},
                                          {NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE},
                                          {NFTNL_EXPR_FIB_FLAGS, NFTA_FIB_F_DADDR}})
                             .cmp(NFT_CMP_EQ, host32(2))
                             .rule()),
            std::vector<std::string>{"fib"});
  EXPECT_EQ(opaque_parts(ForeignRule().add("log", {{NFTNL_EXPR_LOG_LEVEL, 4}}).rule()),
            std::vector<std::string>{"log"});
  EXPECT_EQ(opaque_parts(ForeignRule().add("limit", {{NFTNL_EXPR_LIMIT_BURST, 5}}).rule()),
            std::vector<std::string>{"limit"});
  EXPECT_EQ(opaque_parts(ForeignRule().add("queue", {{NFTNL_EXPR_QUEUE_FLAGS, 0}}).rule()),
            std::vector<std::string>{"queue"});
  EXPECT_EQ(opaque_parts(ForeignRule().add("masq", {{NFTNL_EXPR_MASQ_FLAGS, NF_NAT_RANGE_PROTO_RANDOM}}).rule()),
            std::vector<std::string>{"masquerade"});
}

TEST(NftForeign, TestsAreMatchesAndEffectsAreStatements) {
  const Rule log = ForeignRule().add("log", {{NFTNL_EXPR_LOG_LEVEL, 4}}).rule();
  EXPECT_TRUE(log.matches.empty());
  EXPECT_EQ(log.statements.size(), 1U);
  const Rule limit = ForeignRule().add("limit", {{NFTNL_EXPR_LIMIT_BURST, 5}}).rule();
  EXPECT_EQ(limit.matches.size(), 1U);
  EXPECT_TRUE(limit.statements.empty());
}

TEST(NftForeign, Lookup_TakesInWhatItReads) {
  const auto by_set = [](std::uint32_t offset) {
    ForeignRule rule;
    rule.payload(NFT_PAYLOAD_NETWORK_HEADER, offset, 4);
    rule.add("lookup", {{NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1}, {NFTNL_EXPR_LOOKUP_SET, Octets{'s', 0}}});
    return rule.rule();
  };
  EXPECT_EQ(opaque_parts(by_set(12)), std::vector<std::string>{"ip saddr set"});
  EXPECT_NE(by_set(12), by_set(16)) << "a set of sources is not a set of destinations";
}

TEST(NftForeign, VerdictFromAMap_IsAStatement) {
  const Rule rule = ForeignRule()
                        .add("ct", {{NFTNL_EXPR_CT_KEY, NFT_CT_STATE}, {NFTNL_EXPR_CT_DREG, NFT_REG_1}})
                        .add("lookup", {{NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1},
                                        {NFTNL_EXPR_LOOKUP_SET, Octets{'m', 0}},
                                        {NFTNL_EXPR_LOOKUP_DREG, NFT_REG_VERDICT}})
                        .rule();
  EXPECT_TRUE(rule.matches.empty());
  EXPECT_EQ(opaque_parts(rule), std::vector<std::string>{"ct state vmap"});
}

// ---- xt matches

xt_tcp any_tcp() {
  return {.spts = {0, 0xffff}, .dpts = {0, 0xffff}, .option = 0, .flg_mask = 0, .flg_cmp = 0, .invflags = 0};
}

Rule tcp_rule(const xt_tcp& tcp) {
  return ForeignRule().xt_match("tcp", 0, xt_info(tcp)).rule();
}

TEST(NftXtMatch, Tcp_PortsAndFlags) {
  auto tcp = any_tcp();
  tcp.spts[0] = tcp.spts[1] = 25;
  tcp.dpts[0] = 1024;
  tcp.flg_mask = 0x17;
  tcp.flg_cmp = 0x02;
  tcp.invflags = XT_TCP_INV_DSTPT | XT_TCP_INV_FLAGS;
  const Rule expected{
      {MatchPort{Side::kSource, PortRange{25, 25}, Sense::kIs},
       MatchPort{Side::kDestination, PortRange{1024, 65535}, Sense::kIsNot}, MatchTcpFlags{0x17, 0x02, Sense::kIsNot}},
      {},
      {}};
  EXPECT_EQ(tcp_rule(tcp), expected);
}

TEST(NftXtMatch, Tcp_WithoutATest_IsNone) {
  EXPECT_EQ(tcp_rule(any_tcp()), Rule{});
}

TEST(NftXtMatch, Tcp_OptionOrImpossible_IsOpaque) {
  const std::vector<std::string> opaque{"xt tcp"};
  auto option = any_tcp();
  option.option = 2;
  EXPECT_EQ(opaque_parts(tcp_rule(option)), opaque);
  auto no_port = any_tcp();
  no_port.invflags = XT_TCP_INV_SRCPT;
  EXPECT_EQ(opaque_parts(tcp_rule(no_port)), opaque);
  auto unknown = any_tcp();
  unknown.invflags = 0x40;
  EXPECT_EQ(opaque_parts(tcp_rule(unknown)), opaque);
}

TEST(NftXtMatch, Mark) {
  xt_mark_mtinfo1 mark{.mark = 0x19, .mask = 0xff, .invert = 1};
  EXPECT_EQ(ForeignRule().xt_match("mark", 1, xt_info(mark)).rule(), only(MatchMark{Mark{0x19, 0xff}, Sense::kIsNot}));
  EXPECT_EQ(opaque_parts(ForeignRule().xt_match("mark", 7, xt_info(mark)).rule()), std::vector<std::string>{"xt mark"});
}

Rule conntrack_rule(unsigned flags, unsigned inverted, unsigned states) {
  xt_conntrack_mtinfo3 ct{};
  ct.match_flags = static_cast<std::uint16_t>(flags);
  ct.invert_flags = static_cast<std::uint16_t>(inverted);
  ct.state_mask = static_cast<std::uint16_t>(states);
  return ForeignRule().xt_match("conntrack", 3, xt_info(ct)).rule();
}

TEST(NftXtMatch, Conntrack_StatesOnly) {
  EXPECT_EQ(conntrack_rule(XT_CONNTRACK_STATE, 0, 0x06), only(MatchCtState{kCtEstablished | kCtRelated}));
  EXPECT_EQ(conntrack_rule(XT_CONNTRACK_STATE | XT_CONNTRACK_STATE_ALIAS, 0, 0x08), only(MatchCtState{kCtNew}));
  EXPECT_EQ(conntrack_rule(XT_CONNTRACK_STATE, 0, XT_CONNTRACK_STATE_UNTRACKED | XT_CONNTRACK_STATE_INVALID),
            only(MatchCtState{kCtUntracked | kCtInvalid}));
}

TEST(NftXtMatch, Conntrack_WithMore_IsOpaque) {
  const std::vector<std::string> opaque{"xt conntrack"};
  EXPECT_EQ(opaque_parts(conntrack_rule(XT_CONNTRACK_STATE | XT_CONNTRACK_DIRECTION, 0, 0x02)), opaque);
  EXPECT_EQ(opaque_parts(conntrack_rule(XT_CONNTRACK_STATE, XT_CONNTRACK_STATE, 0x02)), opaque);
  EXPECT_EQ(opaque_parts(conntrack_rule(XT_CONNTRACK_STATE, 0, XT_CONNTRACK_STATE_DNAT)), opaque);
  EXPECT_EQ(opaque_parts(conntrack_rule(XT_CONNTRACK_STATUS, 0, 0x02)), opaque);
}

Octets comment_info(std::string_view text) {
  xt_comment_info info{};
  text.copy(static_cast<char*>(info.comment), sizeof info.comment - 1);
  return xt_info(info);
}

TEST(NftXtMatch, Comment_IsTheRulesComment) {
  const auto observed =
      ForeignRule().xt_match("comment", 0, comment_info("smtp-egress:home")).verdict(NF_ACCEPT).rule();
  EXPECT_EQ(observed, (Rule{{}, {Verdict{}}, "smtp-egress:home"}));
}

TEST(NftXtMatch, Comment_BesideADifferentOne_IsOpaque) {
  const Octets userdata{0, 4, 'o', 'n', 'e', 0};
  const auto rule = ForeignRule().userdata(userdata).xt_match("comment", 0, comment_info("two")).rule();
  EXPECT_EQ(rule.comment, "one");
  EXPECT_EQ(opaque_parts(rule), std::vector<std::string>{"xt comment"});
  EXPECT_EQ(opaque_parts(ForeignRule().userdata(userdata).xt_match("comment", 0, comment_info("one")).rule()),
            std::vector<std::string>{});
}

TEST(NftXtMatch, Others_AreOpaqueByName) {
  EXPECT_EQ(
      opaque_parts(ForeignRule().xt_match("addrtype", 1, Octets(12, 1)).xt_match("multiport", 1, Octets(48, 0)).rule()),
      (std::vector<std::string>{"xt addrtype", "xt multiport"}));
}

// ---- xt targets

Rule target(const char* name, std::uint32_t revision, const Octets& info) {
  return ForeignRule().xt_target(name, revision, info).rule();
}

TEST(NftXtTarget, Mark) {
  EXPECT_EQ(target("MARK", 2, xt_info(xt_mark_tginfo2{.mark = 0x19, .mask = 0xffffffff})),
            only(SetMark{Mark{0x19, 0xffffffff}}));
  EXPECT_EQ(target("MARK", 2, xt_info(xt_mark_tginfo2{.mark = 0x19, .mask = 0xff})), only(SetMark{Mark{0x19, 0xff}}));
}

TEST(NftXtTarget, Mark_ThatInvertsBits_IsOpaque) {  // --set-xmark 0x119/0xff is & ~0xff ^ 0x119
  EXPECT_EQ(opaque_parts(target("MARK", 2, xt_info(xt_mark_tginfo2{.mark = 0x119, .mask = 0xff}))),
            std::vector<std::string>{"xt MARK"});
}

TEST(NftXtTarget, TcpMss_OnlyToThePathMtu) {
  EXPECT_EQ(target("TCPMSS", 0, xt_info(xt_tcpmss_info{.mss = XT_TCPMSS_CLAMP_PMTU})), only(ClampMss{}));
  EXPECT_EQ(opaque_parts(target("TCPMSS", 0, xt_info(xt_tcpmss_info{.mss = 1400}))),
            std::vector<std::string>{"xt TCPMSS"});
}

/// 198.51.100.7 to 198.51.100.LAST.
Octets nat_info(unsigned flags, std::uint8_t last, unsigned ranges = 1) {
  nf_nat_ipv4_multi_range_compat info{};
  info.rangesize = ranges;
  info.range[0].flags = flags;
  info.range[0].min_ip = htonl(0xc6336407U);
  info.range[0].max_ip = htonl(0xc6336400U | last);
  return xt_info(info);
}

TEST(NftXtTarget, Snat_ToOneAddress) {
  EXPECT_EQ(target("SNAT", 0, nat_info(NF_NAT_RANGE_MAP_IPS, 7)), only(Snat{IpAddress::parse("198.51.100.7").value()}));
}

TEST(NftXtTarget, Snat_ToMore_IsOpaque) {
  const std::vector<std::string> opaque{"xt SNAT"};
  EXPECT_EQ(opaque_parts(target("SNAT", 0, nat_info(NF_NAT_RANGE_MAP_IPS, 8))), opaque);
  EXPECT_EQ(opaque_parts(target("SNAT", 0, nat_info(NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED, 7))), opaque);
  EXPECT_EQ(opaque_parts(target("SNAT", 0, nat_info(NF_NAT_RANGE_MAP_IPS, 7, 2))), opaque);
}

TEST(NftXtTarget, Masquerade_OnlyWithoutFlags) {
  EXPECT_EQ(target("MASQUERADE", 0, nat_info(0, 7)), only(Masquerade{}));
  EXPECT_EQ(opaque_parts(target("MASQUERADE", 0, nat_info(NF_NAT_RANGE_PROTO_RANDOM, 7))),
            std::vector<std::string>{"xt MASQUERADE"});
}

TEST(NftXtTarget, Reject) {
  EXPECT_EQ(target("REJECT", 0, xt_info(ipt_reject_info{.with = IPT_ICMP_ADMIN_PROHIBITED})), only(Reject{}));
  EXPECT_EQ(target("REJECT", 0, xt_info(ipt_reject_info{.with = IPT_TCP_RESET})), only(Reject{}));
}

TEST(NftXtTarget, Reject_OfAKindOfTheFuture_IsOpaque) {
  for (const std::uint32_t kind : {std::uint32_t{IPT_ICMP_ADMIN_PROHIBITED + 1}, 65544U, UINT32_MAX}) {
    EXPECT_EQ(opaque_parts(target("REJECT", 0, xt_info(kind))), std::vector<std::string>{"xt REJECT"}) << kind;
  }
}

TEST(NftXtTarget, ShortOrLongInfo_IsOpaque) {
  for (const std::size_t size : {0U, 1U, 7U, 16U, 64U}) {
    EXPECT_EQ(opaque_parts(target("MARK", 2, Octets(size, 0xff))), std::vector<std::string>{"xt MARK"}) << size;
  }
}

}  // namespace
}  // namespace smtpegress::nft
