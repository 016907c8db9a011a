// iptables-legacy's tables, as `iptables-legacy -A` has the kernel store them.
#include <arpa/inet.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_tcpudp.h>

#include "codec/iptables_legacy_bytes.hpp"
#include "fuzz/messages.hpp"
#include "fuzz/seeds.hpp"

namespace smtpegress::fuzz {
namespace {

using nft::Hook;
using test::extension;
using test::LegacyTable;
using test::standard_target;

constexpr std::uint8_t kFilter = 0;  // by iptables_legacy.cpp's list
constexpr std::uint8_t kNat = 1;
constexpr std::uint8_t kHead = 0xff;
constexpr std::uint8_t kFilter6 = 6;
constexpr std::uint8_t kHead6 = 0xfe;

/// "192.168.203.0/24" from "br-mail" to anything but "eth+", tcp.
ipt_ip mail_head() {
  ipt_ip head{};
  head.src.s_addr = htonl(0xc0a8cb00);
  head.smsk.s_addr = htonl(0xffffff00);
  std::ranges::copy(std::string_view("br-mail"), std::begin(head.iniface));
  std::fill_n(std::begin(head.iniface_mask), sizeof "br-mail", std::uint8_t{0xff});
  std::ranges::copy(std::string_view("eth"), std::begin(head.outiface));
  std::fill_n(std::begin(head.outiface_mask), 3, std::uint8_t{0xff});
  head.invflags = IPT_INV_VIA_OUT;
  head.proto = IPPROTO_TCP;
  return head;
}

void add(Seeds& seeds, std::uint8_t table, const auto& content) {
  Octets input{table};
  for (const auto& part : {octets(content.hooks()), content.entries()}) {
    input.insert(input.end(), part.begin(), part.end());
  }
  seeds.add("iptables_legacy", input);
}

test::EntryBytes to_port_25() {
  xt_tcp tcp{};
  tcp.spts[1] = UINT16_MAX;
  tcp.dpts[0] = tcp.dpts[1] = 25;
  return extension("tcp", 0, tcp);
}

void add_filter(Seeds& seeds) {
  xt_conntrack_mtinfo3 state{};
  state.match_flags = XT_CONNTRACK_STATE;
  state.state_mask = 6;
  const char comment[256] = "so be it";
  auto matches = extension("conntrack", 3, state);
  std::ranges::copy(extension("comment", 0, comment), std::back_inserter(matches));
  LegacyTable user;
  user.begin(Hook::kInput).policy(Hook::kInput, test::kAccept);
  user.begin(Hook::kForward).rule(mail_head(), standard_target(0), to_port_25());
  const auto jump = user.size() - static_cast<std::uint32_t>(sizeof(int)) - 4;  // the number just written, and padding
  user.rule({}, standard_target(test::kAccept), matches);
  user.rule({}, standard_target(static_cast<int>(user.size() + sizeof(ipt_entry) + sizeof(xt_standard_target))));
  user.rule({}, extension("REJECT", 0, std::uint32_t{0})).policy(Hook::kForward, test::kDrop);
  user.user_chain("USER");
  const auto first = static_cast<int>(user.size());
  std::memcpy(user.entries().data() + jump, &first, sizeof first);
  user.rule({}, extension("LOG", 0, std::uint64_t{4})).rule({}, standard_target(XT_RETURN)).end();
  add(seeds, kFilter, user);
}

void add_nat(Seeds& seeds) {
  nf_nat_ipv4_multi_range_compat to{};
  to.rangesize = 1;
  LegacyTable table;
  table.begin(Hook::kPrerouting).policy(Hook::kPrerouting, test::kAccept);
  table.begin(Hook::kPostrouting).rule(mail_head(), extension("MASQUERADE", 0, to));
  to.range[0].flags = NF_NAT_RANGE_MAP_IPS;
  to.range[0].min_ip = to.range[0].max_ip = htonl(0xc6336402);
  const xt_mark_mtinfo1 mark{.mark = 0x19, .mask = 0xff, .invert = 0};
  table.rule({}, extension("SNAT", 0, to), extension("mark", 1, mark));
  table.policy(Hook::kPostrouting, test::kAccept).end();
  add(seeds, kNat, table);
}

/// fd00:203::/64 from "br-mail", tcp.
ip6t_ip6 mail_head6() {
  ip6t_ip6 head{};
  for (const auto& [at, byte] : {std::pair{0, 0xfd}, {2, 0x02}, {3, 0x03}}) {
    head.src.s6_addr[at] = static_cast<std::uint8_t>(byte);
  }
  std::fill_n(std::begin(head.smsk.s6_addr), 8, std::uint8_t{0xff});
  std::ranges::copy(std::string_view("br-mail"), std::begin(head.iniface));
  std::fill_n(std::begin(head.iniface_mask), sizeof "br-mail", std::uint8_t{0xff});
  head.proto = IPPROTO_TCP;
  head.flags = IP6T_F_PROTO;
  return head;
}

void add_filter6(Seeds& seeds) {
  test::Legacy6Table table;
  table.begin(Hook::kForward).rule(mail_head6(), standard_target(test::kAccept), to_port_25());
  table.rule({}, extension("REJECT", 0, std::uint32_t{0})).policy(Hook::kForward, test::kDrop).end();
  add(seeds, kFilter6, table);
}

void add_head(Seeds& seeds, std::uint8_t kind, const auto& head, std::size_t packet) {
  Octets input{kind};
  for (const auto& part : {octets(head), octets(test::kAccept), Octets(packet)}) {  // the packet: as the head has it
    input.insert(input.end(), part.begin(), part.end());
  }
  seeds.add("iptables_legacy", input);
}

}  // namespace

void add_legacy_seeds(Seeds& seeds) {
  add_filter(seeds);
  add_nat(seeds);
  add_filter6(seeds);
  ipt_ip plain{};
  ipt_ip fragment{};
  fragment.flags = IPT_F_FRAG;
  for (const auto& head : {plain, mail_head(), fragment}) {
    add_head(seeds, kHead, head, 41);
  }
  for (const auto& head : {ip6t_ip6{}, mail_head6()}) {
    add_head(seeds, kHead6, head, 65);
  }
}

}  // namespace smtpegress::fuzz
