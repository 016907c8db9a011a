#include "model/rule_walk.hpp"

#include <algorithm>
#include <vector>

namespace smtpegress {
namespace {

Holds when(bool condition) {
  return condition ? Holds::kYes : Holds::kNo;
}

template <class T>
Holds part_of(const std::optional<T>& facts, const T& wanted, bool contains) {
  return contains ? Holds::kYes : wanted.overlaps(*facts) ? Holds::kSome : Holds::kNo;
}

Holds address_holds(const std::optional<Prefix>& facts, const std::optional<Prefix>& wanted) {
  if (!wanted || wanted->is_default()) {
    return Holds::kYes;
  }
  return facts ? part_of(facts, *wanted, wanted->contains(*facts)) : Holds::kMaybe;
}

Holds port_holds(const std::optional<PortRange>& facts, const std::optional<PortRange>& wanted) {
  if (!wanted) {
    return Holds::kYes;
  }
  return facts ? part_of(facts, *wanted, wanted->first <= facts->first && facts->last <= wanted->last) : Holds::kMaybe;
}

Holds mark_holds(const std::optional<std::uint32_t>& facts, const std::optional<Mark>& wanted) {
  if (!wanted) {
    return Holds::kYes;
  }
  return facts ? when((*facts & wanted->mask) == wanted->value) : Holds::kMaybe;
}

/// The host's own packets come in by "lo".
Holds incoming_holds(const PacketFacts& packet, const std::string& wanted) {
  if (wanted.empty()) {
    return Holds::kYes;
  }
  if (wanted == "lo" || packet.passage == Passage::kSent) {
    return when(wanted == "lo" && packet.passage == Passage::kSent);
  }
  return packet.in.empty() ? Holds::kMaybe : when(packet.in.str() == wanted);
}

/// What is forwarded has no socket, and counts as root's (sock_net_uid, net/sock.h).
Holds user_holds(const PacketFacts& packet, const std::optional<UidRange>& wanted) {
  if (!wanted) {
    return Holds::kYes;
  }
  const auto uid = packet.passage == Passage::kSent ? packet.uid : std::optional(0U);
  return uid ? when(wanted->contains(*uid)) : Holds::kMaybe;
}

/// fib_rule_match, net/core/fib_rules.c.
Holds selects(const PolicyRule& rule, const RuleSelectors& selectors, const PacketFacts& packet) {
  const Holds plain = std::min({
      address_holds(packet.source, selectors.source),
      address_holds(packet.destination, selectors.destination),
      port_holds(packet.source_port, selectors.source_ports),
      port_holds(packet.destination_port, selectors.destination_ports),
      mark_holds(packet.mark, rule.mark),
      incoming_holds(packet, selectors.incoming),
      user_holds(packet, selectors.users),
      when(selectors.outgoing.empty()),  // a forwarded packet is looked up without an outgoing interface
      when(selectors.ip_protocol == 0 || selectors.ip_protocol == packet.protocol),
      selectors.further ? Holds::kMaybe : Holds::kYes,
  });
  if (!selectors.inverted || plain == Holds::kMaybe || plain == Holds::kSome) {
    return plain;
  }
  return plain == Holds::kYes ? Holds::kNo : Holds::kYes;
}

/// Has the table an answer for the internet at large? Routes
/// to single networks (a VPN's own) take none of the mail.
bool leads_on(const ObservedState& observed, IpFamily family, TableId table,
              const std::optional<std::uint32_t>& suppress_length) {
  return std::ranges::any_of(observed.routes, [&](const Route& route) {
    return route.family == family && route.table == table && route.destination.is_internet() &&
           route.type != RouteType::kThrow && (!suppress_length || route.destination.length > *suppress_length);
  });
}

bool takes(const ObservedState& observed, const PolicyRule& rule, const RuleSelectors& selectors,
           const PolicyRule& ours) {
  if (rule.action == kLookUpTable) {
    return leads_on(observed, rule.family, rule.table, selectors.suppress_length);
  }
  if (rule.action == kGoToRule) {
    return selectors.go_to && *selectors.go_to > ours.priority;
  }
  return rule.action >= kFirstRefusal && rule.action <= kLastRefusal;
}

}  // namespace

std::optional<RuleAhead> find_rule_ahead(const ObservedState& observed, const PolicyRule& ours,
                                         const PacketFacts& packet) {
  const auto end = std::ranges::find(observed.rules, ours);
  std::optional<RuleAhead> perhaps;
  for (auto rule = observed.rules.begin(); end != observed.rules.end() && rule != end; ++rule) {
    const auto selectors = selectors_of(*rule);
    if (rule->family != ours.family || rule->protocol == kOurProtocol || !takes(observed, *rule, selectors, ours)) {
      continue;
    }
    const auto held = selects(*rule, selectors, packet);
    if (held >= Holds::kSome) {
      return RuleAhead{*rule, held};
    }
    if (held == Holds::kMaybe && !perhaps) {
      perhaps = RuleAhead{*rule, held};
    }
  }
  return perhaps;
}

}  // namespace smtpegress
