// iptables-legacy's tables of both families. The first byte of an input says what the rest is: a whole table (its
// hooks, then entries), or one rule's head and a packet, which must match for us where it does for the kernel.
#include "netlink/iptables_legacy.hpp"

#include <functional>
#include <optional>

#include "codec/iptables_legacy_bytes.hpp"
#include "fuzz/messages.hpp"

using namespace smtpegress;

namespace {

using netlink::decode_legacy_table;
using netlink::LegacyHooks;

const char* const kTables[] = {"filter", "nat", "mangle", "raw", "security", "of a later kernel"};

/// Takes a value off the front; zeros where the input has ended.
template <class T>
T take(fuzz::Bytes& input) {
  T value{};
  const auto size = std::min(sizeof value, input.size());
  std::memcpy(&value, input.data(), size);
  input = input.subspan(size);
  return value;
}

/// In a buffer of exactly their size, so that the sanitizer sees what is read beyond.
Result<std::vector<nft::ObservedChain>> decoded(const nft::TableKey& table, const LegacyHooks& hooks,
                                                fuzz::Bytes bytes) {
  const auto exact = std::make_unique_for_overwrite<std::uint8_t[]>(bytes.size());
  std::ranges::copy(bytes, exact.get());
  return decode_legacy_table(table, hooks, {exact.get(), bytes.size()});
}

bool is_network(const nft::Match& match) {
  const auto* address = std::get_if<nft::MatchAddress>(&match);
  if (address == nullptr) {
    return true;
  }
  const auto parsed = Prefix::parse(address->prefix.to_string());
  return parsed && *parsed == address->prefix;
}

void check_rule(const nft::Rule& rule, const std::vector<nft::ObservedChain>& chains) {
  fuzz::must(std::ranges::all_of(rule.matches, is_network), "an address is tested by its network");
  for (const auto& statement : rule.statements) {
    const auto* verdict = std::get_if<nft::Verdict>(&statement);
    const bool jumps =
        verdict != nullptr && (verdict->code == nft::VerdictCode::kJump || verdict->code == nft::VerdictCode::kGoto);
    fuzz::must(!jumps || std::ranges::any_of(chains, [&](const auto& c) { return c.key.name == verdict->chain; }),
               "a jump ends in a chain of the table");
  }
}

void check_table(const nft::TableKey& table, fuzz::Bytes input) {
  const auto hooks = take<LegacyHooks>(input);
  const auto chains = decoded(table, hooks, input);
  if (!chains) {
    fuzz::must_be_malformed(chains.error());
    return;
  }
  std::size_t entries = 0;
  for (const auto& chain : *chains) {
    fuzz::must(chain.key.table == table, "a chain is the table's");
    fuzz::must(!chain.hook || (hooks.valid & 1U << std::to_underlying(chain.hook->hook)) != 0,
               "a chain has a hook that the table has");
    entries += chain.rules.size();
    for (const auto& observed : chain.rules) {
      check_rule(observed.rule, *chains);
    }
  }
  const auto smallest = table.family == nft::Family::kIp ? sizeof(ipt_entry) : sizeof(ip6t_entry);
  fuzz::must(entries * smallest <= input.size(), "a rule is an entry");
  fuzz::must(input.empty() || !decoded(table, hooks, input.first(input.size() - 1)), "a table cut short is refused");
}

/// What the families have apart: the kernel's structures, and which protocol a head tests for (0: any).
struct Ip4 {
  static constexpr auto kFamily = nft::Family::kIp;
  static constexpr auto kIpFamily = IpFamily::kV4;
  using Head = ipt_ip;
  using Address = in_addr;
  using Table = test::LegacyTable;
  static unsigned protocol(const Head& head) { return head.proto; }
  static bool excludes_whole(const Head& head) {
    return ((head.flags & IPT_F_FRAG) != 0) != ((head.invflags & IPT_INV_FRAG) != 0);
  }
};
struct Ip6 {
  static constexpr auto kFamily = nft::Family::kIp6;
  static constexpr auto kIpFamily = IpFamily::kV6;
  using Head = ip6t_ip6;
  using Address = in6_addr;
  using Table = test::Legacy6Table;
  static unsigned protocol(const Head& head) { return (head.flags & IP6T_F_PROTO) != 0 ? head.proto : 0U; }
  static bool excludes_whole(const Head&) { return false; }
};

template <class Ip>
struct Packet {
  typename Ip::Address source;
  typename Ip::Address destination;
  std::uint8_t protocol;
  char in[IFNAMSIZ];
  char out[IFNAMSIZ];
};

template <class Address>
Address combined(const Address& a, const Address& b, auto operation) {
  Address result{};
  const auto* first = reinterpret_cast<const std::uint8_t*>(&a);
  const auto* second = reinterpret_cast<const std::uint8_t*>(&b);
  std::transform(first, first + sizeof a, second, reinterpret_cast<std::uint8_t*>(&result), operation);
  return result;
}

template <class Address>
bool differs(const Address& address, const Address& mask, const Address& wanted) {
  const auto masked = combined(address, mask, std::bit_and<std::uint8_t>{});
  return std::memcmp(&masked, &wanted, sizeof wanted) != 0;
}

/// As an interface's name is: ended, and nothing behind its end.
void end_name(char (&name)[IFNAMSIZ]) {
  *std::find(name, name + IFNAMSIZ - 1, '\0') = '\0';
  std::fill(std::find(name, name + IFNAMSIZ, '\0'), name + IFNAMSIZ, '\0');
}

/// The packet that the rule tests for, but for the bits that are set in `other`.
template <class Ip>
Packet<Ip> packet_like(const typename Ip::Head& rule, const Packet<Ip>& other) {
  Packet<Ip> packet{.source = combined(rule.src, other.source, std::bit_xor<std::uint8_t>{}),
                    .destination = combined(rule.dst, other.destination, std::bit_xor<std::uint8_t>{}),
                    .protocol = static_cast<std::uint8_t>(rule.proto ^ other.protocol),
                    .in = {},
                    .out = {}};
  const auto mixed = [](char a, char b) { return static_cast<char>(a ^ b); };
  std::ranges::transform(rule.iniface, other.in, std::begin(packet.in), mixed);
  std::ranges::transform(rule.outiface, other.out, std::begin(packet.out), mixed);
  end_name(packet.in);
  end_name(packet.out);
  return packet;
}

/// ip_packet_match(), net/ipv4/netfilter/ip_tables.c, for what is no fragment; ip6_packet_match(), likewise.
template <class Ip>
bool kernel_matches(const typename Ip::Head& rule, const Packet<Ip>& packet) {
  const auto fails = [&](unsigned inverted, bool differ) { return differ != ((rule.invflags & inverted) != 0); };
  const auto other_name = [](const char* name, const char* wanted, const unsigned char* mask) {
    unsigned bits = 0;
    for (std::size_t i = 0; i < IFNAMSIZ; ++i) {
      bits |= static_cast<unsigned>(name[i] ^ wanted[i]) & mask[i];
    }
    return bits != 0;
  };
  const auto protocol = Ip::protocol(rule);
  return !fails(IPT_INV_SRCIP, differs(packet.source, rule.smsk, rule.src)) &&
         !fails(IPT_INV_DSTIP, differs(packet.destination, rule.dmsk, rule.dst)) &&
         !fails(IPT_INV_VIA_IN, other_name(packet.in, rule.iniface, rule.iniface_mask)) &&
         !fails(IPT_INV_VIA_OUT, other_name(packet.out, rule.outiface, rule.outiface_mask)) &&
         (protocol == 0 || !fails(IPT_INV_PROTO, packet.protocol != protocol)) && !Ip::excludes_whole(rule);
}

template <class Ip>
bool holds(const nft::MatchInterface& match, const Packet<Ip>& packet) {
  const std::string_view name = match.way == nft::Way::kIn ? packet.in : packet.out;
  const bool is = match.wildcard ? name.starts_with(match.name) : name == match.name;
  return is == (match.sense == nft::Sense::kIs);
}

template <class Ip>
bool holds(const nft::MatchAddress& match, const Packet<Ip>& packet) {
  IpAddress address{.family = Ip::kIpFamily};
  std::memcpy(address.bytes.data(), match.side == nft::Side::kSource ? &packet.source : &packet.destination,
              sizeof packet.source);
  return match.prefix.contains(address) == (match.sense == nft::Sense::kIs);
}

template <class Ip>
bool holds(const nft::MatchL4Proto& match, const Packet<Ip>& packet) {
  return (match.protocol == packet.protocol) == (match.sense == nft::Sense::kIs);
}

/// Nothing where a test is not understood.
template <class Ip>
std::optional<bool> we_match(const nft::Rule& rule, const Packet<Ip>& packet) {
  bool all = true;
  for (const auto& match : rule.matches) {
    const auto one = std::visit(
        [&](const auto& m) -> std::optional<bool> {
          if constexpr (requires { holds(m, packet); }) {
            return holds(m, packet);
          } else {
            return std::nullopt;
          }
        },
        match);
    if (!one) {
      return std::nullopt;
    }
    all = all && *one;
  }
  return all;
}

template <class Ip>
void check_head(fuzz::Bytes input) {
  const auto head = take<typename Ip::Head>(input);
  const auto verdict = take<int>(input);
  const auto packet = packet_like<Ip>(head, take<Packet<Ip>>(input));
  typename Ip::Table table;
  table.begin(nft::Hook::kForward).rule(head, test::standard_target(verdict));
  table.policy(nft::Hook::kForward, test::kAccept).end();
  const auto chains = decoded({Ip::kFamily, "filter"}, table.hooks(), table.entries());
  if (!chains) {
    fuzz::must_be_malformed(chains.error());
    fuzz::must(verdict != test::kAccept && verdict != test::kDrop, "a plain verdict is understood, whatever is tested");
    return;
  }
  fuzz::must(chains->size() == 1 && chains->front().rules.size() == 1, "there is one rule");
  const auto matches = we_match(chains->front().rules.front().rule, packet);
  fuzz::must(!matches || *matches == kernel_matches<Ip>(head, packet), "a head that is understood is as the kernel's");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Bytes input(data, size);
  const auto kind = take<std::uint8_t>(input);
  if (kind < std::size(kTables)) {
    check_table({nft::Family::kIp, kTables[kind]}, input);
  } else if (kind < 2 * std::size(kTables)) {
    check_table({nft::Family::kIp6, kTables[kind - std::size(kTables)]}, input);
  } else if (kind % 2 != 0) {
    check_head<Ip4>(input);
  } else {
    check_head<Ip6>(input);
  }
  return 0;
}
