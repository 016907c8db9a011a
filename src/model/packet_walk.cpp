#include "model/packet_walk.hpp"
#include "net/contains.hpp"

#include <algorithm>
#include <initializer_list>

namespace smtpegress {
namespace {

using nft::Sense;

// Longer jump chains do not exist: NFT_JUMP_STACK_SIZE, linux/netfilter/nf_tables.h.
constexpr int kMaxJumpDepth = 16;

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

/// How a chain ends for the packets that went into it.
struct Ending {
  std::optional<Obstacle> obstacle{};  ///< the first certain one, else the first there is
  bool accepted = false;               ///< surely accepted: nothing after it in the base chain counts
  bool returned = false;               ///< a `return`, or a `goto` that came back
};

/// Which of the packets have come this far.
struct Reached {
  bool some = true;       ///< at least some of them surely
  bool all = true;        ///< all of them surely
  bool of_peers = false;  ///< at most those of certain peers
};

void keep_worse(Ending& whole, const std::optional<Obstacle>& found) {
  if (!found) {
    return;
  }
  const auto& before = whole.obstacle;
  if (!before || (found->certain && !before->certain) || (before->of_peers && !found->of_peers)) {
    whole.obstacle = found;
  }
}

class Walk {
 public:
  Walk(const nft::Ruleset& ruleset, PacketFacts packet, SkipRule skip, Ends ends)
      : ruleset_(ruleset), packet_(std::move(packet)), skip_(skip), ends_(ends) {}

  Ending chain(const nft::ObservedChain& chain, Reached reached, int depth) {
    Ending whole;
    for (const auto& observed : chain.rules) {
      const auto held = skip_ != nullptr && skip_(observed.rule) ? Holds::kNo : holds(observed.rule, packet_);
      if (held == Holds::kNo) {
        continue;
      }
      const Reached here{reached.some && held >= Holds::kSome, reached.all && held == Holds::kYes,
                         reached.of_peers || held == Holds::kPeers};
      const auto ending = rule(chain, observed, here, depth);
      keep_worse(whole, ending.obstacle);
      if (whole.obstacle && whole.obstacle->certain) {
        return whole;
      }
      if (held == Holds::kYes && ending.accepted) {
        whole.accepted = true;
        return whole;
      }
      if (held == Holds::kYes && ending.returned) {
        break;  // of a base chain, to its policy
      }
    }
    if (chain.hook && chain.hook->policy == nft::Policy::kDrop) {
      keep_worse(whole, Obstacle{chain.key, "policy drop", is_certain(reached), reached.of_peers});
    }
    return whole;
  }

 private:
  [[nodiscard]] bool is_certain(Reached here) const { return ends_ == Ends::kAll ? here.all : here.some; }
  [[nodiscard]] Obstacle end_at(const nft::ObservedChain& chain, const nft::ObservedRule& observed,
                                Reached here) const {
    return {chain.key, nft::to_string(observed.rule), is_certain(here), here.of_peers, observed.handle};
  }

  Ending rule(const nft::ObservedChain& chain, const nft::ObservedRule& observed, Reached here, int depth) {
    for (const auto& statement : observed.rule.statements) {
      if (const auto* set = std::get_if<nft::SetMark>(&statement)) {
        set_mark(set->mark, here);
      }
      if (refuses(statement)) {
        return {end_at(chain, observed, here)};
      }
      if (const auto* verdict = std::get_if<nft::Verdict>(&statement)) {
        return this->verdict(chain, observed, *verdict, here, depth);
      }
    }
    return {};
  }

  /// A mark that is set for some of the packets only leaves it unknown.
  void set_mark(const Mark& mark, Reached here) {
    if (here.all && packet_.mark) {
      packet_.mark = (*packet_.mark & ~mark.mask) | mark.value;
    } else if (here.all && mark.mask == 0xffffffff) {
      packet_.mark = mark.value;
    } else {
      packet_.mark.reset();
    }
  }

  Ending verdict(const nft::ObservedChain& chain, const nft::ObservedRule& observed, const nft::Verdict& verdict,
                 Reached here, int depth) {
    switch (verdict.code) {
      case nft::VerdictCode::kAccept:
        return {{}, true};
      case nft::VerdictCode::kDrop:
      case nft::VerdictCode::kQueue:
        return {end_at(chain, observed, here)};
      case nft::VerdictCode::kReturn:
        return {{}, false, true};
      case nft::VerdictCode::kContinue:
        return {};
      case nft::VerdictCode::kJump:
      case nft::VerdictCode::kGoto: {
        const auto* target = ruleset_.find({chain.key.table, verdict.chain});
        if (target == nullptr || depth >= kMaxJumpDepth) {
          return {};
        }
        auto ending = this->chain(*target, here, depth + 1);
        ending.returned = verdict.code == nft::VerdictCode::kGoto;
        return ending;
      }
    }
    return {};
  }

  const nft::Ruleset& ruleset_;
  PacketFacts packet_;
  SkipRule skip_;
  Ends ends_;
};

/// The first address rewrite that surely is one, else the first that may be; `accepted` or `returned` where surely all
/// the packets left the chain before one. `sure`: that some packets come here.
Ending rewrite_in(const nft::Ruleset& ruleset, const nft::ObservedChain& chain, const PacketFacts& packet, bool sure,
                  int depth) {
  Ending whole;
  for (const auto& observed : chain.rules) {
    const auto held = holds(observed.rule, packet);
    if (held == Holds::kNo) {
      continue;
    }
    const bool surely_here = sure && held >= Holds::kSome;
    for (const auto& statement : observed.rule.statements) {
      if (rewrites(statement)) {
        keep_worse(whole, Obstacle{chain.key, nft::to_string(observed.rule), surely_here, false, observed.handle});
        if (surely_here) {
          return whole;
        }
        continue;
      }
      const auto* verdict = std::get_if<nft::Verdict>(&statement);
      if (verdict == nullptr) {
        continue;
      }
      const bool ends = verdict->code == nft::VerdictCode::kAccept || verdict->code == nft::VerdictCode::kDrop;
      if (held == Holds::kYes && (ends || verdict->code == nft::VerdictCode::kReturn)) {
        whole.accepted = ends;
        whole.returned = !ends;
        return whole;
      }
      const auto* target = verdict->chain.empty() ? nullptr : ruleset.find({chain.key.table, verdict->chain});
      if (target != nullptr && depth < kMaxJumpDepth) {
        const auto below = rewrite_in(ruleset, *target, packet, surely_here, depth + 1);
        keep_worse(whole, below.obstacle);
        if ((below.obstacle && below.obstacle->certain) || (held == Holds::kYes && below.accepted)) {
          whole.accepted = below.accepted;
          return whole;
        }
      }
    }
  }
  return whole;
}

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
  return Walk(ruleset, packet, skip, ends).chain(chain, {}, 0).obstacle;
}

std::optional<Obstacle> find_rewrite(const nft::Ruleset& ruleset, const nft::ObservedChain& chain,
                                     const PacketFacts& packet) {
  return rewrite_in(ruleset, chain, packet, true, 0).obstacle;
}

}  // namespace smtpegress
