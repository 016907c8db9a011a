#include <fmt/format.h>

#include <algorithm>

#include "model/sysctl_keys.hpp"
#include "net/contains.hpp"
#include "plan/links.hpp"
#include "plan/match.hpp"
#include "plan/sets.hpp"
#include "smtpegress/plan.hpp"

namespace smtpegress {
namespace {

Finding found(Object object, Presence presence, std::string detail = {}, std::optional<Object> current = {}) {
  return {std::move(object), presence, std::move(detail), std::move(current), {}};
}

RuleCounter counter_of(const nft::Rule& rule, const nft::ObservedRule* observed) {
  return {rule, observed != nullptr ? Presence::kPresent : Presence::kMissing,
          observed != nullptr ? observed->packets : 0, observed != nullptr ? observed->bytes : 0};
}

bool counts(const nft::Rule& rule) {
  return std::ranges::any_of(rule.statements, [](const auto& s) { return std::holds_alternative<nft::Counter>(s); });
}

std::string roles_missing(const std::vector<RuleCounter>& counters) {
  std::string roles;
  for (const auto& counter : counters) {
    if (counter.presence == Presence::kMissing) {
      roles += (roles.empty() ? "" : ", ") + counter.rule.comment;
    }
  }
  return roles;
}

Finding inspect_chain(const OwnChain& desired, const nft::Ruleset& ruleset) {
  const auto* chain = ruleset.find(desired.key);
  auto finding = found(desired, Presence::kPresent);
  const auto none = std::vector<nft::ObservedRule>{};
  const auto& rules = chain != nullptr ? chain->rules : none;
  for (const auto& rule : desired.rules) {
    if (counts(rule)) {
      const auto observed = std::ranges::find(rules, rule, &nft::ObservedRule::rule);
      finding.counters.push_back(counter_of(rule, observed == rules.end() ? nullptr : &*observed));
    }
  }
  if (chain == nullptr) {
    finding.presence = Presence::kMissing;
    return finding;
  }
  auto current = as_own(*chain);
  if (current == desired) {
    return finding;
  }
  finding.presence = Presence::kChanged;
  if (!chain->hook || *chain->hook != desired.hook) {
    finding.detail = "hangs at another hook, priority or policy";
  } else {
    const auto missing = roles_missing(finding.counters);
    finding.detail = missing.empty() ? "holds other rules, or its rules in another order"
                                     : fmt::format("missing or altered: {}", missing);
  }
  finding.current = std::move(current);
  return finding;
}

Finding inspect_foreign_rule(const ForeignChainRule& desired, const nft::Ruleset& ruleset) {
  auto finding = found(desired, Presence::kMissing);
  const auto* chain = ruleset.find(desired.chain);
  const nft::ObservedRule* match = nullptr;
  if (chain == nullptr) {
    finding.detail = "the chain is gone";
    return finding;
  }
  for (const auto& observed : chain->rules) {
    if (nft::same_rule(observed.rule, desired.rule)) {
      match = &observed;
      break;
    }
  }
  finding.counters.push_back(counter_of(desired.rule, match));
  if (match == nullptr) {
    return finding;  // what carries our tag but says something else is removed by the planner
  }
  finding.presence = Presence::kPresent;
  if (!desired.preempted_by.empty()) {
    finding.presence = Presence::kChanged;
    finding.detail = fmt::format("stands behind a rule that drops the flow: {}", desired.preempted_by);
    finding.current = ForeignChainRule{desired.chain, match->rule, match->handle, {}};
  }
  return finding;
}

using Coming = std::vector<IfName>;  ///< interfaces that are made, or made anew, before what is on them

Finding inspect_route(const Route& desired, const ObservedState& observed, const Coming& coming) {
  const Route* changed = nullptr;
  for (const auto& route : observed.routes) {
    const bool same_place = route.family == desired.family && route.table == desired.table &&
                            route.destination == desired.destination && route.metric == desired.metric;
    if (!same_place) {
      continue;
    }
    if (route == desired) {
      return found(desired, Presence::kPresent);
    }
    if (route.protocol != kOurProtocol) {
      return found(desired, Presence::kForeign, fmt::format("in its place: {}", to_string(route)), route);
    }
    changed = &route;
  }
  if (!desired.interface.empty() && !contains(coming, desired.interface)) {
    const auto* link = observed.link(desired.interface);
    if (link == nullptr || !link->up) {
      return found(
          desired, Presence::kWaiting,
          fmt::format("the tunnel {} {}", desired.interface.str(), link == nullptr ? "does not exist" : "is down"));
    }
  }
  if (changed != nullptr) {
    return found(desired, Presence::kChanged, fmt::format("is {}", to_string(*changed)), *changed);
  }
  return found(desired, Presence::kMissing);
}

Finding inspect_rule(const PolicyRule& desired, const ObservedState& observed) {
  if (contains(observed.rules, desired)) {
    return found(desired, Presence::kPresent);
  }
  for (const auto& rule : observed.rules) {
    if (rule.family != desired.family || rule.priority != desired.priority) {
      continue;
    }
    const bool same_packets = rule.mark == desired.mark && rule.other == desired.other;
    if (rule.protocol == kOurProtocol && same_packets) {
      return found(desired, Presence::kChanged, fmt::format("is {}", to_string(rule)), rule);
    }
    if (rule.protocol != kOurProtocol && desired.mark) {  // those that go by the source stand beside anything
      return found(desired, Presence::kForeign,
                   fmt::format("priority {} is taken by: {}", rule.priority.value, to_string(rule)), rule);
    }
  }
  return found(desired, Presence::kMissing);
}

Finding inspect_sysctl(const SysctlSpec& desired, const SysctlValues& values, const Coming& coming) {
  const auto value = values.find(desired.key);
  if (value == values.end() || !value->second) {
    for (const auto& link : coming) {
      if (is_of_interface(desired.key, link.str())) {
        return found(desired, Presence::kMissing);
      }
    }
    return found(desired, Presence::kWaiting, "its interface does not exist");
  }
  if (*value->second == desired.value) {
    return found(desired, Presence::kPresent);
  }
  return found(desired, Presence::kChanged, fmt::format("is {}", *value->second),
               SysctlSpec{desired.key, *value->second});
}

}  // namespace

std::vector<Finding> inspect(const DesiredState& desired, const ObservedState& observed, const SysctlValues& sysctls) {
  std::vector<Finding> findings;
  findings.reserve(desired.rules.size() + desired.links.size() + desired.routes.size() + desired.sets.size() +
                   desired.chains.size() + desired.foreign_rules.size() + desired.sysctls.size());
  for (const auto& rule : desired.rules) {
    findings.push_back(inspect_rule(rule, observed));
  }
  if (desired.table && observed.ruleset.is_dormant(*desired.table)) {
    findings.push_back(found(OwnTable{*desired.table}, Presence::kChanged, "is dormant: none of its rules acts",
                             OwnTable{*desired.table, true}));
  }
  Coming coming;
  for (const auto& link : desired.links) {
    findings.push_back(inspect_link(link, observed));
    if (const auto presence = findings.back().presence;
        presence == Presence::kMissing || presence == Presence::kChanged) {
      coming.push_back(link.name);
    }
  }
  for (const auto& route : desired.routes) {
    findings.push_back(inspect_route(route, observed, coming));
  }
  for (const auto& set : desired.sets) {
    findings.push_back(inspect_set(set, observed.ruleset));
  }
  for (const auto& chain : desired.chains) {
    findings.push_back(inspect_chain(chain, observed.ruleset));
  }
  for (const auto& rule : desired.foreign_rules) {
    findings.push_back(inspect_foreign_rule(rule, observed.ruleset));
  }
  for (const auto& sysctl : desired.sysctls) {
    findings.push_back(inspect_sysctl(sysctl, sysctls, coming));
  }
  return findings;
}

}  // namespace smtpegress
