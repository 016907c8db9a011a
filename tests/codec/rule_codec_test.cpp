// Policy rules to and from rtnetlink bytes.
#include <gtest/gtest.h>
#include <linux/fib_rules.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "codec/netlink_bytes.hpp"
#include "netlink/route_codec.hpp"

namespace smtpegress::netlink {
namespace {

using test::payload_hex;
using test::raw;
using test::RawMessage;

PolicyRule our_rule() {
  PolicyRule rule;
  rule.priority = {10025};
  rule.table = {100};
  rule.mark = Mark{.value = 0x19, .mask = 0xffffffff};
  rule.protocol = kOurProtocol;
  return rule;
}

fib_rule_hdr header() {
  fib_rule_hdr h{};
  h.family = AF_INET;
  h.table = 100;
  h.action = FR_ACT_TO_TBL;
  return h;
}

/// Our rule as Linux sends it, with the attributes it sends for every rule.
RawMessage our_message(const fib_rule_hdr& h = header()) {
  RawMessage message(RTM_NEWRULE, raw(h));
  message.value<std::uint32_t>(FRA_TABLE, 100)
      .value<std::uint32_t>(FRA_SUPPRESS_PREFIXLEN, 0xffffffff)
      .value<std::uint8_t>(FRA_PROTOCOL, 25)
      .value<std::uint32_t>(FRA_PRIORITY, 10025)
      .value<std::uint32_t>(FRA_FWMARK, 0x19)
      .value<std::uint32_t>(FRA_FWMASK, 0xffffffff);
  return message;
}

PolicyRule decoded(RawMessage message) {
  auto rule = decode_rule(message.message());
  EXPECT_TRUE(rule) << (rule ? "" : rule.error().message());
  return rule.value_or(PolicyRule{});
}

std::vector<std::uint16_t> other_types(const PolicyRule& rule) {
  std::vector<std::uint16_t> types;
  for (const auto& attribute : rule.other) {
    types.push_back(attribute.type);
  }
  return types;
}

TEST(RuleCodec, Encode_OurRule_IsTheseBytes) {
  const auto message = encode_rule(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, our_rule());
  ASSERT_TRUE(message);
  const nlmsghdr* h = nlmsg_hdr(message->get());
  EXPECT_EQ(h->nlmsg_type, RTM_NEWRULE);
  EXPECT_EQ(h->nlmsg_flags, NLM_F_CREATE | NLM_F_EXCL);
  EXPECT_EQ(payload_hex(h),
            "02000000 64000001 00000000 "  // fib_rule_hdr: AF_INET, table 100, FR_ACT_TO_TBL
            "08000600 29270000 "           // FRA_PRIORITY 10025
            "08000a00 19000000 "           // FRA_FWMARK 0x19
            "08001000 ffffffff "           // FRA_FWMASK
            "08000f00 64000000 "           // FRA_TABLE 100
            "05001500 19000000");          // FRA_PROTOCOL 25
}

TEST(RuleCodec, Encode_TableAbove255_LeavesTheHeaderByteUnspecified) {
  auto rule = our_rule();
  rule.table = {1000};
  const auto message = encode_rule(RTM_NEWRULE, 0, rule);
  ASSERT_TRUE(message);
  EXPECT_EQ(payload_hex(nlmsg_hdr(message->get())).substr(9, 8), "00000001");
  EXPECT_EQ(decode_rule(nlmsg_hdr(message->get())).value(), rule);
}

TEST(RuleCodec, Decode_WhatTheKernelSendsForOurRule_IsOurRule) {
  EXPECT_EQ(decoded(our_message()), our_rule());
}

TEST(RuleCodec, Decode_AttributesAtTheirDefaults_AreNormalisedAway) {
  auto message = our_message();
  message.value<std::uint32_t>(FRA_SUPPRESS_IFGROUP, 0xffffffff)
      .value<std::uint8_t>(FRA_L3MDEV, 0)
      .value<std::uint8_t>(FRA_IP_PROTO, 0)
      .value<std::uint32_t>(FRA_FLOW, 0)
      .value<std::uint64_t>(FRA_TUN_ID, 0)
      .attribute(FRA_PAD, {});
  EXPECT_EQ(decoded(std::move(message)), our_rule());
}

TEST(RuleCodec, Decode_MarkWithoutMask_CountsAllBits) {
  RawMessage message(RTM_NEWRULE, raw(header()));
  message.value<std::uint32_t>(FRA_FWMARK, 0x19).value<std::uint32_t>(FRA_PRIORITY, 10025);
  message.value<std::uint8_t>(FRA_PROTOCOL, 25);
  EXPECT_EQ(decoded(std::move(message)), our_rule());
}

TEST(RuleCodec, Decode_MaskWithoutMark_AsksForUnmarkedPackets) {
  RawMessage message(RTM_NEWRULE, raw(header()));
  message.value<std::uint32_t>(FRA_FWMASK, 0xff);
  EXPECT_EQ(decoded(std::move(message)).mark, (Mark{.value = 0, .mask = 0xff}));
}

TEST(RuleCodec, Decode_ZeroMarkAndMask_SelectsNothing) {
  RawMessage message(RTM_NEWRULE, raw(header()));
  message.value<std::uint32_t>(FRA_FWMARK, 0).value<std::uint32_t>(FRA_FWMASK, 0);
  EXPECT_FALSE(decoded(std::move(message)).mark);
}

TEST(RuleCodec, Decode_PriorityLeftOut_IsZero) {
  RawMessage message(RTM_NEWRULE, raw(header()));  // the kernel leaves it out for the local table's rule
  EXPECT_EQ(decoded(std::move(message)).priority.value, 0U);
}

struct Selector {
  const char* name;
  std::uint16_t type;
  test::ByteVector payload;
};
void PrintTo(const Selector& selector, std::ostream* stream) {
  *stream << selector.name;
}

class RuleCodecSelector : public testing::TestWithParam<Selector> {};

TEST_P(RuleCodecSelector, Decode_FurtherSelector_IsKeptAndNeverEqualsOurs) {
  auto message = our_message();
  message.attribute(GetParam().type, GetParam().payload);
  const auto rule = decoded(std::move(message));
  EXPECT_EQ(other_types(rule), std::vector<std::uint16_t>{GetParam().type});
  EXPECT_EQ(rule.other.at(0).bytes, GetParam().payload);
  EXPECT_NE(rule, our_rule());
}

TEST_P(RuleCodecSelector, Encode_WhatWasDecoded_GivesItBack) {
  auto message = our_message();
  message.attribute(GetParam().type, GetParam().payload);
  const auto rule = decoded(std::move(message));
  const auto again = encode_rule(RTM_NEWRULE, 0, rule);
  ASSERT_TRUE(again);
  EXPECT_EQ(decode_rule(nlmsg_hdr(again->get())).value(), rule);
}

INSTANTIATE_TEST_SUITE_P(
    All, RuleCodecSelector,
    testing::Values(Selector{"to", FRA_DST, {192, 0, 2, 0}}, Selector{"from", FRA_SRC, {10, 0, 0, 0}},
                    Selector{"iif", FRA_IIFNAME, {'e', 't', 'h', '0', 0}},
                    Selector{"oif", FRA_OIFNAME, {'e', 't', 'h', '0', 0}}, Selector{"goto", FRA_GOTO, raw(30000)},
                    Selector{"suppress_prefixlength", FRA_SUPPRESS_PREFIXLEN, raw(0)},
                    Selector{"suppress_ifgroup", FRA_SUPPRESS_IFGROUP, raw(3)}, Selector{"l3mdev", FRA_L3MDEV, {1}},
                    Selector{"ipproto", FRA_IP_PROTO, {6}},
                    Selector{"dport", FRA_DPORT_RANGE, raw(fib_rule_port_range{25, 25})},
                    Selector{"sport", FRA_SPORT_RANGE, raw(fib_rule_port_range{1024, 65535})},
                    Selector{"uidrange", FRA_UID_RANGE, raw(fib_rule_uid_range{0, 1000})},
                    Selector{"tun_id", FRA_TUN_ID, {0, 0, 0, 0, 0, 0, 0, 1}}, Selector{"realms", FRA_FLOW, raw(7)},
                    Selector{"of the future", 200, {1, 2, 3}}, Selector{"empty, of the future", 201, {}},
                    Selector{"of a size unknown", FRA_L3MDEV, {}}));

TEST(RuleCodec, Decode_MaskOfAPortsAllBits_IsNoSelector) {  // Linux 6.15 sends it with every single port
  constexpr std::array<std::uint16_t, 2> kMasks{28, 29};    // FRA_SPORT_MASK, FRA_DPORT_MASK
  for (const auto type : kMasks) {
    RawMessage whole(RTM_NEWRULE, raw(header()));
    whole.value<std::uint16_t>(type, 0xffff);
    EXPECT_TRUE(decoded(std::move(whole)).other.empty());
    RawMessage part(RTM_NEWRULE, raw(header()));
    part.value<std::uint16_t>(type, 0xff00);
    EXPECT_EQ(other_types(decoded(std::move(part))), std::vector<std::uint16_t>{type});
  }
}

TEST(RuleCodec, Decode_KnownAttributeOfAnotherSize_IsKeptNotRead) {
  RawMessage message(RTM_NEWRULE, raw(header()));
  message.value<std::uint16_t>(FRA_FWMARK, 0x19).value<std::uint64_t>(FRA_TABLE, 100).attribute(FRA_PROTOCOL, {});
  const auto rule = decoded(std::move(message));
  EXPECT_EQ(other_types(rule), (std::vector<std::uint16_t>{FRA_FWMARK, FRA_TABLE, FRA_PROTOCOL}));
  EXPECT_FALSE(rule.mark);
}

TEST(RuleCodec, Decode_MalformedMarkBesideAGoodOne_ReadsTheSameInEitherOrder) {
  RawMessage first(RTM_NEWRULE, raw(header()));
  first.value<std::uint16_t>(FRA_FWMARK, 1).value<std::uint32_t>(FRA_FWMARK, 0x19);
  RawMessage last(RTM_NEWRULE, raw(header()));
  last.value<std::uint32_t>(FRA_FWMARK, 0x19).value<std::uint16_t>(FRA_FWMARK, 1);
  const auto rule = decoded(std::move(last));
  EXPECT_EQ(rule.mark, (Mark{.value = 0x19, .mask = 0xffffffff}));
  EXPECT_EQ(rule, decoded(std::move(first)));
}

struct HeaderCase {
  const char* name;
  fib_rule_hdr header;
  std::uint16_t offset;
};
void PrintTo(const HeaderCase& c, std::ostream* stream) {
  *stream << c.name;
}

class RuleCodecHeader : public testing::TestWithParam<HeaderCase> {};

TEST_P(RuleCodecHeader, Decode_SelectorInTheHeader_IsKeptAndEncodedBack) {
  const auto rule = decoded(our_message(GetParam().header));
  EXPECT_EQ(other_types(rule),
            std::vector<std::uint16_t>{static_cast<std::uint16_t>(kHeaderField + GetParam().offset)});
  EXPECT_NE(rule, our_rule());
  const auto again = encode_rule(RTM_NEWRULE, 0, rule);
  ASSERT_TRUE(again);
  EXPECT_EQ(std::memcmp(nlmsg_data(nlmsg_hdr(again->get())), &GetParam().header, sizeof(fib_rule_hdr)), 0);
}

fib_rule_hdr with(void (*change)(fib_rule_hdr&)) {
  auto h = header();
  change(h);
  return h;
}

INSTANTIATE_TEST_SUITE_P(
    All, RuleCodecHeader,
    testing::Values(HeaderCase{"invert", with([](fib_rule_hdr& h) { h.flags = FIB_RULE_INVERT; }), 8},
                    HeaderCase{"a flag of the future", with([](fib_rule_hdr& h) { h.flags = 0x80000000; }), 8},
                    HeaderCase{"to's length", with([](fib_rule_hdr& h) { h.dst_len = 24; }), 1},
                    HeaderCase{"from's length", with([](fib_rule_hdr& h) { h.src_len = 8; }), 2},
                    HeaderCase{"tos", with([](fib_rule_hdr& h) { h.tos = 0x10; }), 3}));

TEST(RuleCodec, Decode_FlagsThatReportState_AreIgnored) {
  const auto message = our_message(
      with([](fib_rule_hdr& h) { h.flags = FIB_RULE_UNRESOLVED | FIB_RULE_IIF_DETACHED | FIB_RULE_OIF_DETACHED; }));
  EXPECT_EQ(decoded(message), our_rule());
}

TEST(RuleCodec, Decode_OrderOfAttributes_DoesNotMatter) {
  RawMessage one = our_message();
  one.attribute(FRA_IP_PROTO, {6}).attribute(FRA_DPORT_RANGE, raw(fib_rule_port_range{25, 25}));
  RawMessage two = our_message();
  two.attribute(FRA_DPORT_RANGE, raw(fib_rule_port_range{25, 25})).attribute(FRA_IP_PROTO, {6});
  EXPECT_EQ(decoded(std::move(one)), decoded(std::move(two)));
}

TEST(RuleCodec, Decode_Ipv6Rule_IsOfThatFamily) {
  const auto rule = decoded(our_message(with([](fib_rule_hdr& h) { h.family = AF_INET6; })));
  EXPECT_EQ(rule.family, IpFamily::kV6);
  EXPECT_NE(rule, our_rule());
}

TEST(RuleCodec, Decode_AnotherFamily_IsAnError) {
  auto message = our_message(with([](fib_rule_hdr& h) { h.family = AF_BRIDGE; }));
  const auto rule = decode_rule(message.message());
  ASSERT_FALSE(rule);
  EXPECT_EQ(rule.error().errnum, EBADMSG);
}

TEST(RuleCodec, Decode_EveryTruncation_IsAnErrorOrFewerAttributes) {
  auto whole = our_message();
  constexpr std::size_t kMask = 8;  // bytes; without the last attribute, the mask, the rule means the same
  for (std::size_t length = 0; length < whole.size() - kMask; ++length) {
    const auto rule = decode_rule(whole.message(length));
    if (rule) {
      EXPECT_NE(*rule, our_rule()) << length;  // cut between two attributes, or inside the padding of the last
    } else {
      EXPECT_EQ(rule.error().errnum, EBADMSG) << length;
    }
  }
}

TEST(RuleCodec, Decode_EveryByteSpoilt_NeverCrashes) {
  auto message = our_message();
  for (std::size_t i = sizeof(nlmsghdr); i < message.size(); ++i) {
    for (const int value : {0, 1, 3, 0x7f, 0x80, 0xff}) {
      const auto before = message.at(i);
      message.at(i) = static_cast<std::uint8_t>(value);
      (void)decode_rule(message.message());
      message.at(i) = before;
    }
  }
}

TEST(RuleCodec, Encode_HeaderFieldOutsideTheHeader_IsRefused) {
  auto rule = our_rule();
  rule.other = {{.type = static_cast<std::uint16_t>(kHeaderField + sizeof(fib_rule_hdr)), .bytes = {1}}};
  EXPECT_EQ(encode_rule(RTM_NEWRULE, 0, rule).error().errnum, EINVAL);
}

TEST(RuleCodec, Encode_MoreThanAMessageHolds_IsRefused) {
  auto rule = our_rule();
  rule.other = {{.type = 300, .bytes = test::ByteVector(60000, 1)}};
  EXPECT_EQ(encode_rule(RTM_NEWRULE, 0, rule).error().errnum, EINVAL);
}

}  // namespace
}  // namespace smtpegress::netlink
