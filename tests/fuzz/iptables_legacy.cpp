// iptables-legacy's tables. The first byte of an input says what the rest is: a whole table (its hooks, then entries),
// or one rule's head and a packet, which must match for us where it does for the kernel.
#include "netlink/iptables_legacy.hpp"

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
Result<std::vector<nft::ObservedChain>> decoded(const std::string& table, const LegacyHooks& hooks, fuzz::Bytes bytes) {
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

void check_table(const std::string& table, fuzz::Bytes input) {
  const auto hooks = take<LegacyHooks>(input);
  const auto chains = decoded(table, hooks, input);
  if (!chains) {
    fuzz::must_be_malformed(chains.error());
    return;
  }
  std::size_t entries = 0;
  for (const auto& chain : *chains) {
    fuzz::must(chain.key.table == nft::TableKey{nft::Family::kIp, table}, "a chain is the table's");
    fuzz::must(!chain.hook || (hooks.valid & 1U << std::to_underlying(chain.hook->hook)) != 0,
               "a chain has a hook that the table has");
    entries += chain.rules.size();
    for (const auto& observed : chain.rules) {
      check_rule(observed.rule, *chains);
    }
  }
  fuzz::must(entries * sizeof(ipt_entry) <= input.size(), "a rule is an entry");
  fuzz::must(input.empty() || !decoded(table, hooks, input.first(input.size() - 1)), "a table cut short is refused");
}

struct Packet {
  in_addr source;
  in_addr destination;
  std::uint8_t protocol;
  char in[IFNAMSIZ];
  char out[IFNAMSIZ];
};

/// As an interface's name is: ended, and nothing behind its end.
void end_name(char (&name)[IFNAMSIZ]) {
  *std::find(name, name + IFNAMSIZ - 1, '\0') = '\0';
  std::fill(std::find(name, name + IFNAMSIZ, '\0'), name + IFNAMSIZ, '\0');
}

/// The packet that the rule tests for, but for the bits that are set in `other`.
Packet packet_like(const ipt_ip& rule, const Packet& other) {
  Packet packet{.source = {rule.src.s_addr ^ other.source.s_addr},
                .destination = {rule.dst.s_addr ^ other.destination.s_addr},
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

/// ip_packet_match(), net/ipv4/netfilter/ip_tables.c, for what is no fragment.
bool kernel_matches(const ipt_ip& rule, const Packet& packet) {
  const auto fails = [&](unsigned inverted, bool differs) { return differs != ((rule.invflags & inverted) != 0); };
  const auto differs = [](const char* name, const char* wanted, const unsigned char* mask) {
    unsigned bits = 0;
    for (std::size_t i = 0; i < IFNAMSIZ; ++i) {
      bits |= static_cast<unsigned>(name[i] ^ wanted[i]) & mask[i];
    }
    return bits != 0;
  };
  return !fails(IPT_INV_SRCIP, (packet.source.s_addr & rule.smsk.s_addr) != rule.src.s_addr) &&
         !fails(IPT_INV_DSTIP, (packet.destination.s_addr & rule.dmsk.s_addr) != rule.dst.s_addr) &&
         !fails(IPT_INV_VIA_IN, differs(packet.in, rule.iniface, rule.iniface_mask)) &&
         !fails(IPT_INV_VIA_OUT, differs(packet.out, rule.outiface, rule.outiface_mask)) &&
         (rule.proto == 0 || !fails(IPT_INV_PROTO, packet.protocol != rule.proto)) &&
         !fails(IPT_INV_FRAG, (rule.flags & IPT_F_FRAG) != 0);
}

bool holds(const nft::MatchInterface& match, const Packet& packet) {
  const std::string_view name = match.way == nft::Way::kIn ? packet.in : packet.out;
  const bool is = match.wildcard ? name.starts_with(match.name) : name == match.name;
  return is == (match.sense == nft::Sense::kIs);
}

bool holds(const nft::MatchAddress& match, const Packet& packet) {
  IpAddress address{.family = IpFamily::kV4};
  std::memcpy(address.bytes.data(), match.side == nft::Side::kSource ? &packet.source : &packet.destination, 4);
  return match.prefix.contains(address) == (match.sense == nft::Sense::kIs);
}

bool holds(const nft::MatchL4Proto& match, const Packet& packet) {
  return (match.protocol == packet.protocol) == (match.sense == nft::Sense::kIs);
}

/// Nothing where a test is not understood.
std::optional<bool> we_match(const nft::Rule& rule, const Packet& packet) {
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

void check_head(fuzz::Bytes input) {
  const auto head = take<ipt_ip>(input);
  const auto verdict = take<int>(input);
  const auto packet = packet_like(head, take<Packet>(input));
  test::LegacyTable table;
  table.begin(nft::Hook::kForward).rule(head, test::standard_target(verdict));
  table.policy(nft::Hook::kForward, test::kAccept).end();
  const auto chains = decoded("filter", table.hooks(), table.entries());
  if (!chains) {
    fuzz::must_be_malformed(chains.error());
    fuzz::must(verdict != test::kAccept && verdict != test::kDrop, "a plain verdict is understood, whatever is tested");
    return;
  }
  fuzz::must(chains->size() == 1 && chains->front().rules.size() == 1, "there is one rule");
  const auto matches = we_match(chains->front().rules.front().rule, packet);
  fuzz::must(!matches || *matches == kernel_matches(head, packet), "a head that is understood is as the kernel's");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Bytes input(data, size);
  const auto kind = take<std::uint8_t>(input);
  if (kind < std::size(kTables)) {
    check_table(kTables[kind], input);
  } else {
    check_head(input);
  }
  return 0;
}
