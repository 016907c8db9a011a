// iptables-legacy's entries: what is taken for a test of ours is what the kernel does with it, and what cannot be is
// opaque. (tests/netns/iptables_legacy_test.cpp has the tables that iptables-legacy itself makes.)
#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <limits>
#include <string>

#include "codec/iptables_legacy_bytes.hpp"

namespace smtpegress::netlink {
namespace {

using nft::Hook;
using test::LegacyTable;
using test::standard_target;

LegacyTable table_with(const ipt_ip& head, int verdict = test::kAccept) {
  LegacyTable table;
  table.begin(Hook::kForward).rule(head, standard_target(verdict));
  table.policy(Hook::kForward, test::kDrop).end();
  return table;
}

Result<std::vector<nft::ObservedChain>> decoded(const LegacyTable& table) {
  return decode_legacy_table({nft::Family::kIp, "filter"}, table.hooks(), table.entries());
}

/// The rule with this head, as text.
std::string text_of(const ipt_ip& head) {
  const auto chains = decoded(table_with(head));
  if (!chains || chains->size() != 1 || chains->front().rules.size() != 1) {
    return chains ? "not one rule" : chains.error().message();
  }
  return to_string(chains->front().rules.front().rule);
}

ipt_ip from(std::uint32_t address, std::uint32_t mask) {
  ipt_ip head{};
  head.src.s_addr = htonl(address);
  head.smsk.s_addr = htonl(mask);
  return head;
}

ipt_ip into(std::string_view name, std::string_view mask) {
  ipt_ip head{};
  std::ranges::copy(name, std::begin(head.iniface));
  std::ranges::copy(mask, std::begin(head.iniface_mask));
  return head;
}

TEST(IptablesLegacyCodec, Decode_Heads_AreTheKernelsTests) {
  EXPECT_EQ(text_of({}), "accept");
  EXPECT_EQ(text_of(from(0xc0a8cb00, 0xffffff00)), "ip saddr 192.168.203.0/24 accept");
  EXPECT_EQ(text_of(into({"wg0", 4}, "\xff\xff\xff\xff")), R"(iifname "wg0" accept)");
  EXPECT_EQ(text_of(into("br-", "\xff\xff\xff")), R"(iifname "br-*" accept)");
  auto tcp = ipt_ip{};
  tcp.proto = IPPROTO_TCP;
  EXPECT_EQ(text_of(tcp), "meta l4proto tcp accept");
}

TEST(IptablesLegacyCodec, Decode_AddressOutsideItsMask_IsOpaque) {  // it never holds
  EXPECT_EQ(text_of(from(0xc0a8cb01, 0xffffff00)), "[address] accept");
  EXPECT_EQ(text_of(from(0x0a000001, 0)), "[address] accept");
}

TEST(IptablesLegacyCodec, Decode_InterfaceMaskOfAnotherShape_IsOpaque) {
  EXPECT_EQ(text_of(into("wg0", {"\xff\x00\xff\xff", 4})), "[interface] accept");
  EXPECT_EQ(text_of(into("wg0", {"\x00\xff", 2})), "[interface] accept");
  EXPECT_EQ(text_of(into("wg0", "\xff\xff\x7f\xff")), "[interface] accept");
  EXPECT_EQ(text_of(into({"wg\x00X", 4}, "\xff\xff\xff\xff")), "[interface] accept");
}

TEST(IptablesLegacyCodec, Decode_ProtocolThatNoPacketHas_IsOpaque) {
  auto head = ipt_ip{};
  head.proto = 0x100 + IPPROTO_TCP;
  EXPECT_EQ(text_of(head), "[protocol] accept");
}

/// The IPv6 rule with this head, as text.
std::string text_of(const ip6t_ip6& head) {
  test::Legacy6Table table;
  table.begin(Hook::kForward).rule(head, standard_target(test::kAccept));
  table.policy(Hook::kForward, test::kDrop).end();
  const auto chains = decode_legacy_table({nft::Family::kIp6, "filter"}, table.hooks(), table.entries());
  return chains ? to_string(chains->front().rules.front().rule) : chains.error().message();
}

TEST(IptablesLegacyCodec, Decode_IPv6Heads_AreTheKernelsTests) {
  EXPECT_EQ(text_of(ip6t_ip6{}), "accept");
  ip6t_ip6 head{};
  head.dst.s6_addr[0] = 0xfd;
  std::fill_n(std::begin(head.dmsk.s6_addr), 8, std::uint8_t{0xff});
  head.invflags = IP6T_INV_DSTIP;
  EXPECT_EQ(text_of(head), "ip6 daddr != fd00::/64 accept");
  head.dst.s6_addr[15] = 1;
  EXPECT_EQ(text_of(head), "[address] accept");
}

TEST(IptablesLegacyCodec, Decode_IPv6Protocol_CountsWhereItIsAskedFor) {
  ip6t_ip6 head{};
  head.proto = IPPROTO_TCP;
  EXPECT_EQ(text_of(head), "accept") << "ip6_packet_match() goes by the flag";
  head.flags = IP6T_F_PROTO;
  EXPECT_EQ(text_of(head), "meta l4proto tcp accept");
}

TEST(IptablesLegacyCodec, Decode_VerdictThatIsNone_IsRefused) {
  for (const int verdict : {std::numeric_limits<int>::min(), -100, 1, std::numeric_limits<int>::max()}) {
    const auto chains = decoded(table_with({}, verdict));
    ASSERT_FALSE(chains) << verdict;
    EXPECT_EQ(chains.error().errnum, EBADMSG);
  }
}

TEST(IptablesLegacyCodec, Decode_Jump_IsToAChainOfTheTable) {
  const auto jumping_to = [](std::uint32_t offset) {
    LegacyTable table;
    table.begin(Hook::kForward).rule({}, standard_target(static_cast<int>(offset)));
    table.policy(Hook::kForward, test::kDrop).user_chain("USER").rule({}, standard_target(XT_RETURN)).end();
    return table;
  };
  LegacyTable before_user;
  before_user.rule({}, standard_target(0)).policy(Hook::kForward, 0).user_chain("USER");
  const auto chains = decoded(jumping_to(before_user.size()));
  ASSERT_TRUE(chains);
  EXPECT_EQ(chains->size(), 2U);
  EXPECT_EQ(to_string(chains->front().rules.front().rule), "jump USER");

  const auto behind_the_end = jumping_to(jumping_to(0).size());  // the last head is no chain's
  EXPECT_FALSE(decoded(behind_the_end));
}

TEST(IptablesLegacyCodec, Decode_CutShort_IsRefused) {
  const auto table = table_with(from(0xc0a8cb00, 0xffffff00));
  const auto last = sizeof(ipt_entry) + sizeof(xt_error_target);  // bytes of the entry that ends the table
  for (std::size_t cut = 1; cut < last; ++cut) {
    EXPECT_FALSE(decode_legacy_table({nft::Family::kIp, "filter"}, table.hooks(),
                                     Bytes(table.entries()).first(table.size() - cut)))
        << cut;
  }
}

}  // namespace
}  // namespace smtpegress::netlink
