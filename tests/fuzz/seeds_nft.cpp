// nf_tables: rules of our kinds, rules as iptables writes them, tables and chains.
// libc's structures before linux/*, see nft_layout.hpp.
#include "codec/nft_support.hpp"

#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/xt_TCPMSS.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ipt_REJECT.h>

#include "fuzz/nft_messages.hpp"
#include "fuzz/seeds.hpp"

namespace smtpegress::fuzz {
namespace {

using namespace nft;
using test::ForeignRule;
using test::xt_info;

const ChainKey kInet{{Family::kInet, "smtp-egress-mailu-home"}, "forward"};
const ChainKey kIp{{Family::kIp, "filter"}, "DOCKER-USER"};
const ChainKey kIp6{{Family::kIp6, "filter"}, "FORWARD"};

Prefix prefix(const char* text) {
  return Prefix::parse(text).value();
}

std::vector<std::pair<ChainKey, Rule>> own_rules() {
  return {
      {kIp,
       {{MatchInterface{Way::kIn, "wg0", false, Sense::kIs}, MatchInterface{Way::kOut, "br-", true, Sense::kIsNot},
         MatchAddress{Side::kDestination, prefix("192.168.203.0/24"), Sense::kIs},
         MatchAddress{Side::kSource, prefix("10.0.0.0/9"), Sense::kIsNot}, MatchL4Proto{6, Sense::kIs},
         MatchPort{Side::kSource, {25, 25}, Sense::kIs}, MatchPort{Side::kDestination, {1024, 65535}, Sense::kIs},
         MatchTcpFlags{0x17, 0x02, Sense::kIsNot}, MatchMark{Mark{0x19, 0xff}, Sense::kIs}},
        {Counter{}, Verdict{VerdictCode::kJump, "other"}},
        "smtp-egress:mailu-home:admission"}},
      {kInet,
       {{MatchNfProto{IpFamily::kV4}, MatchAddress{Side::kSource, prefix("192.168.203.0/24"), Sense::kIs},
         MatchCtState{kCtEstablished}, MatchCtDirection{CtDirection::kReply},
         MatchPort{Side::kSource, {25, 26}, Sense::kIsNot}},
        {Counter{}, SetMark{Mark{0x19}}, SetMark{Mark{0x100, 0xff00}}, ClampMss{}},
        {}}},
      {kInet, {{MatchNfProto{IpFamily::kV6}}, {Counter{}, Reject{}}, {}}},
      {kIp6, {{MatchAddress{Side::kDestination, prefix("2001:db8::/33"), Sense::kIs}}, {Counter{}, Masquerade{}}, {}}},
      {kIp, {{MatchMark{Mark{0x19}, Sense::kIs}}, {Counter{}, Snat{}}, {}}},
      {kInet, {{MatchSkuid{997, Sense::kIs}}, {Counter{}, Reject{}}, {}}},
      {kIp, {{}, {Snat{IpAddress::parse("198.51.100.7").value()}, Verdict{}}, {}}},
  };
}

std::vector<ForeignRule> foreign_rules() {
  const xt_tcp tcp{.spts = {0, 0xffff}, .dpts = {25, 25}, .option = 0, .flg_mask = 6, .flg_cmp = 2, .invflags = 0};
  const xt_mark_mtinfo1 mark{.mark = 0x19, .mask = 0xff, .invert = 1};
  const xt_mark_tginfo2 set_mark{.mark = 0x19, .mask = 0xff};
  const xt_tcpmss_info mss{.mss = XT_TCPMSS_CLAMP_PMTU};
  xt_conntrack_mtinfo3 ct{};
  ct.match_flags = XT_CONNTRACK_STATE;
  ct.state_mask = 6;
  const ipt_reject_info reject{.with = IPT_ICMP_ADMIN_PROHIBITED};
  nf_nat_ipv4_multi_range_compat nat{};
  nat.rangesize = 1;
  nat.range[0].flags = NF_NAT_RANGE_MAP_IPS;
  nat.range[0].min_ip = nat.range[0].max_ip = 0x076433c6;
  std::vector<ForeignRule> rules;
  const auto add = [&](ForeignRule& rule) { rules.push_back(std::move(rule)); };
  add(ForeignRule()
          .payload(NFT_PAYLOAD_NETWORK_HEADER, 9, 1)
          .cmp(NFT_CMP_EQ, {6})
          .xt_match("tcp", 0, xt_info(tcp))
          .counter(7, 420)
          .xt_target("MARK", 2, xt_info(set_mark)));
  add(ForeignRule()
          .xt_match("conntrack", 3, xt_info(ct))
          .xt_match("mark", 1, xt_info(mark))
          .xt_match("comment", 0, {'m', 'i', 'n', 'e', 0})
          .counter()
          .verdict(NF_DROP));
  add(ForeignRule().xt_target("TCPMSS", 0, xt_info(mss)));
  add(ForeignRule().xt_target("REJECT", 0, xt_info(reject)));
  add(ForeignRule().counter().xt_target("SNAT", 0, xt_info(nat)));
  add(ForeignRule()
          .payload(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2)
          .add("range", {{NFTNL_EXPR_RANGE_SREG, NFT_REG_1},
                         {NFTNL_EXPR_RANGE_OP, NFT_RANGE_EQ},
                         {NFTNL_EXPR_RANGE_FROM_DATA, test::Octets{0, 25}},
                         {NFTNL_EXPR_RANGE_TO_DATA, test::Octets{0, 30}}})
          .verdict(NF_ACCEPT));
  add(ForeignRule()
          .payload(NFT_PAYLOAD_NETWORK_HEADER, 12, 4, NFT_REG32_01)
          .bitwise({255, 255, 240, 0}, test::Octets(4, 0), NFT_REG32_01, NFT_REG32_02)
          .cmp(NFT_CMP_NEQ, {172, 16, 16, 0}, NFT_REG32_02)
          .add("limit")
          .add("log")
          .add("masq"));
  return rules;
}

}  // namespace

void add_nft_seeds(Seeds& seeds) {
  for (const auto& [chain, rule] : own_rules()) {
    seeds.add("nft_rule", payload_of_step(AppendRule{chain, rule}).value());
  }
  for (const auto& rule : foreign_rules()) {
    seeds.add("nft_rule", Bytes(rule.message()).subspan(sizeof(nlmsghdr)));
  }
  seeds.add("nft_chain", payload_of_step(AddTable{kInet.table}).value());
  for (const auto& hook : {BaseHook{ChainType::kFilter, Hook::kForward, -150, Policy::kAccept},
                           BaseHook{ChainType::kNat, Hook::kPostrouting, 99, Policy::kDrop}}) {
    seeds.add("nft_chain", payload_of_step(AddChain{kInet, hook}).value());
  }
  seeds.add("nft_chain", payload_of_step(FlushChain{kIp}).value());
  for (const int verdict : {int{NF_ACCEPT}, int{NFT_JUMP}}) {
    const auto number = octets(std::byteswap(static_cast<std::uint32_t>(verdict)));
    auto code = attribute(NFTA_VERDICT_CODE, number);
    if (verdict == NFT_JUMP) {
      append(code, attribute(NFTA_VERDICT_CHAIN, octets("c")));
    }
    const auto key = attribute(NFTA_SET_ELEM_KEY, attribute(NFTA_DATA_VALUE, octets(kCtNew)));
    const auto data = attribute(NFTA_SET_ELEM_DATA, attribute(NFTA_DATA_VERDICT, code));
    seeds.add("nft_state_sets",
              joined({octets(nfgenmsg{}),
                      attribute(NFTA_SET_ELEM_LIST_ELEMENTS, attribute(NFTA_LIST_ELEM, joined({key, data})))}));
  }
  const SetKey set{kInet.table, "senders"};
  const SetType type{.by_interface = true, .by_address = IpFamily::kV4, .to = IpFamily::kV4};
  const auto address = IpAddress::parse("10.0.1.0").value();
  seeds.add("nft_sets", payload_of_step(AddSet{set, type}).value());
  seeds.add("nft_sets", payload_of_step(AddElements{set, type, {{"wg0", address, address}}}).value());
  Octets any(512);
  for (std::size_t i = 0; i < any.size(); ++i) {
    any[i] = static_cast<std::uint8_t>(i * i * 7 + i);
  }
  seeds.add("nft_written", any);
}

}  // namespace smtpegress::fuzz
