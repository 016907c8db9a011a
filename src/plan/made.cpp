// Whether changes show in an observation, for those of which the kernel's answer was lost.
#include <algorithm>
#include <ranges>

#include "net/contains.hpp"
#include "plan/links.hpp"
#include "plan/match.hpp"
#include "plan/order.hpp"
#include "smtpegress/plan.hpp"

namespace smtpegress {
namespace {

/// Sysctls are not looked at: the answer to a write is never lost.
struct Stands {
  const ObservedState& observed;

  bool operator()(const OwnTable& table) const {
    return observed.ruleset.has(table.key) && observed.ruleset.is_dormant(table.key) == table.dormant;
  }
  bool operator()(const OwnSet& wanted) const {
    const auto* set = observed.ruleset.find_set(wanted.key);
    return set != nullptr && set->type == wanted.type && set->elements == wanted.elements;
  }
  bool operator()(const OwnChain& wanted) const {
    const auto* chain = observed.ruleset.find(wanted.key);
    return chain != nullptr && chain->hook == wanted.hook &&
           std::ranges::equal(chain->rules, wanted.rules, {}, &nft::ObservedRule::rule);
  }
  bool operator()(const ForeignChainRule& wanted) const {
    const auto* chain = observed.ruleset.find(wanted.chain);
    return chain != nullptr && find_rule(wanted, *chain) != nullptr;
  }
  /// In whatever shape: its several steps may have been cut short, and putting one right or removing it does no harm.
  bool operator()(const LinkSpec& wanted) const {
    const auto* link = observed.link(wanted.name);
    return link != nullptr && is_made_as(*link, wanted.alias);
  }
  bool operator()(const Route& route) const { return contains(observed.routes, route); }
  bool operator()(const SysctlSpec&) const { return false; }
  bool operator()(const PolicyRule& rule) const { return contains(observed.rules, rule); }
};

bool stands(Object object, const ObservedState& observed, bool has_new_handle) {
  if (auto* rule = std::get_if<ForeignChainRule>(&object); rule != nullptr && has_new_handle) {
    rule->handle = 0;
  }
  return std::visit(Stands{observed}, object);
}

/// A table's, a set's and a chain's name is enough for it to be there still.
bool is_gone(const Object& object, const ObservedState& observed) {
  if (const auto* table = std::get_if<OwnTable>(&object); table != nullptr) {
    return !observed.ruleset.has(table->key);
  }
  if (const auto* set = std::get_if<OwnSet>(&object); set != nullptr) {
    return observed.ruleset.find_set(set->key) == nullptr;
  }
  const auto* chain = std::get_if<OwnChain>(&object);
  return chain != nullptr ? observed.ruleset.find(chain->key) == nullptr : !stands(object, observed, false);
}

bool is_made(const Change& change, const ObservedState& observed) {
  if (change.verb == Verb::kRemove) {
    return is_gone(change.object, observed);
  }
  if (!stands(change.object, observed, true)) {
    return false;
  }
  if (!change.previous || std::holds_alternative<OwnTable>(*change.previous) ||
      std::holds_alternative<OwnSet>(*change.previous) || std::holds_alternative<OwnChain>(*change.previous) ||
      std::holds_alternative<LinkSpec>(*change.previous)) {
    return true;  // it was altered, and goes by the same name
  }
  const auto* moved = std::get_if<ForeignChainRule>(&*change.previous);
  return (moved != nullptr && moved->handle == 0) || is_gone(*change.previous, observed);
}

/// The steps of a replacement, as they are made: a route makes room first, a rule stands before the other one goes.
std::vector<Change> steps_of(const Change& change) {
  if (change.verb != Verb::kReplace || is_nftables(change.object)) {
    return {change};
  }
  std::vector<Change> steps{{Verb::kCreate, change.object, {}, change.reason},
                            {Verb::kRemove, *change.previous, {}, change.reason}};
  if (std::holds_alternative<Route>(change.object)) {
    std::ranges::reverse(steps);
  }
  return steps;
}

}  // namespace

std::vector<Change> made_of(const std::vector<Change>& changes, const ObservedState& observed) {
  if (std::ranges::all_of(changes, [&](const Change& change) { return is_made(change, observed); })) {
    return changes;
  }
  std::vector<Change> made;
  for (const auto& change : changes) {
    for (auto& step : is_nftables(change.object) ? std::vector<Change>{} : steps_of(change)) {
      if (is_made(step, observed)) {
        made.push_back(std::move(step));
      }
    }
  }
  return made;
}

std::vector<Change> left_of(const std::vector<Change>& changes, const ObservedState& observed) {
  if (std::ranges::all_of(changes, [&](const Change& change) { return is_made(change, observed); })) {
    return {};
  }
  std::vector<Change> left;
  for (const auto& change : changes) {
    for (auto& step : steps_of(change)) {
      if (is_nftables(step.object) || !is_made(step, observed)) {
        left.push_back(std::move(step));
      }
    }
  }
  return left;
}

}  // namespace smtpegress
