// Trace events from nf_tables' bytes. The messages are those that Linux 6.18 sent for one SYN of a mail.
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <cerrno>

#include "codec/netlink_bytes.hpp"
#include "netlink/trace_codec.hpp"

namespace smtpegress::netlink {
namespace {

using test::be32;
using test::ByteVector;
using test::raw;
using test::RawMessage;

constexpr std::uint16_t kTrace = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_TRACE;

// Chain "prerouting" of "smtp-egress.trace.mailu-home.112": rule 11 held, in by interface 3.
constexpr std::string_view kBegin =
    "d0000000110a000000000000000000000100000008000f00000000020800040000000003080006005d6f8c220f000200707265726f7574696e"
    "67000025000100736d74702d6567726573732e74726163652e6d61696c752d686f6d652e313132000000000c000300000000000000000b0c00"
    "050008000100ffffffff08000a000000000306000b0000010000180008004500003c28ac40004006c443c0a8cb0ac00002191800090087f300"
    "19086ac48300000000a002faf04dfb000012000700febf4a523643ee253db1627f08000000";
// Chain FORWARD of filter: rule 11 jumps to DOCKER-USER, marked 0x19, out by interface 6, a new connection.
constexpr std::string_view kJump =
    "f8000000110a000000000000000000000200000008000f0000000002080004000000000308000600fbf121270c000200464f5257415244000b"
    "00010066696c74657200000c000300000000000000000b1c00050008000100fffffffd10000200444f434b45522d555345520008000e000000"
    "001908000a000000000306000b000001000008000c000000000606000d00fffe0000180008004500003c28ac40003f06c543c0a8cb0ac00002"
    "191800090087f30019086ac48300000000a002faf04dfb000012000700febf4a523643ee253db1627f08000000080015000000000805001300"
    "00000000080012003b3952f10800140000000100";
// Chain DOCKER-USER: rule 29 accepts.
constexpr std::string_view kAccept =
    "68000000110a000000000000000000000200000008000f0000000002080004000000000308000600fbf1212710000200444f434b45522d5553"
    "4552000b00010066696c74657200000c000300000000000000001d0c000500080001000000000108000e0000000019";
// Chain PREROUTING of nat: its policy accepts.
constexpr std::string_view kPolicy =
    "4c000000110a000000000000000000000200000008000f00000000020800040000000001080006005d6f8c220f000200505245524f5554494e"
    "470000080001006e6174000800100000000001";

ByteVector bytes_of(std::string_view hex) {
  const auto digit = [](char c) { return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10); };
  ByteVector bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<std::uint8_t>(digit(hex[i]) * 16 + digit(hex[i + 1])));
  }
  return bytes;
}

/// Cut to `length` bytes, in a buffer of just that size.
Result<std::optional<TraceEvent>> decoded(const ByteVector& message, std::size_t length) {
  ByteVector exact(message.begin(), message.begin() + static_cast<std::ptrdiff_t>(length));
  exact.resize(std::max(length, sizeof(nlmsghdr)));
  exact.shrink_to_fit();
  const auto size = static_cast<std::uint32_t>(length);
  std::memcpy(exact.data(), &size, sizeof size);
  return decode_trace(reinterpret_cast<const nlmsghdr*>(exact.data()));
}

TraceEvent event_of(std::string_view hex) {
  const auto message = bytes_of(hex);
  const auto event = decoded(message, message.size());
  EXPECT_TRUE(event && *event);
  return event && *event ? **event : TraceEvent{};
}

RawMessage start(std::uint32_t type = NFT_TRACETYPE_RULE) {
  RawMessage message(kTrace, raw(nfgenmsg{.nfgen_family = NFPROTO_IPV6, .version = NFNETLINK_V0, .res_id = 0}));
  message.text(NFTA_TRACE_TABLE, "filter").text(NFTA_TRACE_CHAIN, "FORWARD");
  return message.attribute(NFTA_TRACE_ID, be32(7)).attribute(NFTA_TRACE_TYPE, be32(type));
}

TEST(TraceCodec, FirstEventOfAChain_HasHeadersAndInterface) {
  const auto event = event_of(kBegin);
  EXPECT_EQ(event.id, 0x5d6f8c22U);
  EXPECT_EQ(event.kind, TraceEvent::Kind::kRule);
  EXPECT_EQ(nft::to_string(event.chain), "inet smtp-egress.trace.mailu-home.112 prerouting");
  EXPECT_EQ(event.handle, 11U);
  EXPECT_EQ(event.verdict, (nft::Verdict{nft::VerdictCode::kContinue, {}}));
  EXPECT_EQ(event.in, 3);
  EXPECT_EQ(event.out, 0);
  EXPECT_EQ(event.mark, 0U);
  EXPECT_EQ(event.ct_states, 0U);
  ASSERT_TRUE(event.packet);
  EXPECT_EQ(to_string(*event.packet), "192.168.203.10:34803 -> 192.0.2.25:25 [SYN]");
  EXPECT_EQ(event.packet->length, 60);
  EXPECT_EQ(event.packet->hops_left, 64);
}

TEST(TraceCodec, Jump_HasItsChainMarkWayOutAndConnectionState) {
  const auto event = event_of(kJump);
  EXPECT_EQ(event.verdict, (nft::Verdict{nft::VerdictCode::kJump, "DOCKER-USER"}));
  EXPECT_EQ(event.mark, 0x19U);
  EXPECT_EQ(event.out, 6);
  EXPECT_EQ(event.ct_states, nft::kCtNew);
}

TEST(TraceCodec, LaterEvents_HaveNoHeaders) {
  const auto accept = event_of(kAccept);
  EXPECT_EQ(accept.handle, 29U);
  EXPECT_EQ(accept.verdict, (nft::Verdict{nft::VerdictCode::kAccept, {}}));
  EXPECT_FALSE(accept.packet);
  const auto policy = event_of(kPolicy);
  EXPECT_EQ(policy.kind, TraceEvent::Kind::kPolicy);
  EXPECT_EQ(policy.handle, 0U);
  EXPECT_EQ(policy.verdict, (nft::Verdict{nft::VerdictCode::kAccept, {}}));
}

TEST(TraceCodec, AnyLength_IsReadOrRefused_AndNothingBeyondIt) {
  for (const auto hex : {kBegin, kJump, kAccept, kPolicy}) {
    const auto message = bytes_of(hex);
    for (std::size_t length = 0; length < message.size(); ++length) {
      const auto event = decoded(message, length);
      if (!event) {
        EXPECT_EQ(event.error().errnum, EBADMSG);
      }
    }
  }
}

TEST(TraceCodec, DroppedByPolicy) {
  const auto event = decode_trace(start(NFT_TRACETYPE_POLICY).attribute(NFTA_TRACE_POLICY, be32(0)).message());
  ASSERT_TRUE(event && *event);
  EXPECT_EQ((*event)->verdict, (nft::Verdict{nft::VerdictCode::kDrop, {}}));
}

TEST(TraceCodec, Queue_WhateverItsNumber) {
  for (const std::uint32_t number : {0U, 7U, 0x7fffU, 0x8000U, 40000U, 0xffffU}) {
    const auto verdict = test::attribute(NFTA_VERDICT_CODE, be32(number << 16 | NF_QUEUE));
    const auto event = decode_trace(start().attribute(NFTA_TRACE_VERDICT, verdict).message());
    ASSERT_TRUE(event && *event);
    EXPECT_EQ((*event)->verdict, (nft::Verdict{nft::VerdictCode::kQueue, {}})) << number;
  }
}

TEST(TraceCodec, NfTablesOwnVerdicts_AreNegative) {
  const auto read = [](std::int32_t code) {
    const auto verdict = test::attribute(NFTA_VERDICT_CODE, be32(static_cast<std::uint32_t>(code)));
    const auto event = decode_trace(start().attribute(NFTA_TRACE_VERDICT, verdict).message());
    return event && *event ? (*event)->verdict : std::nullopt;
  };
  EXPECT_EQ(read(NFT_CONTINUE), (nft::Verdict{nft::VerdictCode::kContinue, {}}));
  EXPECT_EQ(read(NFT_RETURN), (nft::Verdict{nft::VerdictCode::kReturn, {}}));
  EXPECT_EQ(read(NFT_BREAK), std::nullopt) << "none that a rule ends with";
  EXPECT_EQ(read(NFT_RETURN - 1), std::nullopt);
}

TEST(TraceCodec, VerdictsNotKnownHere_AreNone) {
  const auto stolen = test::attribute(NFTA_VERDICT_CODE, be32(2));
  const auto event = decode_trace(start().attribute(NFTA_TRACE_VERDICT, stolen).message());
  ASSERT_TRUE(event && *event);
  EXPECT_FALSE((*event)->verdict);
}

TEST(TraceCodec, Ipv6_IsReadTooAndWithoutPortsWhereTheyAreCutOff) {
  ByteVector network(40);
  network[0] = 0x60;
  network[5] = 20;  // bytes behind the header
  network[6] = 6;
  network[7] = 63;
  network[8] = 0xfd;
  network[23] = 1;
  network[24] = 0x20;
  network[39] = 2;
  for (const bool with_ports : {true, false}) {
    auto message = start().attribute(NFTA_TRACE_NETWORK_HEADER, network);
    message.attribute(NFTA_TRACE_TRANSPORT_HEADER, with_ports ? ByteVector{0x9c, 0x40, 0, 25} : ByteVector{0x9c});
    const auto event = decode_trace(message.message());
    ASSERT_TRUE(event && *event && (*event)->packet);
    EXPECT_EQ(to_string(*(*event)->packet),
              with_ports ? "[fd00::1]:40000 -> [2000::2]:25" : "[fd00::1]:0 -> [2000::2]:0");
    EXPECT_EQ((*event)->packet->hops_left, 63);
  }
}

TEST(TraceCodec, OtherMessagesAndKinds_AreNone) {
  RawMessage other((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWGEN, raw(nfgenmsg{}));
  EXPECT_EQ(decode_trace(other.message()).value(), std::nullopt);
  EXPECT_EQ(decode_trace(start(9).message()).value(), std::nullopt);
}

TEST(TraceCodec, WithoutWhatEveryEventHas_IsMalformed) {
  RawMessage nameless(kTrace, raw(nfgenmsg{}));
  nameless.attribute(NFTA_TRACE_ID, be32(1)).attribute(NFTA_TRACE_TYPE, be32(NFT_TRACETYPE_RULE));
  const auto event = decode_trace(nameless.message());
  ASSERT_FALSE(event);
  EXPECT_EQ(event.error().errnum, EBADMSG);
}

}  // namespace
}  // namespace smtpegress::netlink
