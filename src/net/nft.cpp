#include "smtpegress/nft.hpp"
#include "net/contains.hpp"
#include "net/printable.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace smtpegress::nft {
namespace {

std::string_view family_text(Family family) {
  switch (family) {
    case Family::kInet:
      return "inet";
    case Family::kIp:
      return "ip";
    case Family::kArp:
      return "arp";
    case Family::kNetdev:
      return "netdev";
    case Family::kBridge:
      return "bridge";
    case Family::kIp6:
      return "ip6";
  }
  return "unknown";
}

std::string_view sense_text(Sense sense) {
  return sense == Sense::kIs ? "" : "!= ";
}

struct Named {
  std::uint32_t bit;
  std::string_view name;
};
// TCP header byte 13, RFC 9293.
constexpr std::array kTcpFlagNames{Named{0x01, "fin"}, Named{0x02, "syn"}, Named{0x04, "rst"},
                                   Named{0x08, "psh"}, Named{0x10, "ack"}, Named{0x20, "urg"}};
constexpr std::array kCtStateNames{Named{kCtInvalid, "invalid"}, Named{kCtEstablished, "established"},
                                   Named{kCtRelated, "related"}, Named{kCtNew, "new"},
                                   Named{kCtUntracked, "untracked"}};

template <std::size_t N>
std::string bits_text(std::uint32_t bits, const std::array<Named, N>& names, char separator) {
  std::string text;
  for (const auto& [bit, name] : names) {
    if ((bits & bit) != 0) {
      text += (text.empty() ? std::string() : std::string(1, separator)) + std::string(name);
    }
  }
  return text.empty() ? "0x0" : text;
}

std::string masked_text(const MaskedAddress& address) {
  auto text = fmt::format("{} {}", address.family == IpFamily::kV4 ? "ip" : "ip6",
                          address.side == Side::kSource ? "saddr" : "daddr");
  if (address.length == IpAddress{address.family, {}}.size() * 8) {
    return text;
  }
  auto mask = Prefix{{address.family, {}}, address.length}.host_mask();
  for (std::size_t i = 0; i < mask.size(); ++i) {
    mask.bytes.at(i) = static_cast<std::uint8_t>(~mask.bytes.at(i));
  }
  return fmt::format("{} & {}", text, mask.to_string());
}

/// What need not be said because another test of the rule says it too, as nft itself leaves it out.
struct Context {
  explicit Context(const Rule& rule) {
    for (const auto& match : rule.matches) {
      const auto* l4 = std::get_if<MatchL4Proto>(&match);
      if (l4 != nullptr && l4->sense == Sense::kIs && (l4->protocol == 6 || l4->protocol == 17)) {
        protocol = l4->protocol == 6 ? "tcp" : "udp";
      }
      const auto* set = std::get_if<MatchSet>(&match);
      has_address = has_address || std::holds_alternative<MatchAddress>(match) || (set != nullptr && set->address);
      const auto* family = std::get_if<MatchNfProto>(&match);
      is_ipv6 = is_ipv6 || (family != nullptr && family->family == IpFamily::kV6);
      has_transport =
          has_transport || std::holds_alternative<MatchPort>(match) || std::holds_alternative<MatchTcpFlags>(match);
    }
  }
  [[nodiscard]] bool implies(const Match& match) const {
    return (has_address && std::holds_alternative<MatchNfProto>(match)) ||
           (has_transport && protocol != "th" && std::holds_alternative<MatchL4Proto>(match));
  }

  std::string_view protocol = "th";
  bool has_address = false;
  bool is_ipv6 = false;
  bool has_transport = false;
};

struct MatchText {
  std::string_view protocol;  ///< before sport and dport

  std::string operator()(const MatchInterface& m) const {
    return fmt::format("{} {}\"{}{}\"", m.way == Way::kIn ? "iifname" : "oifname", sense_text(m.sense), m.name,
                       m.wildcard ? "*" : "");
  }
  std::string operator()(const MatchNfProto& m) const {
    return m.family == IpFamily::kV4 ? "meta nfproto ipv4" : "meta nfproto ipv6";
  }
  std::string operator()(const MatchAddress& m) const {
    return fmt::format("{} {} {}{}", m.prefix.address.family == IpFamily::kV4 ? "ip" : "ip6",
                       m.side == Side::kSource ? "saddr" : "daddr", sense_text(m.sense), m.prefix.to_string());
  }
  std::string operator()(const MatchL4Proto& m) const {
    const auto name = m.protocol == 6    ? "tcp"
                      : m.protocol == 17 ? "udp"
                      : m.protocol == 1  ? "icmp"
                      : m.protocol == 58 ? "ipv6-icmp"
                                         : fmt::format("{}", m.protocol);
    return fmt::format("meta l4proto {}{}", sense_text(m.sense), name);
  }
  std::string operator()(const MatchPort& m) const {
    return fmt::format("{} {} {}{}", protocol, m.side == Side::kSource ? "sport" : "dport", sense_text(m.sense),
                       m.ports.to_string());
  }
  std::string operator()(const MatchTcpFlags& m) const {
    return fmt::format("tcp flags & ({}) {} {}", bits_text(m.mask, kTcpFlagNames, '|'),
                       m.sense == Sense::kIs ? "==" : "!=", bits_text(m.value, kTcpFlagNames, '|'));
  }
  std::string operator()(const MatchMark& m) const {
    return fmt::format("meta mark {}{}", sense_text(m.sense), m.mark.to_string());
  }
  std::string operator()(const MatchSkuid& m) const {
    return fmt::format("meta skuid {}{}", sense_text(m.sense), m.uid);
  }
  std::string operator()(const MatchCtState& m) const { return "ct state " + bits_text(m.states, kCtStateNames, ','); }
  std::string operator()(const MatchCtDnat& m) const {
    return m.sense == Sense::kIs ? "ct status dnat" : "ct status ! dnat";
  }
  std::string operator()(const MatchCtDirection& m) const {
    return m.direction == CtDirection::kReply ? "ct direction reply" : "ct direction original";
  }
  std::string operator()(const MatchReversePath& m) const {
    return fmt::format("fib saddr . {}iif oif {}", m.by_mark ? "mark . " : "",
                       m.sense == Sense::kIs ? "exists" : "missing");
  }
  std::string operator()(const MatchSet& m) const {
    const auto interface = !m.interface ? "" : *m.interface == Way::kIn ? "iifname" : "oifname";
    return fmt::format("{}{}{} {}@{}", interface, m.interface && m.address ? " . " : "",
                       m.address ? masked_text(*m.address) : "", sense_text(m.sense), m.set);
  }
  std::string operator()(const MatchOpaque& m) const { return fmt::format("[{}]", m.what); }
};

struct StatementText {
  bool is_ipv6;  ///< the rule is for IPv6 alone

  std::string operator()(const Counter&) const { return "counter"; }
  std::string operator()(const Verdict& v) const {
    constexpr std::array kNames{"accept", "drop", "return", "continue", "jump", "goto", "queue"};
    const std::string name = kNames.at(static_cast<std::size_t>(v.code));
    return v.chain.empty() ? name : name + " " + v.chain;
  }
  std::string operator()(const SetMark& s) const { return "meta mark set " + s.mark.to_string(); }
  std::string operator()(const ClampMss&) const { return "tcp option maxseg size set rt mtu"; }
  std::string operator()(const Snat& s) const {
    if (s.to) {
      return fmt::format("snat {}to {}", s.to->family == IpFamily::kV6 ? "ip6 " : "", s.to->to_string());
    }
    return is_ipv6 ? "snat ip6 to ip6 saddr" : "snat to ip saddr";
  }
  std::string operator()(const SnatByMap& s) const {
    return fmt::format("snat {}to {} map @{}", s.address.family == IpFamily::kV6 ? "ip6 " : "", masked_text(s.address),
                       s.map);
  }
  std::string operator()(const Masquerade&) const { return "masquerade"; }
  std::string operator()(const Reject&) const { return "reject"; }
  std::string operator()(const SetNetwork& s) const {
    const auto field = fmt::format("{} {}", s.network.address.family == IpFamily::kV4 ? "ip" : "ip6",
                                   s.side == Side::kSource ? "saddr" : "daddr");
    return fmt::format("{0} set {0} & {1} | {2}", field, s.network.host_mask().to_string(),
                       s.network.address.to_string());
  }
  std::string operator()(const StartTrace&) const { return "meta nftrace set 1"; }
  std::string operator()(const StatementOpaque& s) const { return fmt::format("[{}]", s.what); }
};

}  // namespace

bool same_rule(const Rule& a, const Rule& b) {
  auto left = a.matches;
  auto right = b.matches;
  std::ranges::sort(left);
  std::ranges::sort(right);
  return left == right && a.statements == b.statements && a.comment == b.comment;
}

std::string to_string(const Rule& rule) {
  const Context context(rule);
  std::string text;
  const auto add = [&text](const std::string& part) { text += (text.empty() ? "" : " ") + part; };
  for (const auto& match : rule.matches) {
    if (!context.implies(match)) {
      add(std::visit(MatchText{context.protocol}, match));
    }
  }
  for (const auto& statement : rule.statements) {
    add(std::visit(StatementText{context.is_ipv6}, statement));
  }
  return printable(text);
}

// The kernel takes any bytes but NUL for a name.
std::string to_string(const TableKey& table) {
  return fmt::format("{} {}", family_text(table.family), printable(table.name));
}
std::string to_string(const ChainKey& chain) {
  return fmt::format("{} {}", to_string(chain.table), printable(chain.name));
}

std::string to_string(const SetKey& set) {
  return fmt::format("{} {}", to_string(set.table), printable(set.name));
}
std::string to_string(const SetElement& element, const SetType& type) {
  auto text = type.by_interface ? fmt::format("\"{}\"", printable(element.interface)) : std::string();
  if (type.by_address) {
    text += (text.empty() ? "" : " . ") + element.address.to_string();
  }
  return element.to ? fmt::format("{} : {}", text, element.to->to_string()) : text;
}

const ObservedChain* Ruleset::find(const ChainKey& key) const {
  const auto found = std::ranges::find(chains, key, &ObservedChain::key);
  return found == chains.end() ? nullptr : &*found;
}

const ObservedSet* Ruleset::find_set(const SetKey& key) const {
  const auto found = std::ranges::find(sets, key, &ObservedSet::key);
  return found == sets.end() ? nullptr : &*found;
}

bool Ruleset::has(const TableKey& key) const {
  return contains(tables, key);
}

bool Ruleset::is_dormant(const TableKey& key) const {
  return std::ranges::any_of(chains,
                             [&](const ObservedChain& chain) { return chain.key.table == key && chain.dormant; });
}

}  // namespace smtpegress::nft
