// Entries of iptables-legacy (linux/netfilter_ipv4/ip_tables.h, linux/netfilter_ipv6/ip6_tables.h) as rules: bytes in,
// values out.
#include "netlink/iptables_legacy.hpp"

// libc's structures before linux/*, see nft_layout.hpp.
#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <map>
#include <type_traits>

#include "netlink/attribute_view.hpp"
#include "netlink/nft_rule_reader.hpp"

namespace smtpegress::netlink {
namespace {

constexpr const char* kOperation = "read iptables-legacy";
constexpr std::array kChainNames{"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"};  // by hook

std::unexpected<Error> malformed(const nft::TableKey& table) {
  return system_error(kOperation, "table " + to_string(table), EBADMSG, {},
                      "the kernel sent entries this program cannot read; please report it with `uname -r`");
}

/// ipt_entry or ip6t_entry without its flexible array, which no member may follow.
template <class Ip>
struct EntryHead {
  Ip ip;
  std::uint32_t nfcache;
  std::uint16_t target_offset;
  std::uint16_t next_offset;
  std::uint32_t comefrom;
  xt_counters counters;
};
template <class Ip, class Entry>
constexpr bool kIsHeadOf = sizeof(EntryHead<Ip>) == sizeof(Entry) &&
                           offsetof(EntryHead<Ip>, target_offset) == offsetof(Entry, target_offset) &&
                           offsetof(EntryHead<Ip>, counters) == offsetof(Entry, counters);
static_assert(kIsHeadOf<ipt_ip, ipt_entry> && kIsHeadOf<ip6t_ip6, ip6t_entry>);

/// The beginning of xt_entry_match and of xt_entry_target, likewise.
struct ExtensionHead {
  std::uint16_t size;
  char name[XT_EXTENSION_MAXNAMELEN];
  std::uint8_t revision;
};
static_assert(sizeof(ExtensionHead) == sizeof(xt_entry_match) && sizeof(ExtensionHead) == sizeof(xt_entry_target));

/// What an entry tests in the packet's own headers. ipt_ip and ip6t_ip6 have the same fields in other sizes.
struct HeaderTests {
  IpFamily family = IpFamily::kV4;
  Bytes source;
  Bytes source_mask;
  Bytes destination;
  Bytes destination_mask;
  Bytes in;
  Bytes in_mask;
  Bytes out;
  Bytes out_mask;
  std::uint16_t protocol = 0;  ///< 0: any
  bool of_fragments = false;
  std::uint8_t inverted = 0;  ///< IPT_INV_*, IP6T_INV_*
};

/// One entry and where it is.
struct Entry {
  std::uint32_t offset = 0;
  std::uint32_t next = 0;  ///< where the one behind it begins
  HeaderTests tests;
  bool is_goto = false;
  xt_counters counters{};
  Bytes matches;
  Bytes target;  ///< with its header
};

/// A match or a target: both begin with size, name and revision.
struct Extension {
  std::string name;
  std::uint8_t revision = 0;
  Bytes info;
};

Extension extension_of(Bytes bytes) {
  const auto head = header_of<ExtensionHead>(bytes).value_or(ExtensionHead{});
  return {.name = {std::begin(head.name), std::ranges::find(head.name, '\0')},
          .revision = head.revision,
          .info = bytes.subspan(std::min(sizeof head, bytes.size()))};
}

static_assert(IPT_INV_VIA_IN == IP6T_INV_VIA_IN && IPT_INV_VIA_OUT == IP6T_INV_VIA_OUT &&
              IPT_INV_SRCIP == IP6T_INV_SRCIP && IPT_INV_DSTIP == IP6T_INV_DSTIP && IPT_INV_PROTO == IP6T_INV_PROTO);

/// `bytes` are those of `ip`. IPv6 tests no fragments here, and the protocol only where it is told to.
template <class Ip>
HeaderTests tests_of(const Ip& ip, Bytes bytes) {
  const auto field = [&](std::size_t offset, std::size_t size) { return bytes.subspan(offset, size); };
  HeaderTests tests{.source = field(offsetof(Ip, src), sizeof ip.src),
                    .source_mask = field(offsetof(Ip, smsk), sizeof ip.smsk),
                    .destination = field(offsetof(Ip, dst), sizeof ip.dst),
                    .destination_mask = field(offsetof(Ip, dmsk), sizeof ip.dmsk),
                    .in = field(offsetof(Ip, iniface), sizeof ip.iniface),
                    .in_mask = field(offsetof(Ip, iniface_mask), sizeof ip.iniface_mask),
                    .out = field(offsetof(Ip, outiface), sizeof ip.outiface),
                    .out_mask = field(offsetof(Ip, outiface_mask), sizeof ip.outiface_mask),
                    .protocol = ip.proto,
                    .inverted = ip.invflags};
  if constexpr (std::is_same_v<Ip, ip6t_ip6>) {
    tests.family = IpFamily::kV6;
    tests.protocol = (ip.flags & IP6T_F_PROTO) != 0 ? ip.proto : std::uint16_t{0};
  } else {
    tests.of_fragments = (ip.flags & IPT_F_FRAG) != 0 || (ip.invflags & IPT_INV_FRAG) != 0;
  }
  return tests;
}

template <class Ip>
std::optional<std::vector<Entry>> entries_of(Bytes blob) {
  constexpr unsigned kGoto = std::is_same_v<Ip, ip6t_ip6> ? IP6T_F_GOTO : IPT_F_GOTO;
  std::vector<Entry> entries;
  for (std::uint32_t offset = 0; offset < blob.size();) {
    const auto head = header_of<EntryHead<Ip>>(blob.subspan(offset));
    const bool whole = head && head->target_offset >= sizeof *head &&
                       head->target_offset + sizeof(ExtensionHead) <= head->next_offset &&
                       head->next_offset <= blob.size() - offset;
    if (!whole) {
      return std::nullopt;
    }
    const auto entry = blob.subspan(offset, head->next_offset);
    entries.push_back({.offset = offset,
                       .next = offset + head->next_offset,
                       .tests = tests_of(head->ip, entry.first(sizeof head->ip)),
                       .is_goto = (head->ip.flags & kGoto) != 0,
                       .counters = head->counters,
                       .matches = entry.subspan(sizeof *head, head->target_offset - sizeof *head),
                       .target = entry.subspan(head->target_offset)});
    offset += head->next_offset;
  }
  return entries;
}

bool is_chain_head(const Entry& entry) {
  return extension_of(entry.target).name == XT_ERROR_TARGET;
}

/// The verdict of a standard target: negative as the kernel's own, else the offset it jumps to.
std::optional<int> verdict_of(const Entry& entry) {
  const auto target = extension_of(entry.target);
  return target.name.empty() ? header_of<int>(target.info) : std::nullopt;  // XT_STANDARD_TARGET is ""
}

template <std::uint8_t Value>
bool is_byte(std::uint8_t byte) {
  return byte == Value;
}

nft::Sense sense_of(const HeaderTests& tests, unsigned bit) {
  return (tests.inverted & bit) != 0 ? nft::Sense::kIsNot : nft::Sense::kIs;
}

nft::Match opaque(std::string what, Bytes bytes) {
  return nft::MatchOpaque{std::move(what), copy_of(bytes)};
}

/// Address and mask in network order. Opaque: a mask with a gap, and an address outside its mask, which no packet has.
void add_address(nft::Rule& rule, nft::Side side, Bytes address, Bytes mask, const HeaderTests& tests, unsigned bit) {
  const auto sense = sense_of(tests, bit);
  const bool is_any = std::ranges::all_of(mask, is_byte<0>);
  if (is_any && std::ranges::all_of(address, is_byte<0>) && sense == nft::Sense::kIs) {
    return;
  }
  for (std::size_t i = 0; i < address.size(); ++i) {
    if ((address[i] & ~mask[i]) != 0) {
      rule.matches.push_back(opaque("address", address));
      return;
    }
  }
  const auto length = prefix_length(mask);
  if (is_any || !length) {
    rule.matches.push_back(opaque("address mask", mask));
    return;
  }
  nft::MatchAddress match{.side = side, .prefix = {IpAddress{.family = tests.family}, *length}, .sense = sense};
  std::ranges::copy(address, match.prefix.address.bytes.begin());
  rule.matches.emplace_back(match);
}

/// The mask has 0xff for each byte that counts, the name's NUL among them where the name is whole ("eth+" is not).
/// Opaque: a mask of another shape, and a name that goes on behind its NUL, which no interface has.
void add_interface(nft::Rule& rule, nft::Way way, Bytes name, Bytes mask, nft::Sense sense) {
  const auto counting = static_cast<std::size_t>(std::ranges::find_if_not(mask, is_byte<0xff>) - mask.begin());
  auto text = text_until_nul(name.first(counting));
  const auto behind = name.first(counting).subspan(text.size());
  if (!std::ranges::all_of(mask.subspan(counting), is_byte<0>) || !std::ranges::all_of(behind, is_byte<0>)) {
    rule.matches.push_back(opaque("interface", name));
    return;
  }
  if (counting == 0) {
    if (sense == nft::Sense::kIsNot) {
      rule.matches.push_back(opaque("no interface", name));
    }
    return;
  }
  rule.matches.emplace_back(
      nft::MatchInterface{.way = way, .name = text, .wildcard = text.size() == counting, .sense = sense});
}

void add_header_tests(nft::Rule& rule, const HeaderTests& tests) {
  add_interface(rule, nft::Way::kIn, tests.in, tests.in_mask, sense_of(tests, IPT_INV_VIA_IN));
  add_interface(rule, nft::Way::kOut, tests.out, tests.out_mask, sense_of(tests, IPT_INV_VIA_OUT));
  add_address(rule, nft::Side::kSource, tests.source, tests.source_mask, tests, IPT_INV_SRCIP);
  add_address(rule, nft::Side::kDestination, tests.destination, tests.destination_mask, tests, IPT_INV_DSTIP);
  if (tests.protocol > UINT8_MAX) {
    rule.matches.push_back(opaque("protocol", {}));  // no packet has it
  } else if (tests.protocol != 0) {
    rule.matches.emplace_back(nft::MatchL4Proto{.protocol = static_cast<std::uint8_t>(tests.protocol),
                                                .sense = sense_of(tests, IPT_INV_PROTO)});
  }
  if (tests.of_fragments) {
    rule.matches.push_back(opaque("fragment", {}));
  }
}

bool add_matches(nft::Rule& rule, Bytes rest) {
  while (!rest.empty()) {
    const auto size = header_of<std::uint16_t>(rest).value_or(0);
    if (size < sizeof(ExtensionHead) || size > rest.size()) {
      return false;
    }
    const auto match = extension_of(rest.first(size));
    rest = rest.subspan(size);
    if (match.name == "comment") {
      rule.comment = text_until_nul(match.info);
      continue;
    }
    auto known = matches_of_xt(match.name, match.revision, match.info);
    if (known) {
      std::ranges::move(*known, std::back_inserter(rule.matches));
    } else {
      rule.matches.push_back(opaque("xt " + match.name, match.info));
    }
  }
  return true;
}

std::string chain_name(const Entry& head) {
  return text_until_nul(extension_of(head.target).info);
}

/// Names of user chains by the offset of their first rule.
using Targets = std::map<std::uint32_t, std::string>;

std::optional<nft::Verdict> verdict_statement(const Entry& entry, int number, const Targets& targets) {
  if (number >= 0) {
    const auto target = targets.find(static_cast<std::uint32_t>(number));
    return target == targets.end()
               ? std::nullopt
               : std::optional(
                     nft::Verdict{entry.is_goto ? nft::VerdictCode::kGoto : nft::VerdictCode::kJump, target->second});
  }
  switch (-(number + 1)) {
    case NF_ACCEPT:
      return nft::Verdict{nft::VerdictCode::kAccept, {}};
    case NF_DROP:
      return nft::Verdict{nft::VerdictCode::kDrop, {}};
    case NF_QUEUE:
      return nft::Verdict{nft::VerdictCode::kQueue, {}};
    case -XT_RETURN - 1:
      return nft::Verdict{nft::VerdictCode::kReturn, {}};
    default:
      return std::nullopt;
  }
}

std::optional<nft::Rule> rule_of(const Entry& entry, const Targets& targets) {
  nft::Rule rule;
  add_header_tests(rule, entry.tests);
  if (!add_matches(rule, entry.matches)) {
    return std::nullopt;
  }
  const auto target = extension_of(entry.target);
  if (const auto number = verdict_of(entry)) {
    if (*number == static_cast<int>(entry.next)) {
      return rule;  // a rule without a target goes on with the next one
    }
    const auto verdict = verdict_statement(entry, *number, targets);
    if (!verdict) {
      return std::nullopt;
    }
    rule.statements.emplace_back(*verdict);
  } else if (auto known = statement_of_xt(target.name, target.revision, target.info)) {
    rule.statements.push_back(*std::move(known));
  } else {
    rule.statements.emplace_back(nft::StatementOpaque{"xt " + target.name, copy_of(target.info)});
  }
  return rule;
}

/// Of iptables' tables, linux/netfilter_ipv4.h: NF_IP_PRI_*; IPv6's are the same.
std::int32_t priority_of(const std::string& table, nft::Hook hook) {
  if (table == "raw") {
    return NF_IP_PRI_RAW;
  }
  if (table == "mangle") {
    return NF_IP_PRI_MANGLE;
  }
  if (table == "nat") {
    return hook == nft::Hook::kPrerouting || hook == nft::Hook::kOutput ? NF_IP_PRI_NAT_DST : NF_IP_PRI_NAT_SRC;
  }
  return table == "security" ? NF_IP_PRI_SECURITY : NF_IP_PRI_FILTER;
}

nft::ObservedChain built_in(const nft::TableKey& table, std::size_t hook) {
  const nft::BaseHook base{.type = table.name == "nat" ? nft::ChainType::kNat : nft::ChainType::kFilter,
                           .hook = static_cast<nft::Hook>(hook),
                           .priority = priority_of(table.name, static_cast<nft::Hook>(hook)),
                           .policy = nft::Policy::kAccept};
  return {.key = {table, kChainNames.at(hook)}, .handle = 0, .hook = base, .rules = {}};
}

/// What the entries have in common while they are read one after another.
class TableReader {
 public:
  TableReader(const nft::TableKey& table, const LegacyHooks& hooks, const std::vector<Entry>& entries)
      : table_(table), hooks_(hooks) {
    for (const auto& entry : entries) {
      if (is_chain_head(entry)) {
        targets_[entry.next] = chain_name(entry);
      }
    }
  }

  /// False where the entry makes no sense.
  bool read(const Entry& entry) {
    if (is_chain_head(entry)) {
      chains_.push_back({.key = {table_, chain_name(entry)}, .handle = 0, .hook = std::nullopt, .rules = {}});
      return true;
    }
    bool is_policy = false;
    for (std::size_t hook = 0; hook < kChainNames.size(); ++hook) {
      const bool valid = (hooks_.valid & (1U << hook)) != 0;
      if (valid && hooks_.entry[hook] == entry.offset) {
        chains_.push_back(built_in(table_, hook));
      }
      is_policy = is_policy || (valid && hooks_.underflow[hook] == entry.offset);
    }
    if (chains_.empty()) {
      return false;
    }
    if (is_policy && chains_.back().hook) {
      const bool drops = verdict_of(entry) == -NF_DROP - 1;
      chains_.back().hook->policy = drops ? nft::Policy::kDrop : nft::Policy::kAccept;
      return true;
    }
    auto rule = rule_of(entry, targets_);
    if (!rule) {
      return false;
    }
    chains_.back().rules.push_back({*std::move(rule), 0, entry.counters.pcnt, entry.counters.bcnt});
    return true;
  }
  std::vector<nft::ObservedChain> take() && { return std::move(chains_); }

 private:
  const nft::TableKey& table_;
  const LegacyHooks& hooks_;
  Targets targets_;
  std::vector<nft::ObservedChain> chains_;
};

}  // namespace

Result<std::vector<nft::ObservedChain>> decode_legacy_table(const nft::TableKey& table, const LegacyHooks& hooks,
                                                            Bytes entries) {
  auto all = table.family == nft::Family::kIp ? entries_of<ipt_ip>(entries) : entries_of<ip6t_ip6>(entries);
  if (!all) {
    return malformed(table);
  }
  if (!all->empty() && is_chain_head(all->back())) {
    all->pop_back();  // it ends the table: it is no chain
  }
  TableReader reader(table, hooks, *all);
  for (const auto& entry : *all) {
    if (!reader.read(entry)) {
      return malformed(table);
    }
  }
  return std::move(reader).take();
}

}  // namespace smtpegress::netlink
