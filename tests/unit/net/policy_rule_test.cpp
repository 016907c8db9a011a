// What a policy rule's kept attributes mean. Types and offsets as linux/fib_rules.h has them, bytes as the kernel
// sends.
#include <gtest/gtest.h>
#include <linux/fib_rules.h>

#include <cstddef>

#include "smtpegress/route.hpp"
#include "support/hosts.hpp"

namespace smtpegress {
namespace {

using test::prefix;

UnknownAttribute bytes(int type, std::vector<std::uint8_t> value) {
  return {static_cast<std::uint16_t>(type), std::move(value)};
}
UnknownAttribute header(std::size_t offset, std::vector<std::uint8_t> value) {
  return {static_cast<std::uint16_t>(kHeaderField + offset), std::move(value)};
}

PolicyRule rule_with(std::vector<UnknownAttribute> other) {
  PolicyRule rule;
  rule.priority = {100};
  rule.table = kMainTable;
  rule.other = std::move(other);
  return rule;
}

TEST(RuleSelectors, AllOfThem_AreReadAndSaidAsIpRuleDoes) {
  auto rule = rule_with(
      {bytes(FRA_SRC, {192, 168, 203, 0}), bytes(FRA_DST, {10, 0, 0, 0}), bytes(FRA_IIFNAME, {'b', 'r', '0', 0}),
       bytes(FRA_OIFNAME, {'w', 'g', '0', 0}), bytes(FRA_IP_PROTO, {6}), bytes(FRA_SPORT_RANGE, {0, 4, 0, 8}),
       bytes(FRA_DPORT_RANGE, {25, 0, 25, 0}), header(offsetof(fib_rule_hdr, src_len), {24}),
       header(offsetof(fib_rule_hdr, dst_len), {8}), header(offsetof(fib_rule_hdr, flags), {FIB_RULE_INVERT, 0, 0, 0}),
       bytes(FRA_SUPPRESS_PREFIXLEN, {0, 0, 0, 0})});
  rule.mark = Mark{0x19, 0xff};
  const auto selectors = selectors_of(rule);
  EXPECT_EQ(selectors.source, prefix("192.168.203.0/24"));
  EXPECT_EQ(selectors.destination, prefix("10.0.0.0/8"));
  EXPECT_EQ(selectors.incoming, "br0");
  EXPECT_EQ(selectors.outgoing, "wg0");
  EXPECT_EQ(selectors.ip_protocol, 6);
  EXPECT_EQ(selectors.source_ports, (PortRange{1024, 2048}));
  EXPECT_EQ(selectors.destination_ports, (PortRange{25, 25}));
  EXPECT_TRUE(selectors.inverted);
  EXPECT_EQ(selectors.suppress_length, 0U);
  EXPECT_FALSE(selectors.further);
  EXPECT_EQ(to_string(rule),
            "100: not from 192.168.203.0/24 to 10.0.0.0/8 fwmark 0x19/0xff iif br0 oif wg0 ipproto tcp sport 1024-2048 "
            "dport 25 lookup main suppress_prefixlength 0");
}

TEST(RuleSelectors, OfUsers_AreWhatTheKernelGivesBack) {
  const auto rule = rule_with(selecting(UidRange{997, 998}, 6, PortRange{25, 26}));
  EXPECT_EQ(rule.other, (std::vector<UnknownAttribute>{
                            bytes(FRA_IIFNAME, {'l', 'o', 0}), bytes(FRA_UID_RANGE, {0xe5, 3, 0, 0, 0xe6, 3, 0, 0}),
                            bytes(FRA_IP_PROTO, {6}), bytes(FRA_DPORT_RANGE, {25, 0, 26, 0})}));
  const auto selectors = selectors_of(rule);
  EXPECT_EQ(selectors.users, (UidRange{997, 998}));
  EXPECT_EQ(selectors.incoming, "lo");
  EXPECT_FALSE(selectors.further);
  EXPECT_EQ(to_string(rule), "100: from all iif lo uidrange 997-998 ipproto tcp dport 25-26 lookup main");
}

TEST(RuleSelectors, WhatIsNotUnderstood_IsSaidToBeThere) {
  for (const auto& other :
       {bytes(FRA_UID_RANGE, {0, 0, 0, 0, 9, 0, 0}), bytes(FRA_SRC, {10, 0, 0}), bytes(FRA_DPORT_RANGE, {25, 0}),
        bytes(FRA_IIFNAME, {}), bytes(200, {1}), header(offsetof(fib_rule_hdr, tos), {16}),
        header(offsetof(fib_rule_hdr, src_len), {24}), header(offsetof(fib_rule_hdr, flags), {0, 1, 0, 0})}) {
    const auto rule = rule_with({other});
    EXPECT_TRUE(selectors_of(rule).further) << other.type;
    EXPECT_NE(to_string(rule).find("(with further selectors)"), std::string::npos);
  }
  const auto too_long = rule_with({bytes(FRA_SRC, {10, 0, 0, 0}), header(offsetof(fib_rule_hdr, src_len), {33})});
  EXPECT_TRUE(selectors_of(too_long).further);
  EXPECT_FALSE(selectors_of(rule_with({bytes(FRA_FLOW, {1, 0, 0, 0})})).further) << "a realm selects nothing";
}

TEST(RuleSelectors, Actions_InTheWordsOfIpRule) {
  const std::pair<int, const char*> actions[] = {{FR_ACT_GOTO, "goto 32766"},     {FR_ACT_NOP, "nop"},
                                                 {FR_ACT_BLACKHOLE, "blackhole"}, {FR_ACT_UNREACHABLE, "unreachable"},
                                                 {FR_ACT_PROHIBIT, "prohibit"},   {77, "action 77"}};
  for (const auto& [action, words] : actions) {
    auto rule = rule_with({});
    rule.action = static_cast<std::uint8_t>(action);
    if (action == FR_ACT_GOTO) {
      rule.other = {bytes(FRA_GOTO, {0xfe, 0x7f, 0, 0})};
    }
    EXPECT_EQ(to_string(rule), std::string("100: from all ") + words);
  }
}

}  // namespace
}  // namespace smtpegress
