// iptables-legacy's tables as iptables-legacy itself made them, on the running kernel.
#include "netlink/iptables_legacy.hpp"

#include <gtest/gtest.h>

#include <cerrno>

#include "netns/nft_namespace.hpp"

namespace smtpegress::netlink {
namespace {

class IptablesLegacy : public test::NamespaceTest {};

nft::Ruleset read() {
  auto ruleset = read_iptables_legacy();
  EXPECT_TRUE(ruleset) << (ruleset ? "" : ruleset.error().message());
  return ruleset.value_or(nft::Ruleset{});
}

void restore(const std::string& rules, nft::Family family = nft::Family::kIp) {
  const std::string program = family == nft::Family::kIp ? "iptables" : "ip6tables";
  test::must_run(program + "-legacy-restore <<'END'\n" + rules + "END\n");
}

std::vector<std::string> rules_of(const nft::Ruleset& ruleset, const std::string& table, const std::string& chain,
                                  nft::Family family = nft::Family::kIp) {
  const auto* found = ruleset.find({{family, table}, chain});
  std::vector<std::string> texts;
  if (found == nullptr) {
    ADD_FAILURE() << "no chain " << chain;
    return texts;
  }
  for (const auto& observed : found->rules) {
    texts.push_back(to_string(observed.rule) + (observed.rule.comment.empty() ? "" : " # " + observed.rule.comment));
  }
  return texts;
}

TEST_F(IptablesLegacy, Read_NothingThere_IsEmptyAndMakesNothing) {
  test::in_new_namespace([] {
    EXPECT_TRUE(read().tables.empty());
    EXPECT_EQ(test::must_run("cat /proc/self/net/ip_tables_names"), "");
  });
}

TEST_F(IptablesLegacy, Read_Chains_HaveHooksPoliciesAndRulesInOrder) {
  test::in_new_namespace([] {
    restore(R"(*filter
:INPUT ACCEPT
:FORWARD DROP
:OUTPUT ACCEPT
:USER -
:EMPTY -
-A FORWARD -s 192.168.203.0/24 -i br-mail ! -o eth+ -p tcp -m tcp --dport 25 -j USER
-A FORWARD ! -d 10.0.0.0/8 -m conntrack --ctstate RELATED,ESTABLISHED -m comment --comment "so be it" -j ACCEPT
-A FORWARD -m mark --mark 0x19 -g USER
-A FORWARD -p udp
-A FORWARD -j REJECT
-A USER -m limit --limit 5/sec -j RETURN
-A USER ! -p tcp -j DROP
-A USER -d 10.0.0.1/255.0.0.255 -j LOG
COMMIT
*nat
:PREROUTING ACCEPT
:INPUT ACCEPT
:OUTPUT ACCEPT
:POSTROUTING ACCEPT
-A PREROUTING -p tcp -m tcp --dport 25 -j DNAT --to-destination 10.0.0.1
-A POSTROUTING -o eth0 -j MASQUERADE
COMMIT
)");
    const auto ruleset = read();
    EXPECT_EQ(ruleset.tables.size(), 2U);
    using Texts = std::vector<std::string>;
    EXPECT_EQ(rules_of(ruleset, "filter", "FORWARD"),
              (Texts{R"(iifname "br-mail" oifname != "eth*" ip saddr 192.168.203.0/24 tcp dport 25 jump USER)",
                     "ip daddr != 10.0.0.0/8 ct state established,related accept # so be it",
                     "meta mark 0x19 goto USER", "meta l4proto udp", "reject"}));
    EXPECT_EQ(rules_of(ruleset, "filter", "USER"),
              (Texts{"[xt limit] return", "meta l4proto != tcp drop", "[address mask] [xt LOG]", "return"}));
    EXPECT_EQ(rules_of(ruleset, "filter", "EMPTY"), (Texts{"return"}));
    EXPECT_EQ(rules_of(ruleset, "filter", "INPUT"), Texts{});
    EXPECT_EQ(rules_of(ruleset, "nat", "PREROUTING"), (Texts{"tcp dport 25 [xt DNAT]"}));
    EXPECT_EQ(rules_of(ruleset, "nat", "POSTROUTING"), (Texts{R"(oifname "eth0" masquerade)"}));
    EXPECT_EQ(ruleset.find({{nft::Family::kIp, "filter"}, "FORWARD"})->hook,
              (nft::BaseHook{nft::ChainType::kFilter, nft::Hook::kForward, 0, nft::Policy::kDrop}));
    EXPECT_EQ(ruleset.find({{nft::Family::kIp, "nat"}, "POSTROUTING"})->hook,
              (nft::BaseHook{nft::ChainType::kNat, nft::Hook::kPostrouting, 100, nft::Policy::kAccept}));
    EXPECT_FALSE(ruleset.find({{nft::Family::kIp, "filter"}, "USER"})->hook);
    EXPECT_EQ(ruleset.find({{nft::Family::kIp, "filter"}, "ERROR"}), nullptr);
  });
}

TEST_F(IptablesLegacy, Read_IPv6_BesideIPv4) {
  test::in_new_namespace([] {
    restore("*filter\n:FORWARD ACCEPT\n-A FORWARD -s 10.0.0.0/8 -j DROP\nCOMMIT\n");
    restore(R"(*filter
:INPUT ACCEPT
:FORWARD DROP
:OUTPUT ACCEPT
:USER -
-A FORWARD -s fd00:203::/64 -i br-mail ! -o eth+ -p tcp -m tcp --dport 25 -j USER
-A FORWARD ! -d fd00::/9 -m conntrack --ctstate RELATED,ESTABLISHED -m comment --comment "so be it" -j ACCEPT
-A FORWARD -s 2001:db8::7 -g USER
-A FORWARD -p udp
-A FORWARD -d ::1/ffff::ffff -j REJECT
-A USER ! -p tcp -j DROP
COMMIT
*raw
:PREROUTING ACCEPT
:OUTPUT ACCEPT
-A PREROUTING -p ipv6-icmp -j ACCEPT
COMMIT
)",
            nft::Family::kIp6);
    const auto ruleset = read();
    EXPECT_EQ(ruleset.tables.size(), 3U);
    using Texts = std::vector<std::string>;
    EXPECT_EQ(rules_of(ruleset, "filter", "FORWARD"), (Texts{"ip saddr 10.0.0.0/8 drop"}));
    EXPECT_EQ(rules_of(ruleset, "filter", "FORWARD", nft::Family::kIp6),
              (Texts{R"(iifname "br-mail" oifname != "eth*" ip6 saddr fd00:203::/64 tcp dport 25 jump USER)",
                     "ip6 daddr != fd00::/9 ct state established,related accept # so be it",
                     "ip6 saddr 2001:db8::7/128 goto USER", "meta l4proto udp", "[address mask] [xt REJECT]"}));
    EXPECT_EQ(rules_of(ruleset, "filter", "USER", nft::Family::kIp6), (Texts{"meta l4proto != tcp drop", "return"}));
    EXPECT_EQ(rules_of(ruleset, "raw", "PREROUTING", nft::Family::kIp6), (Texts{"meta l4proto ipv6-icmp accept"}));
    EXPECT_EQ(ruleset.find({{nft::Family::kIp6, "filter"}, "FORWARD"})->hook,
              (nft::BaseHook{nft::ChainType::kFilter, nft::Hook::kForward, 0, nft::Policy::kDrop}));
  });
}

TEST_F(IptablesLegacy, Read_ManyRules_AllOfThem) {
  test::in_new_namespace([] {
    std::string rules = "*raw\n:PREROUTING DROP\n:OUTPUT ACCEPT\n";
    for (int i = 0; i < 2000; ++i) {
      rules += "-A PREROUTING -p tcp -m tcp --dport " + std::to_string(i + 1) + " -j ACCEPT\n";
    }
    restore(rules + "COMMIT\n");
    const auto ruleset = read();
    EXPECT_EQ(rules_of(ruleset, "raw", "PREROUTING").size(), 2000U);
    EXPECT_EQ(rules_of(ruleset, "raw", "PREROUTING").back(), "tcp dport 2000 accept");
    EXPECT_EQ(ruleset.find({{nft::Family::kIp, "raw"}, "PREROUTING"})->hook->policy, nft::Policy::kDrop);
  });
}

/// Bytes of any kind: an error, or chains; never a read outside of them (the sanitizers watch).
TEST(IptablesLegacyTable, Decode_Garbage_IsRefused) {
  for (const auto family : {nft::Family::kIp, nft::Family::kIp6}) {
    EXPECT_TRUE(decode_legacy_table({family, "filter"}, {}, {})->empty());
    for (std::size_t size = 1; size < 400; size += 7) {
      for (const std::uint8_t fill : {std::uint8_t{0}, std::uint8_t{1}, std::uint8_t{0x70}, std::uint8_t{0xff}}) {
        const std::vector<std::uint8_t> bytes(size, fill);
        const auto chains = decode_legacy_table({family, "filter"}, {.valid = 31}, bytes);
        ASSERT_FALSE(chains) << size;
        EXPECT_EQ(chains.error().errnum, EBADMSG);
      }
    }
  }
}

}  // namespace
}  // namespace smtpegress::netlink
