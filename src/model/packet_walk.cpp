#include "model/packet_walk.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>

#include "model/rules.hpp"
#include "net/contains.hpp"

namespace smtpegress {
namespace {

using nft::Sense;

// Longer jump chains do not exist: NFT_JUMP_STACK_SIZE, linux/netfilter/nf_tables.h.
constexpr int kMaxJumpDepth = 16;

constexpr PortRange kEphemeralPorts{32768, 60999};  // net.ipv4.ip_local_port_range, as the kernel has it

constexpr std::array kStates{nft::kCtNew, nft::kCtEstablished, nft::kCtRelated, nft::kCtInvalid, nft::kCtUntracked};

Holds by_sense(Holds plain, Sense sense) {
  if (sense == Sense::kIs || plain == Holds::kMaybe || plain == Holds::kSome) {
    return plain;
  }
  if (plain == Holds::kPeers) {
    return Holds::kMaybe;  // all the others
  }
  return plain == Holds::kYes ? Holds::kNo : Holds::kYes;
}

Holds when(bool condition) {
  return condition ? Holds::kYes : Holds::kNo;
}

Holds within(const std::optional<Prefix>& facts, const Prefix& wanted) {
  if (!facts) {
    return wanted.is_default() ? Holds::kYes : wanted.is_internet() ? Holds::kMaybe : Holds::kPeers;
  }
  if (wanted.contains(*facts)) {
    return Holds::kYes;
  }
  return wanted.overlaps(*facts) ? Holds::kSome : Holds::kNo;
}

Holds within(const std::optional<PortRange>& facts, const PortRange& wanted) {
  if (!facts) {
    return Holds::kMaybe;
  }
  if (wanted.first <= facts->first && facts->last <= wanted.last) {
    return Holds::kYes;
  }
  return wanted.overlaps(*facts) ? Holds::kSome : Holds::kNo;
}

struct MatchHolds {
  const PacketFacts& packet;

  Holds operator()(const nft::MatchInterface& m) const {
    const auto& name = m.way == nft::Way::kIn ? packet.in : packet.out;
    if (packet.passage == (m.way == nft::Way::kIn ? Passage::kSent : Passage::kReceived)) {
      return by_sense(Holds::kNo, m.sense);
    }
    if (name.empty()) {
      return Holds::kMaybe;
    }
    return by_sense(when(m.wildcard ? name.str().starts_with(m.name) : name.str() == m.name), m.sense);
  }
  Holds operator()(const nft::MatchNfProto& m) const { return when(m.family == packet.family); }
  Holds operator()(const nft::MatchAddress& m) const {
    if (m.prefix.address.family != packet.family) {
      return Holds::kNo;
    }
    return by_sense(within(m.side == nft::Side::kSource ? packet.source : packet.destination, m.prefix), m.sense);
  }
  Holds operator()(const nft::MatchL4Proto& m) const { return by_sense(when(m.protocol == packet.protocol), m.sense); }
  Holds operator()(const nft::MatchPort& m) const {
    return by_sense(within(m.side == nft::Side::kSource ? packet.source_port : packet.destination_port, m.ports),
                    m.sense);
  }
  Holds operator()(const nft::MatchTcpFlags& m) const {
    if (packet.tcp_flags_never && m.mask == 0x17 && m.value == *packet.tcp_flags_never) {  // fin|syn|rst|ack
      return by_sense(Holds::kNo, m.sense);
    }
    return Holds::kMaybe;
  }
  Holds operator()(const nft::MatchMark& m) const {
    return packet.mark ? by_sense(when((*packet.mark & m.mark.mask) == m.mark.value), m.sense) : Holds::kMaybe;
  }
  Holds operator()(const nft::MatchSkuid& m) const {
    if (packet.passage == Passage::kSent && packet.uid) {
      return by_sense(when(m.uid == *packet.uid), m.sense);
    }
    return packet.passage == Passage::kForwarded ? Holds::kNo : Holds::kMaybe;
  }
  Holds operator()(const nft::MatchCtState& m) const {
    if (packet.ct_states == 0) {
      return Holds::kMaybe;
    }
    if ((packet.ct_states & ~m.states) == 0) {
      return Holds::kYes;
    }
    return (packet.ct_states & m.states) != 0 ? Holds::kSome : Holds::kNo;
  }
  Holds operator()(const nft::MatchCtDirection& m) const {
    return packet.direction ? when(*packet.direction == m.direction) : Holds::kMaybe;
  }
  Holds operator()(const nft::MatchCtDnat& m) const {
    if (m.sense == nft::Sense::kIsNot && packet.ct_states == 0) {
      return Holds::kMaybe;
    }
    return by_sense(Holds::kNo, m.sense);  // mail's never is
  }
  Holds operator()(const nft::MatchReversePath& m) const {
    const auto& returns = m.by_mark ? packet.returns_by_mark : packet.returns;
    return returns ? by_sense(when(*returns), m.sense) : Holds::kMaybe;
  }
  Holds operator()(const nft::MatchSet&) const { return Holds::kMaybe; }  // our own tables' alone, which are not walked
  Holds operator()(const nft::MatchOpaque& m) const {
    const bool names_peers =
        (!packet.source && m.what.ends_with(" saddr set")) || (!packet.destination && m.what.ends_with(" daddr set"));
    return names_peers ? Holds::kPeers : Holds::kMaybe;
  }
};

/// Is it one of these statements that the decoder does not know in full?
bool is_opaque(const nft::Statement& statement, std::initializer_list<std::string_view> names) {
  const auto* opaque = std::get_if<nft::StatementOpaque>(&statement);
  return opaque != nullptr && contains(names, opaque->what);
}

/// A rejection of any kind, or a hand-over to a program that may not give it back.
bool refuses(const nft::Statement& statement) {
  return std::holds_alternative<nft::Reject>(statement) ||
         is_opaque(statement, {"reject", "queue", "xt NFQUEUE", "xt REJECT", "synproxy", "tproxy", "xt TPROXY", "fwd"});
}

/// What gives a packet another source address in postrouting, or another destination in prerouting.
bool rewrites(const nft::Statement& statement) {
  return std::holds_alternative<nft::Snat>(statement) || std::holds_alternative<nft::SnatByMap>(statement) ||
         std::holds_alternative<nft::Masquerade>(statement) ||
         is_opaque(statement,
                   {"nat", "masquerade", "redir", "xt SNAT", "xt MASQUERADE", "xt DNAT", "xt REDIRECT", "xt NETMAP"});
}

/// A verdict by a map, whose elements are not known here.
bool decides_by_map(const nft::Statement& statement) {
  return is_opaque(statement, {"vmap", "ct state vmap"});
}

/// Two marks: some of the packets surely have one, and some the other.
using Marks = std::optional<std::array<std::uint32_t, 2>>;

bool fits(const nft::MatchTcpFlags& m, unsigned flags) {
  return ((flags & m.mask) == m.value) == (m.sense == Sense::kIs);
}
bool fits(const nft::MatchMark& m, std::uint32_t mark) {
  return ((mark & m.mark.mask) == m.mark.value) == (m.sense == Sense::kIs);
}

/// Do some of the packets surely fail the test, whatever is true of the others?
bool surely_spares_some(const nft::Match& match, const PacketFacts& packet, const Marks& marks) {
  const auto held = std::visit(MatchHolds{packet}, match);
  if (held != Holds::kMaybe) {
    return held != Holds::kYes;
  }
  if (const auto* port = std::get_if<nft::MatchPort>(&match)) {  // the client's: another in each connection
    const bool has_all = port->ports.contains(kEphemeralPorts.first) && port->ports.contains(kEphemeralPorts.last);
    return port->sense == Sense::kIs ? !has_all : port->ports.overlaps(kEphemeralPorts);
  }
  if (const auto* flags = std::get_if<nft::MatchTcpFlags>(&match)) {  // of what a side sends first, and then
    const bool answers = packet.tcp_flags_never == rules::kSyn;
    constexpr unsigned kAnswer = rules::kSyn | rules::kAck;
    const bool begins = answers || packet.ct_states == 0 || (packet.ct_states & nft::kCtNew) != 0;
    const bool goes_on = answers || packet.ct_states != nft::kCtNew;
    return (begins && !fits(*flags, answers ? kAnswer : rules::kSyn)) || (goes_on && !fits(*flags, rules::kAck));
  }
  if (const auto* mark = std::get_if<nft::MatchMark>(&match)) {
    return marks && !std::ranges::all_of(*marks, [&](std::uint32_t one) { return fits(*mark, one); });
  }
  // By its number an interface is nearly always `lo`, by which no mail goes: tunnels and bridges come and go.
  const auto* opaque = std::get_if<nft::MatchOpaque>(&match);
  return opaque != nullptr && (opaque->what == "meta iif" || opaque->what == "meta oif");
}

/// How much of what is still on its way.
enum class Extent : std::uint8_t { kAll, kPart, kUnknown };

Extent extent_of(Holds held) {
  return held == Holds::kYes ? Extent::kAll : held == Holds::kSome ? Extent::kPart : Extent::kUnknown;
}

/// Which of the packets have come this far.
struct Reached {
  bool some = true;              ///< at least some of them surely
  bool all = true;               ///< all of them surely
  bool of_peers = false;         ///< at most those of certain peers
  Extent extent = Extent::kAll;  ///< of those that nothing before has accepted
};

/// What becomes of the packets that a rule holds for, or that go into a chain. Those that are not accepted stay: they
/// meet their end there, or go on. So a drop takes nothing from what follows it, and an accept does.
struct Ending {
  std::optional<Obstacle> obstacle{};  ///< the first certain one, else the first there is
  bool some_stay = true;               ///< at least some of them surely
  bool all_stay = true;                ///< all of them surely
  bool over = false;                   ///< surely none of them goes on
  bool returned = false;               ///< what goes on does so behind the chain's call: a `return`, or a `goto`
};
constexpr Ending kAccepted{.obstacle = {}, .some_stay = false, .all_stay = false, .over = true};
constexpr Ending kPerhapsAccepted{.obstacle = {}, .some_stay = false, .all_stay = false};

void keep_worse(Ending& whole, const std::optional<Obstacle>& found) {
  if (!found) {
    return;
  }
  const auto& before = whole.obstacle;
  if (!before || (found->certain && !before->certain) || (before->of_peers && !found->of_peers)) {
    whole.obstacle = found;
  }
}

/// What is looked for.
enum class Seek : std::uint8_t {
  kEnd,      ///< where packets are dropped, rejected or handed to userspace
  kRewrite,  ///< where they are given another address
};

class Walk {
 public:
  Walk(const nft::Ruleset& ruleset, PacketFacts packet, Seek seek, SkipRule skip, Ends ends)
      : ruleset_(ruleset), packet_(std::move(packet)), seek_(seek), skip_(skip), ends_(ends) {}

  /// Of the packets that went into it.
  Ending chain(const nft::ObservedChain& chain, const Reached& entered, int depth) {
    Ending whole{.obstacle = {}, .some_stay = false};
    Reached left;  // of them, in the chain
    bool may_have_returned = false;
    for (const auto& observed : chain.rules) {
      const auto held = skip_ != nullptr && skip_(observed.rule) ? Holds::kNo : holds(observed.rule, packet_);
      if (held == Holds::kNo) {
        continue;
      }
      const bool spares_some = held != Holds::kYes && surely_spares_some(observed.rule);
      const auto ending = rule(chain, observed, part(entered, left, held), depth);
      keep_worse(whole, ending.obstacle);
      if (whole.obstacle && whole.obstacle->certain) {
        return whole;
      }
      whole.all_stay = whole.all_stay && ending.all_stay;
      whole.some_stay = whole.some_stay || (ending.returned && ending.some_stay && left.some && held >= Holds::kSome);
      if (held == Holds::kYes && (ending.over || ending.returned)) {
        whole.over = ending.over && !may_have_returned;
        left.some = left.some && ending.some_stay && ending.over;
        break;
      }
      left.some = left.some && (spares_some || (ending.some_stay && !ending.returned));
      left.all = left.all && ending.all_stay && !ending.returned;
      left.extent = ending.returned ? std::max(left.extent, extent_of(held)) : left.extent;
      may_have_returned = may_have_returned || ending.returned;
    }
    whole.some_stay = whole.some_stay || left.some || whole.all_stay;
    const bool to_policy = chain.hook && !whole.over;  // what returned from a base chain goes there, too
    if (to_policy && seek_ == Seek::kEnd && chain.hook->policy == nft::Policy::kDrop) {
      const Reached here{entered.some && whole.some_stay, entered.all && whole.all_stay, entered.of_peers};
      keep_worse(whole, Obstacle{chain.key, "policy drop", is_certain(here), here.of_peers});
    }
    return whole;
  }

 private:
  [[nodiscard]] bool is_certain(const Reached& here) const { return ends_ == Ends::kAll ? here.all : here.some; }
  [[nodiscard]] Ending end_at(const nft::ObservedChain& chain, const nft::ObservedRule& observed,
                              const Reached& here) const {
    return {.obstacle =
                Obstacle{chain.key, nft::to_string(observed.rule), is_certain(here), here.of_peers, observed.handle},
            .over = true};
  }
  static Reached part(const Reached& entered, const Reached& left, Holds held) {
    return {.some = entered.some && left.some && held >= Holds::kSome,
            .all = entered.all && left.all && held == Holds::kYes,
            .of_peers = entered.of_peers || held == Holds::kPeers,
            .extent = std::max({entered.extent, left.extent, extent_of(held)})};
  }
  [[nodiscard]] bool surely_spares_some(const nft::Rule& rule) const {
    return std::ranges::any_of(
        rule.matches, [&](const nft::Match& match) { return smtpegress::surely_spares_some(match, packet_, marks_); });
  }

  Ending rule(const nft::ObservedChain& chain, const nft::ObservedRule& observed, const Reached& here, int depth) {
    for (const auto& statement : observed.rule.statements) {
      if (const auto* set = std::get_if<nft::SetMark>(&statement)) {
        set_mark(set->mark, here);
      }
      if (seek_ == Seek::kEnd ? refuses(statement) : rewrites(statement)) {
        return end_at(chain, observed, here);
      }
      if (decides_by_map(statement)) {
        return kPerhapsAccepted;
      }
      if (const auto* verdict = std::get_if<nft::Verdict>(&statement)) {
        return this->verdict(chain, observed, *verdict, here, depth);
      }
    }
    return {};
  }

  /// A mark that is set for some of the packets only leaves it unknown which of two it is.
  void set_mark(const Mark& mark, const Reached& here) {
    const auto before = packet_.mark;
    if (packet_.mark) {
      packet_.mark = (*before & ~mark.mask) | mark.value;
    } else if (mark.mask == 0xffffffff) {
      packet_.mark = mark.value;
    }
    marks_.reset();
    if (here.extent != Extent::kAll && packet_.mark != before) {
      if (before && here.some && here.extent == Extent::kPart) {
        marks_ = {*before, *packet_.mark};
      }
      packet_.mark.reset();
    }
  }

  Ending verdict(const nft::ObservedChain& chain, const nft::ObservedRule& observed, const nft::Verdict& verdict,
                 const Reached& here, int depth) {
    switch (verdict.code) {
      case nft::VerdictCode::kAccept:
        return kAccepted;
      case nft::VerdictCode::kDrop:
      case nft::VerdictCode::kQueue:
        return seek_ == Seek::kEnd ? end_at(chain, observed, here) : kAccepted;  // rewritten they are not any more
      case nft::VerdictCode::kReturn:
        return {.obstacle = {}, .returned = true};
      case nft::VerdictCode::kContinue:
        return {};
      case nft::VerdictCode::kJump:
      case nft::VerdictCode::kGoto: {
        const auto* target = ruleset_.find({chain.key.table, verdict.chain});
        if (target == nullptr || depth >= kMaxJumpDepth) {
          return {};
        }
        auto ending = this->chain(*target, here, depth + 1);
        ending.returned = verdict.code == nft::VerdictCode::kGoto && !ending.over;
        return ending;
      }
    }
    return {};
  }

  const nft::Ruleset& ruleset_;
  PacketFacts packet_;
  Marks marks_;
  Seek seek_;
  SkipRule skip_;
  Ends ends_;
};

}  // namespace

Holds holds(const nft::Rule& rule, const PacketFacts& packet) {
  Holds all = Holds::kYes;
  for (const auto& match : rule.matches) {
    const auto one = std::visit(MatchHolds{packet}, match);
    if (one == Holds::kNo) {
      return Holds::kNo;
    }
    all = std::min(all, one);
  }
  return all;
}

std::optional<Obstacle> find_obstacle(const nft::Ruleset& ruleset, const nft::ObservedChain& chain,
                                      const PacketFacts& packet, SkipRule skip, Ends ends) {
  const auto met_by = [&](const PacketFacts& facts) {
    return Walk(ruleset, facts, Seek::kEnd, skip, ends).chain(chain, {}, 0).obstacle;
  };
  if (ends == Ends::kAll || packet.ct_states == 0) {
    return met_by(packet);
  }
  Ending worst;  // a flow ends where its first packet does, or where all the others do
  for (const std::uint32_t state : kStates) {
    if ((packet.ct_states & state) != 0 && !(worst.obstacle && worst.obstacle->certain)) {
      auto facts = packet;
      facts.ct_states = state;
      keep_worse(worst, met_by(facts));
    }
  }
  return worst.obstacle;
}

std::optional<Obstacle> find_rewrite(const nft::Ruleset& ruleset, const nft::ObservedChain& chain,
                                     const PacketFacts& packet) {
  auto first = packet;  // nat chains see no other of a connection
  first.ct_states = (packet.ct_states & nft::kCtNew) != 0 ? nft::kCtNew : packet.ct_states;
  return Walk(ruleset, first, Seek::kRewrite, nullptr, Ends::kSome).chain(chain, {}, 0).obstacle;
}

}  // namespace smtpegress
