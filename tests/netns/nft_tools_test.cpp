// What nft and iptables make of our rules, and we of theirs.
#include <gtest/gtest.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>

#include "netlink/attributes.hpp"
#include "netns/nft_namespace.hpp"

namespace smtpegress::nft {
namespace {

using test::in_new_namespace;
using test::must_run;
using test::Nft;
using test::run;

class NftToolsTest : public test::NamespaceTest {};

using Octets = std::vector<std::uint8_t>;

Prefix prefix(const char* text) {
  return Prefix::parse(text).value();
}
IpAddress address(const char* text) {
  return IpAddress::parse(text).value();
}
Match in(const char* name, bool wildcard = false, Sense sense = Sense::kIs) {
  return MatchInterface{Way::kIn, name, wildcard, sense};
}
Match out(const char* name, bool wildcard = false, Sense sense = Sense::kIs) {
  return MatchInterface{Way::kOut, name, wildcard, sense};
}
Match source(const char* network, Sense sense = Sense::kIs) {
  return MatchAddress{Side::kSource, prefix(network), sense};
}
Match destination(const char* network, Sense sense = Sense::kIs) {
  return MatchAddress{Side::kDestination, prefix(network), sense};
}
Match sport(std::uint16_t first, std::uint16_t last, Sense sense = Sense::kIs) {
  return MatchPort{Side::kSource, PortRange{first, last}, sense};
}
Match dport(std::uint16_t first, std::uint16_t last, Sense sense = Sense::kIs) {
  return MatchPort{Side::kDestination, PortRange{first, last}, sense};
}
const Match kTcp = MatchL4Proto{6, Sense::kIs};
const Match kIp4 = MatchNfProto{IpFamily::kV4};
const Match kIp6 = MatchNfProto{IpFamily::kV6};
const Match kNotSyn = MatchTcpFlags{0x17, 0x02, Sense::kIsNot};
const Statement kAccept = Verdict{VerdictCode::kAccept, {}};

/// The kernel's own bytes of every rule's expressions in a chain.
std::vector<Octets> raw_expressions(const ChainKey& chain) {
  netlink::MnlSocket socket(mnl_socket_open(NETLINK_NETFILTER));
  EXPECT_EQ(mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID), 0);
  std::vector<char> buffer(std::size_t{1} << 16U);
  auto* request = mnl_nlmsg_put_header(buffer.data());
  request->nlmsg_type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETRULE;
  request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request->nlmsg_seq = 1;
  mnl_nlmsg_put_extra_header(request, sizeof(nfgenmsg));
  EXPECT_GT(mnl_socket_sendto(socket.get(), request, request->nlmsg_len), 0);
  struct Found {
    const ChainKey& chain;
    std::vector<Octets> lists;
  } found{chain, {}};
  const auto note = [](const nlmsghdr* message, void* data) {
    auto& [wanted, lists] = *static_cast<Found*>(data);
    const netlink::Attributes rule(netlink::message_payload(message, sizeof(nfgenmsg)));
    if (rule.text(NFTA_RULE_TABLE) == wanted.table.name && rule.text(NFTA_RULE_CHAIN) == wanted.name) {
      const auto bytes = rule.bytes(NFTA_RULE_EXPRESSIONS);
      lists.emplace_back(bytes.begin(), bytes.end());
    }
    return MNL_CB_OK;
  };
  int left = MNL_CB_OK;
  while (left > MNL_CB_STOP) {
    const ssize_t got = mnl_socket_recvfrom(socket.get(), buffer.data(), buffer.size());
    left = got < 0 ? MNL_CB_ERROR
                   : mnl_cb_run(buffer.data(), static_cast<std::size_t>(got), 1, mnl_socket_get_portid(socket.get()),
                                note, &found);
  }
  EXPECT_EQ(left, MNL_CB_STOP);
  return found.lists;
}

/// `nft list chain`, its rules alone.
std::string listed_rules(const ChainKey& chain) {
  const std::string all = must_run("nft list chain " + to_string(chain));
  const auto begin = all.find("policy accept;\n");
  return begin == std::string::npos ? all : all.substr(begin);
}

struct SameRule {
  std::string text;  ///< in the other program's words
  Rule rule;
};

/// nft's rule and ours are the same bytes in the kernel, read the same here, and are listed the same by nft.
void expect_as_nft(const ChainKey& chain, const BaseHook& hook, const char* hook_text,
                   const std::vector<SameRule>& cases) {
  in_new_namespace([&] {
    Nft nft;
    const ChainKey theirs{{chain.table.family, "theirs"}, chain.name};
    nft.must_commit({AddTable{chain.table}, AddChain{chain, hook}});
    must_run("nft 'add table " + to_string(theirs.table) + "; add chain " + to_string(theirs) + " { type " + hook_text +
             "; policy accept; }'");
    Batch batch;
    for (const auto& [text, rule] : cases) {
      must_run("nft 'add rule " + to_string(theirs) + " " + text + "'");
      batch.push_back(AppendRule{chain, rule});
    }
    nft.must_commit(batch);
    const auto our_bytes = raw_expressions(chain);
    const auto their_bytes = raw_expressions(theirs);
    const auto their_rules = nft.rules(theirs);
    ASSERT_EQ(their_rules.size(), cases.size());
    ASSERT_EQ(our_bytes.size(), their_bytes.size());
    for (std::size_t i = 0; i < cases.size(); ++i) {
      EXPECT_EQ(their_rules[i], cases[i].rule) << cases[i].text;
      EXPECT_EQ(our_bytes[i], their_bytes[i]) << cases[i].text;
    }
    EXPECT_EQ(listed_rules(chain), listed_rules(theirs));
  });
}

TEST_F(NftToolsTest, Nft_WritesTheSameFilterRules) {
  const std::vector<SameRule> cases{
      {"iifname \"wg0\" oifname != \"br-*\" counter accept",
       {{in("wg0"), out("br-", true, Sense::kIsNot)}, {Counter{}, kAccept}, {}}},
      {"ip saddr 192.168.203.0/24 counter", {{kIp4, source("192.168.203.0/24")}, {Counter{}}, {}}},
      {"ip saddr != 192.168.200.0/21 counter", {{kIp4, source("192.168.200.0/21", Sense::kIsNot)}, {Counter{}}, {}}},
      {"ip daddr 10.1.2.3 counter", {{kIp4, destination("10.1.2.3")}, {Counter{}}, {}}},
      {"ip daddr 10.0.0.0/8 counter", {{kIp4, destination("10.0.0.0/8")}, {Counter{}}, {}}},
      {"ip daddr 128.0.0.0/1 counter", {{kIp4, destination("128.0.0.0/1")}, {Counter{}}, {}}},
      {"ip6 saddr fd00::/8 counter", {{kIp6, source("fd00::/8")}, {Counter{}}, {}}},
      {"ip6 daddr != fd00::/9 counter", {{kIp6, destination("fd00::/9", Sense::kIsNot)}, {Counter{}}, {}}},
      {"ip6 daddr 2001:db8::7 counter", {{kIp6, destination("2001:db8::7")}, {Counter{}}, {}}},
      {"tcp sport 25 counter", {{kTcp, sport(25, 25)}, {Counter{}}, {}}},
      {"tcp dport != 25 counter", {{kTcp, dport(25, 25, Sense::kIsNot)}, {Counter{}}, {}}},
      {"tcp sport 25-26 counter", {{kTcp, sport(25, 26)}, {Counter{}}, {}}},
      {"tcp dport != 25-26 counter", {{kTcp, dport(25, 26, Sense::kIsNot)}, {Counter{}}, {}}},
      {"tcp flags & (fin|syn|rst|ack) != syn counter", {{kTcp, kNotSyn}, {Counter{}}, {}}},
      {"meta l4proto != tcp counter", {{MatchL4Proto{6, Sense::kIsNot}}, {Counter{}}, {}}},
      {"meta mark 0x19 counter accept", {{MatchMark{Mark{0x19}, Sense::kIs}}, {Counter{}, kAccept}, {}}},
      {"meta mark & 0xff != 0x19 counter", {{MatchMark{Mark{0x19, 0xff}, Sense::kIsNot}}, {Counter{}}, {}}},
      {"meta skuid 997 counter", {{MatchSkuid{997, Sense::kIs}}, {Counter{}}, {}}},
      {"meta skuid != 0 counter", {{MatchSkuid{0, Sense::kIsNot}}, {Counter{}}, {}}},
      {"ct state established,related counter", {{MatchCtState{kCtEstablished | kCtRelated}}, {Counter{}}, {}}},
      {"ct state untracked counter", {{MatchCtState{kCtUntracked}}, {Counter{}}, {}}},
      {"ct direction reply counter", {{MatchCtDirection{CtDirection::kReply}}, {Counter{}}, {}}},
      {"ct status dnat counter", {{MatchCtDnat{Sense::kIs}}, {Counter{}}, {}}},
      {"ct status ! dnat counter", {{MatchCtDnat{Sense::kIsNot}}, {Counter{}}, {}}},
      {"fib saddr . iif oif exists counter", {{MatchReversePath{false, Sense::kIs}}, {Counter{}}, {}}},
      {"fib saddr . mark . iif oif exists counter", {{MatchReversePath{true, Sense::kIs}}, {Counter{}}, {}}},
      {"meta nfproto ipv6 counter", {{kIp6}, {Counter{}}, {}}},
      {"counter meta mark set 0x19", {{}, {Counter{}, SetMark{Mark{0x19}}}, {}}},
      {"counter meta mark set meta mark & 0xffffffe6 | 0x19", {{}, {Counter{}, SetMark{Mark{0x19, 0x19}}}, {}}},
      {"tcp flags & (syn|rst) == syn counter tcp option maxseg size set rt mtu",
       {{kTcp, MatchTcpFlags{0x06, 0x02, Sense::kIs}}, {Counter{}, ClampMss{}}, {}}},
      {"counter reject with icmpx admin-prohibited", {{}, {Counter{}, Reject{}}, {}}},
      {"drop", {{}, {Verdict{VerdictCode::kDrop, {}}}, {}}},
      {"return", {{}, {Verdict{VerdictCode::kReturn, {}}}, {}}},
      {"continue", {{}, {Verdict{VerdictCode::kContinue, {}}}, {}}},
      {"counter accept comment \"smtp-egress:home\"", {{}, {Counter{}, kAccept}, "smtp-egress:home"}},
  };
  expect_as_nft({{Family::kInet, "ours"}, "forward"}, {ChainType::kFilter, Hook::kForward, 0, Policy::kAccept},
                "filter hook forward priority 0", cases);
}

TEST_F(NftToolsTest, Nft_WritesTheSameNatRules) {
  const std::vector<SameRule> cases{
      {"oifname \"wg0\" meta nfproto ipv4 counter snat ip to ip saddr", {{out("wg0"), kIp4}, {Counter{}, Snat{}}, {}}},
      {"oifname \"wg0\" meta nfproto ipv6 counter snat ip6 to ip6 saddr",
       {{out("wg0"), kIp6}, {Counter{}, Snat{}}, {}}},
      {"oifname \"eth0\" counter snat ip to 198.51.100.7",
       {{out("eth0")}, {Counter{}, Snat{address("198.51.100.7")}}, {}}},
      {"oifname \"eth0\" counter snat ip6 to 2001:db8::7",
       {{out("eth0")}, {Counter{}, Snat{address("2001:db8::7")}}, {}}},
      {"oifname \"eth1\" counter masquerade", {{out("eth1")}, {Counter{}, Masquerade{}}, {}}},
  };
  const std::vector<SameRule> filter_cases{
      {"meta nfproto ipv4 counter ip daddr set ip daddr & 0.0.0.255 | 240.168.203.0",
       {{kIp4}, {Counter{}, SetNetwork{Side::kDestination, Prefix::parse("240.168.203.0/24").value()}}, {}}},
  };
  expect_as_nft({{Family::kInet, "ours"}, "pre"}, {ChainType::kFilter, Hook::kPrerouting, -310, Policy::kAccept},
                "filter hook prerouting priority -310", filter_cases);
  expect_as_nft({{Family::kInet, "ours"}, "post"}, {ChainType::kNat, Hook::kPostrouting, 99, Policy::kAccept},
                "nat hook postrouting priority 99", cases);
}

TEST_F(NftToolsTest, Nft_WritesTheSameIpRules) {
  const std::vector<SameRule> cases{
      {"ip saddr 192.168.203.0/24 tcp dport 25 counter",
       {{source("192.168.203.0/24"), kTcp, dport(25, 25)}, {Counter{}}, {}}},
      {"counter reject with icmp admin-prohibited", {{}, {Counter{}, Reject{}}, {}}},
  };
  expect_as_nft({{Family::kIp, "ours"}, "forward"}, {ChainType::kFilter, Hook::kForward, 0, Policy::kAccept},
                "filter hook forward priority 0", cases);
  const std::vector<SameRule> cases6{{"counter reject with icmpv6 admin-prohibited", {{}, {Counter{}, Reject{}}, {}}}};
  expect_as_nft({{Family::kIp6, "ours"}, "forward"}, {ChainType::kFilter, Hook::kForward, 0, Policy::kAccept},
                "filter hook forward priority 0", cases6);
}

TEST_F(NftToolsTest, Nft_OtherRules_StayOpaque) {
  in_new_namespace([] {
    const std::vector<std::pair<std::string, std::string>> cases{
        {"tcp dport { 25, 465 } accept", "lookup"},
        {"ip saddr . tcp dport { 10.0.0.1 . 25 } accept", "ip saddr set"},
        {"ip6 daddr { 2001:db8::1, 2001:db8::2 } accept", "ip6 daddr set"},
        {"ip daddr != { 192.0.2.1, 192.0.2.2 } accept", "lookup"},
        {"fib daddr type local accept", "fib"},
        {"fib saddr oif missing drop", "fib"},
        {"fib saddr . iif oif 7 drop", "fib"},
        {"limit rate 10/second accept", "limit"},
        {"log prefix \"x\"", "log"},
        {"ct mark 0x19 accept", "ct mark"},
        {"ct state != new accept", "ct state"},
        {"iif \"lo\" accept", "meta iif"},
        {"reject with icmpx no-route", "reject"},
        {"reject with tcp reset", "reject"},
        {"tcp option maxseg size set 1400", "exthdr set"},
        {"meta priority set 1:2", "meta priority set"},
        {"ct mark set meta mark", "ct mark set"},
        {"ip ttl set 5", "payload set"},
        {"th dport 25-26 meta cgroup 7 accept", "meta 23"},
        {"quota 25 mbytes accept", "quota"},
    };
    must_run("nft 'add table inet t; add chain inet t c { type filter hook forward priority 0; }'");
    Nft nft;
    for (const auto& [text, what] : cases) {
      must_run("nft 'flush chain inet t c; add rule inet t c " + text + "'");
      const auto rules = nft.rules({{Family::kInet, "t"}, "c"});
      ASSERT_EQ(rules.size(), 1U) << text;
      EXPECT_NE(to_string(rules[0]).find("[" + what + "]"), std::string::npos) << text << " is " << to_string(rules[0]);
    }
  });
}

// ---- iptables

const ChainKey kFilterForward{{Family::kIp, "filter"}, "FORWARD"};

struct IptablesRule {
  std::string table;
  std::string chain;
  std::string arguments;
  Rule rule;
};

std::vector<IptablesRule> iptables_rules() {
  const Statement drop = Verdict{VerdictCode::kDrop, {}};
  return {
      {"filter",
       "FORWARD",
       "-s 192.168.203.0/24 -o wg0 -p tcp --dport 25 -j ACCEPT",
       {{source("192.168.203.0/24"), out("wg0"), kTcp, dport(25, 25)}, {Counter{}, kAccept}, {}}},
      {"filter",
       "FORWARD",
       "! -s 10.0.0.0/9 -i wg+ ! -o eth0 -j DROP",
       {{source("10.0.0.0/9", Sense::kIsNot), in("wg", true), out("eth0", false, Sense::kIsNot)},
        {Counter{}, drop},
        {}}},
      {"filter",
       "FORWARD",
       "-d 10.0.0.1 -m mark --mark 0x19/0xff -j RETURN",
       {{destination("10.0.0.1"), MatchMark{Mark{0x19, 0xff}, Sense::kIs}},
        {Counter{}, Verdict{VerdictCode::kReturn, {}}},
        {}}},
      {"filter",
       "FORWARD",
       "-m mark ! --mark 0x19 -j DROP",
       {{MatchMark{Mark{0x19}, Sense::kIsNot}}, {Counter{}, drop}, {}}},
      {"filter", "FORWARD", "-p tcp --sport 25:30 -j ACCEPT", {{kTcp, sport(25, 30)}, {Counter{}, kAccept}, {}}},
      {"filter",
       "FORWARD",
       "-p tcp ! --sport 25:30 -j ACCEPT",
       {{kTcp, sport(25, 30, Sense::kIsNot)}, {Counter{}, kAccept}, {}}},
      {"filter", "FORWARD", "! -p tcp -j DROP", {{MatchL4Proto{6, Sense::kIsNot}}, {Counter{}, drop}, {}}},
      {"filter",
       "FORWARD",
       "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
       {{MatchCtState{kCtEstablished | kCtRelated}}, {Counter{}, kAccept}, {}}},
      {"filter", "FORWARD", "-m state --state NEW -j REJECT", {{MatchCtState{kCtNew}}, {Counter{}, Reject{}}, {}}},
      {"filter",
       "FORWARD",
       "-m comment --comment 'smtp-egress:home' -j ACCEPT",
       {{}, {Counter{}, kAccept}, "smtp-egress:home"}},
      {"filter", "FORWARD", "-j ACCEPT", {{}, {Counter{}, kAccept}, {}}},
      {"raw",
       "PREROUTING",
       "-i wg0 -d 192.168.203.0/24 -p tcp --sport 25 ! --syn -m comment --comment tag -j ACCEPT",
       {{in("wg0"), destination("192.168.203.0/24"), kTcp, sport(25, 25), kNotSyn}, {Counter{}, kAccept}, "tag"}},
      {"mangle",
       "PREROUTING",
       "-p tcp --dport 25 -j MARK --set-mark 0x19",
       {{kTcp, dport(25, 25)}, {Counter{}, SetMark{Mark{0x19}}}, {}}},
      {"mangle", "PREROUTING", "-j MARK --set-mark 0x19/0xff", {{}, {Counter{}, SetMark{Mark{0x19, 0xff}}}, {}}},
      {"mangle", "PREROUTING", "-j MARK --or-mark 0x19", {{}, {Counter{}, SetMark{Mark{0x19, 0x19}}}, {}}},
      {"mangle",
       "FORWARD",
       "-p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu",
       {{kTcp, MatchTcpFlags{0x06, 0x02, Sense::kIs}}, {Counter{}, ClampMss{}}, {}}},
      {"nat",
       "POSTROUTING",
       "-o eth0 -j SNAT --to-source 198.51.100.7",
       {{out("eth0")}, {Counter{}, Snat{address("198.51.100.7")}}, {}}},
      {"nat",
       "POSTROUTING",
       "-s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
       {{source("172.17.0.0/16"), out("docker0", false, Sense::kIsNot)}, {Counter{}, Masquerade{}}, {}}},
  };
}

void expect_iptables_rules(Nft& nft) {
  std::vector<std::pair<ChainKey, std::size_t>> next;
  for (const auto& expected : iptables_rules()) {
    const ChainKey key{{Family::kIp, expected.table}, expected.chain};
    auto place = std::ranges::find(next, key, &std::pair<ChainKey, std::size_t>::first);
    if (place == next.end()) {
      place = next.insert(place, {key, 0});
    }
    const auto rules = nft.rules(key);
    ASSERT_LT(place->second, rules.size());
    const auto& found = rules[place->second++];
    EXPECT_TRUE(same_rule(found, expected.rule))
        << expected.arguments << "\nfound    " << to_string(found) << "\nexpected " << to_string(expected.rule);
  }
}

TEST_F(NftToolsTest, Iptables_RulesAreRead_AlsoAfterSaveAndRestore) {
  in_new_namespace([] {
    for (const auto& rule : iptables_rules()) {
      must_run("iptables -t " + rule.table + " -A " + rule.chain + " " + rule.arguments);
    }
    Nft nft;
    expect_iptables_rules(nft);
    must_run("iptables-save | iptables-restore");
    expect_iptables_rules(nft);
  });
}

TEST_F(NftToolsTest, Iptables_OtherMatchesAndTargets_StayOpaque) {
  in_new_namespace([] {
    const std::vector<std::pair<std::string, std::string>> cases{
        {"-m addrtype --dst-type LOCAL -j ACCEPT", "xt addrtype"},
        {"-p tcp -m multiport --dports 25,465 -j ACCEPT", "xt multiport"},
        {"-m conntrack ! --ctstate NEW -j ACCEPT", "xt conntrack"},
        {"-m conntrack --ctdir REPLY -j ACCEPT", "xt conntrack"},
        {"-p tcp --tcp-option 2 -j ACCEPT", "xt tcp"},
        {"-m limit --limit 1/s -j ACCEPT", "limit"},
        {"-f -j ACCEPT", "payload"},
        {"-j LOG", "xt LOG"},
        {"-j NFQUEUE --queue-num 1", "xt NFQUEUE"},
    };
    Nft nft;
    for (const auto& [arguments, what] : cases) {
      must_run("iptables -F FORWARD && iptables -A FORWARD " + arguments);
      const auto rules = nft.rules(kFilterForward);
      ASSERT_EQ(rules.size(), 1U) << arguments;
      EXPECT_NE(to_string(rules[0]).find("[" + what), std::string::npos) << arguments << " is " << to_string(rules[0]);
    }
  });
}

/// The two rules that stand in chains of other programs.
Rule admission() {
  return {{MatchMark{Mark{0x19}, Sense::kIs}}, {Counter{}, kAccept}, "smtp-egress:home"};
}
Rule raw_exception() {
  return {{in("wg0"), destination("192.168.203.0/24"), kTcp, sport(25, 25), kNotSyn},
          {Counter{}, kAccept},
          "smtp-egress:home"};
}
const ChainKey kDockerUser{{Family::kIp, "filter"}, "DOCKER-USER"};
const ChainKey kRawPrerouting{{Family::kIp, "raw"}, "PREROUTING"};

/// A host where dockerd has its chains, and our two rules in them.
void make_docker_host(Nft& nft) {
  must_run(
      "iptables -N DOCKER-USER; iptables -A FORWARD -j DOCKER-USER; iptables -A DOCKER-USER -j RETURN;"
      "iptables -t raw -A PREROUTING -d 192.168.203.2 ! -i br-mail -j DROP");
  nft.must_commit({InsertRule{kDockerUser, admission()}, InsertRule{kRawPrerouting, raw_exception()}});
}

TEST_F(NftToolsTest, OurForeignRules_AreWhatIptablesWouldWrite) {
  in_new_namespace([] {
    Nft nft;
    make_docker_host(nft);
    EXPECT_EQ(must_run("iptables -S DOCKER-USER"),
              "-N DOCKER-USER\n"
              "-A DOCKER-USER -m mark --mark 0x19 -m comment --comment \"smtp-egress:home\" -j ACCEPT\n"
              "-A DOCKER-USER -j RETURN\n");
    EXPECT_EQ(must_run("iptables -t raw -S PREROUTING"),
              "-P PREROUTING ACCEPT\n"
              "-A PREROUTING -d 192.168.203.0/24 -i wg0 -p tcp -m tcp --sport 25 ! --tcp-flags FIN,SYN,RST,ACK SYN "
              "-m comment --comment \"smtp-egress:home\" -j ACCEPT\n"
              "-A PREROUTING -d 192.168.203.2/32 ! -i br-mail -j DROP\n");
    EXPECT_EQ(must_run("iptables-save | grep -c smtp-egress"), "2\n");
    EXPECT_EQ(run("iptables-save | grep -i -e warning -e incompatible").text, "");
  });
}

TEST_F(NftToolsTest, OurForeignRules_AreFoundAgainAfterSaveAndRestore) {
  in_new_namespace([] {
    Nft nft;
    make_docker_host(nft);
    must_run("iptables-save | iptables-restore");
    EXPECT_TRUE(same_rule(nft.rules(kDockerUser).at(0), admission()));
    EXPECT_TRUE(same_rule(nft.rules(kRawPrerouting).at(0), raw_exception()));
  });
}

TEST_F(NftToolsTest,
       Iptables_DeletesAndChecksOurRulesByTheirArguments) {  // they are ordinary rules to an administrator
  in_new_namespace([] {
    Nft nft;
    make_docker_host(nft);
    const std::string rule = " DOCKER-USER -m mark --mark 0x19 -m comment --comment smtp-egress:home -j ACCEPT";
    must_run("iptables -I DOCKER-USER -s 10.0.0.1 -j DROP");
    EXPECT_EQ(run("iptables -D DOCKER-USER 2").status, 0);
    EXPECT_EQ(nft.rules(kDockerUser).size(), 2U);
    RecordProperty("checked_by_arguments", run("iptables -C" + rule).status);
  });
}

}  // namespace
}  // namespace smtpegress::nft
