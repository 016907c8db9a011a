// Rules and batches, byte for byte. tests/netns/nft_tools_test.cpp shows that nft and iptables write the same ones.
#include <gtest/gtest.h>

#include "codec/nft_support.hpp"
#include "netlink/nft_batch.hpp"

namespace smtpegress::nft {
namespace {

using test::kInetChain;
using test::kIpChain;
using test::octets;
using test::rule_message;
using test::same_bytes;

Prefix prefix(const char* text) {
  return Prefix::parse(text).value();
}

/// What of a rule's message follows "smtp-egress" "forward": the expressions' list without its own header.
test::Octets expressions(const ChainKey& chain, const Rule& rule) {
  const auto message = rule_message(chain, rule);
  netlink::Bytes rest = netlink::message_payload(test::as_message(message), sizeof(nfgenmsg));
  const auto list = netlink::Attributes(rest).bytes(NFTA_RULE_EXPRESSIONS);
  return {list.begin(), list.end()};
}

TEST(NftEncode, AdmissionInDockerUser_WholeMessage) {
  const Rule rule{.matches = {MatchMark{.mark = Mark{0x19}, .sense = Sense::kIs}},
                  .statements = {Counter{}, Verdict{}},
                  .comment = "smtp-egress:home"};
  EXPECT_TRUE(same_bytes(octets(R"(
    e0 00 00 00  06 0a 01 00  00 00 00 00  00 00 00 00   # nlmsghdr: nf_tables, NFT_MSG_NEWRULE, NLM_F_REQUEST
    02 00 00 00                                          # nfgenmsg: NFPROTO_IPV4
    0b 00 01 00  66 69 6c 74  65 72 00 00                # NFTA_RULE_TABLE "filter"
    10 00 02 00  44 4f 43 4b  45 52 2d 55  53 45 52 00   # NFTA_RULE_CHAIN "DOCKER-USER"
    17 00 07 00  00 11                                   # NFTA_RULE_USERDATA: comment, 17 bytes
      73 6d 74 70 2d 65 67 72 65 73 73 3a 68 6f 6d 65 00  00
    98 00 04 80                                          # NFTA_RULE_EXPRESSIONS
      24 00 01 80  09 00 01 00  6d 65 74 61  00 00 00 00   # "meta"
        14 00 02 80  08 00 02 00  00 00 00 03              #   NFTA_META_KEY NFT_META_MARK
                     08 00 01 00  00 00 00 01              #   NFTA_META_DREG 1
      2c 00 01 80  08 00 01 00  63 6d 70 00                # "cmp"
        20 00 02 80  08 00 01 00  00 00 00 01              #   NFTA_CMP_SREG 1
                     08 00 02 00  00 00 00 00              #   NFTA_CMP_OP NFT_CMP_EQ
                     0c 00 03 80  08 00 01 00  19 00 00 00 #   NFTA_CMP_DATA, host byte order
      14 00 01 80  0c 00 01 00  63 6f 75 6e 74 65 72 00    # "counter"
        04 00 02 80
      30 00 01 80  0e 00 01 00  69 6d 6d 65 64 69 61 74 65 00 00 00   # "immediate"
        1c 00 02 80  08 00 01 00  00 00 00 00              #   NFTA_IMMEDIATE_DREG NFT_REG_VERDICT
                     10 00 02 80  0c 00 02 80  08 00 01 00  00 00 00 01   # NF_ACCEPT
  )"),
                         rule_message(kIpChain, rule)));
}

TEST(NftEncode, Prefix_OfWholeBytes_IsAShortenedLoad) {
  const Rule rule{{MatchAddress{Side::kDestination, prefix("192.168.203.0/24"), Sense::kIs}}, {}, {}};
  EXPECT_TRUE(same_bytes(octets(R"(
    34 00 01 80  0c 00 01 00  70 61 79 6c 6f 61 64 00    # "payload"
      24 00 02 80  08 00 01 00  00 00 00 01                #   DREG 1
                   08 00 02 00  00 00 00 01                #   BASE network header
                   08 00 03 00  00 00 00 10                #   OFFSET 16
                   08 00 04 00  00 00 00 03                #   LEN 3
    2c 00 01 80  08 00 01 00  63 6d 70 00                # "cmp"
      20 00 02 80  08 00 01 00  00 00 00 01
                   08 00 02 00  00 00 00 00
                   0c 00 03 80  07 00 01 00  c0 a8 cb 00   #   192.168.203, padded
  )"),
                         expressions(kIpChain, rule)));
}

TEST(NftEncode, Prefix_BetweenBytes_IsMasked) {
  const Rule rule{{MatchAddress{Side::kSource, prefix("192.168.200.0/21"), Sense::kIsNot}}, {}, {}};
  EXPECT_TRUE(same_bytes(octets(R"(
    34 00 01 80  0c 00 01 00  70 61 79 6c 6f 61 64 00    # "payload"
      24 00 02 80  08 00 01 00  00 00 00 01
                   08 00 02 00  00 00 00 01
                   08 00 03 00  00 00 00 0c                #   OFFSET 12
                   08 00 04 00  00 00 00 04                #   LEN 4
    44 00 01 80  0c 00 01 00  62 69 74 77 69 73 65 00    # "bitwise"
      34 00 02 80  08 00 01 00  00 00 00 01                #   SREG 1
                   08 00 02 00  00 00 00 01                #   DREG 1
                   08 00 03 00  00 00 00 04                #   LEN 4
                   0c 00 04 80  08 00 01 00  ff ff f8 00   #   MASK
                   0c 00 05 80  08 00 01 00  00 00 00 00   #   XOR
    2c 00 01 80  08 00 01 00  63 6d 70 00                # "cmp"
      20 00 02 80  08 00 01 00  00 00 00 01
                   08 00 02 00  00 00 00 01                #   NFT_CMP_NEQ
                   0c 00 03 80  08 00 01 00  c0 a8 c8 00
  )"),
                         expressions(kIpChain, rule)));
}

TEST(NftEncode, Interface_IsPaddedAndItsBeginningIsNot) {
  const Rule rule{
      {MatchInterface{Way::kIn, "wg0", false, Sense::kIs}, MatchInterface{Way::kOut, "br-", true, Sense::kIsNot}},
      {},
      {}};
  EXPECT_TRUE(same_bytes(octets(R"(
    24 00 01 80  09 00 01 00  6d 65 74 61  00 00 00 00
      14 00 02 80  08 00 02 00  00 00 00 06                #   NFT_META_IIFNAME
                   08 00 01 00  00 00 00 01
    38 00 01 80  08 00 01 00  63 6d 70 00
      2c 00 02 80  08 00 01 00  00 00 00 01
                   08 00 02 00  00 00 00 00
                   18 00 03 80  14 00 01 00                #   16 bytes
                     77 67 30 00  00 00 00 00  00 00 00 00  00 00 00 00
    24 00 01 80  09 00 01 00  6d 65 74 61  00 00 00 00
      14 00 02 80  08 00 02 00  00 00 00 07                #   NFT_META_OIFNAME
                   08 00 01 00  00 00 00 01
    2c 00 01 80  08 00 01 00  63 6d 70 00
      20 00 02 80  08 00 01 00  00 00 00 01
                   08 00 02 00  00 00 00 01                #   NFT_CMP_NEQ
                   0c 00 03 80  07 00 01 00  62 72 2d 00   #   3 bytes, then padding
  )"),
                         expressions(kInetChain, rule)));
}

TEST(NftEncode, PortRange_IsTwoComparisonsOfOneLoad) {
  const Rule rule{{MatchPort{Side::kSource, PortRange{25, 26}, Sense::kIs}}, {}, {}};
  EXPECT_TRUE(same_bytes(octets(R"(
    34 00 01 80  0c 00 01 00  70 61 79 6c 6f 61 64 00
      24 00 02 80  08 00 01 00  00 00 00 01
                   08 00 02 00  00 00 00 02                #   BASE transport header
                   08 00 03 00  00 00 00 00
                   08 00 04 00  00 00 00 02
    2c 00 01 80  08 00 01 00  63 6d 70 00
      20 00 02 80  08 00 01 00  00 00 00 01
                   08 00 02 00  00 00 00 05                #   NFT_CMP_GTE
                   0c 00 03 80  06 00 01 00  00 19 00 00   #   25, network byte order
    2c 00 01 80  08 00 01 00  63 6d 70 00
      20 00 02 80  08 00 01 00  00 00 00 01
                   08 00 02 00  00 00 00 03                #   NFT_CMP_LTE
                   0c 00 03 80  06 00 01 00  00 1a 00 00
  )"),
                         expressions(kIpChain, rule)));
}

TEST(NftEncode, Snat_Identity_LoadsTheSourceAddress) {
  const Rule rule{{}, {Snat{}}, {}};
  EXPECT_TRUE(same_bytes(octets(R"(
    34 00 01 80  0c 00 01 00  70 61 79 6c 6f 61 64 00
      24 00 02 80  08 00 01 00  00 00 00 01
                   08 00 02 00  00 00 00 01
                   08 00 03 00  00 00 00 0c
                   08 00 04 00  00 00 00 04
    28 00 01 80  08 00 01 00  6e 61 74 00                # "nat"
      1c 00 02 80  08 00 01 00  00 00 00 00                #   NFTA_NAT_TYPE NFT_NAT_SNAT
                   08 00 02 00  00 00 00 02                #   NFTA_NAT_FAMILY NFPROTO_IPV4
                   08 00 03 00  00 00 00 01                #   NFTA_NAT_REG_ADDR_MIN 1
  )"),
                         expressions(kIpChain, rule)));
}

TEST(NftEncode, Batch_WholeDatagram) {
  const TableKey table{Family::kInet, "smtp-egress"};
  const ChainKey chain{table, "post"};
  const Rule rule{{}, {Counter{}}, {}};
  const Batch batch{AddTable{table},
                    DeleteTable{table},
                    AddChain{chain, {ChainType::kNat, Hook::kPostrouting, 99, Policy::kAccept}},
                    FlushChain{chain},
                    DeleteChain{chain},
                    AppendRule{chain, rule},
                    InsertRule{chain, rule},
                    DeleteRule{chain, 7}};
  const auto datagram = netlink::encode_batch(batch, 0x01020304, 0x80000001);
  ASSERT_TRUE(datagram);
  EXPECT_TRUE(same_bytes(octets(R"(
    1c 00 00 00  10 00 01 00  01 00 00 80  00 00 00 00   # NFNL_MSG_BATCH_BEGIN
      00 00 00 0a                                        #   res_id NFNL_SUBSYS_NFTABLES
      08 00 01 00  01 02 03 04                           #   NFNL_BATCH_GENID
    2c 00 00 00  00 0a 05 04  02 00 00 80  00 00 00 00   # NFT_MSG_NEWTABLE, REQUEST|ACK|CREATE
      01 00 00 00
      10 00 01 00  73 6d 74 70 2d 65 67 72 65 73 73 00
      08 00 02 00  00 00 00 00                           #   NFTA_TABLE_FLAGS: none, so that a dormant one wakes
    24 00 00 00  02 0a 05 00  03 00 00 80  00 00 00 00   # NFT_MSG_DELTABLE, REQUEST|ACK
      01 00 00 00
      10 00 01 00  73 6d 74 70 2d 65 67 72 65 73 73 00
    54 00 00 00  03 0a 05 04  04 00 00 80  00 00 00 00   # NFT_MSG_NEWCHAIN, REQUEST|ACK|CREATE
      01 00 00 00
      10 00 01 00  73 6d 74 70 2d 65 67 72 65 73 73 00
      09 00 03 00  70 6f 73 74 00 00 00 00               #   NFTA_CHAIN_NAME
      14 00 04 80  08 00 01 00  00 00 00 04              #   NFTA_CHAIN_HOOK: NF_INET_POST_ROUTING
                   08 00 02 00  00 00 00 63              #     priority 99
      08 00 05 00  00 00 00 01                           #   NFTA_CHAIN_POLICY NF_ACCEPT
      08 00 07 00  6e 61 74 00                           #   NFTA_CHAIN_TYPE "nat"
    30 00 00 00  08 0a 05 00  05 00 00 80  00 00 00 00   # NFT_MSG_DELRULE of the whole chain
      01 00 00 00
      10 00 01 00  73 6d 74 70 2d 65 67 72 65 73 73 00
      09 00 02 00  70 6f 73 74 00 00 00 00
    30 00 00 00  05 0a 05 00  06 00 00 80  00 00 00 00   # NFT_MSG_DELCHAIN
      01 00 00 00
      10 00 01 00  73 6d 74 70 2d 65 67 72 65 73 73 00
      09 00 03 00  70 6f 73 74 00 00 00 00
    48 00 00 00  06 0a 05 0c  07 00 00 80  00 00 00 00   # NFT_MSG_NEWRULE, REQUEST|ACK|CREATE|APPEND
      01 00 00 00
      10 00 01 00  73 6d 74 70 2d 65 67 72 65 73 73 00
      09 00 02 00  70 6f 73 74 00 00 00 00
      18 00 04 80  14 00 01 80  0c 00 01 00  63 6f 75 6e 74 65 72 00  04 00 02 80
    48 00 00 00  06 0a 05 04  08 00 00 80  00 00 00 00   # NFT_MSG_NEWRULE, REQUEST|ACK|CREATE: at the head
      01 00 00 00
      10 00 01 00  73 6d 74 70 2d 65 67 72 65 73 73 00
      09 00 02 00  70 6f 73 74 00 00 00 00
      18 00 04 80  14 00 01 80  0c 00 01 00  63 6f 75 6e 74 65 72 00  04 00 02 80
    3c 00 00 00  08 0a 05 00  09 00 00 80  00 00 00 00   # NFT_MSG_DELRULE of one rule
      01 00 00 00
      10 00 01 00  73 6d 74 70 2d 65 67 72 65 73 73 00
      09 00 02 00  70 6f 73 74 00 00 00 00
      0c 00 03 00  00 00 00 00 00 00 00 07               #   NFTA_RULE_HANDLE
    14 00 00 00  11 00 01 00  0a 00 00 80  00 00 00 00   # NFNL_MSG_BATCH_END
      00 00 00 0a
  )"),
                         *datagram));
}

void expect_refused(const BatchStep& step, std::string_view operation) {
  const auto datagram = netlink::encode_batch({step}, 1, 1);
  ASSERT_FALSE(datagram);
  EXPECT_EQ(datagram.error().kind, ErrorKind::kUsage);
  EXPECT_EQ(datagram.error().operation, operation);
}

TEST(NftBatch, StepsThatTheKernelWouldTakeForMore_AreRefused) {
  const TableKey table{Family::kIp, "filter"};
  expect_refused(FlushChain{{table, ""}}, "flush chain");            // would empty the table
  expect_refused(DeleteRule{{table, "FORWARD"}, 0}, "delete rule");  // would empty the chain
  expect_refused(DeleteTable{{Family::kIp, ""}}, "delete table");
  expect_refused(AddTable{{Family::kIp, std::string(256, 't')}}, "add table");
}

TEST(NftBatch, RuleWithMorePartsThanTheKernelTakes_IsRefused) {
  Rule rule;
  rule.matches.assign(41, MatchL4Proto{6, Sense::kIs});
  expect_refused(AppendRule{kIpChain, rule}, "add rule");
}

TEST(NftBatch, LargestRule_FitsItsBuffer) {
  Rule rule;
  rule.matches.push_back(MatchNfProto{IpFamily::kV6});
  while (rule.matches.size() < 39) {
    rule.matches.push_back(MatchAddress{Side::kSource, prefix("fd00::/9"), Sense::kIsNot});
  }
  rule.statements = {Verdict{VerdictCode::kJump, std::string(255, 'c')}};
  rule.comment = std::string(127, 'c');
  const ChainKey chain{{Family::kInet, std::string(255, 't')}, std::string(255, 'c')};
  const auto datagram = netlink::encode_batch({AppendRule{chain, rule}}, 1, 1);
  ASSERT_TRUE(datagram);
  EXPECT_LT(datagram->size(), 16U * 1024);  // bytes; half of what nft_batch.cpp sets aside
}

}  // namespace
}  // namespace smtpegress::nft
