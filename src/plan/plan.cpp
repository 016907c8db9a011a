#include "smtpegress/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>

#include "model/marks.hpp"
#include "model/ownership.hpp"
#include "net/contains.hpp"
#include "plan/links.hpp"
#include "plan/match.hpp"
#include "plan/order.hpp"
#include "plan/purpose.hpp"
#include "plan/sets.hpp"

namespace smtpegress {
namespace {

void add_findings(const DesiredState& desired, const ObservedState& observed, const SysctlValues& sysctls,
                  const std::vector<Object>& retired, Plan& plan) {
  for (auto& finding : inspect(desired, observed, sysctls)) {
    switch (finding.presence) {
      case Presence::kPresent:
        break;
      case Presence::kMissing:
        plan.changes.push_back({Verb::kCreate, finding.object, {}, reason_for(finding)});
        break;
      case Presence::kChanged:
        plan.changes.push_back({Verb::kReplace, finding.object, finding.current, reason_for(finding)});
        break;
      case Presence::kWaiting:
        plan.waiting.push_back(std::move(finding));
        break;
      case Presence::kForeign:
        if (finding.current && contains(retired, *finding.current)) {
          plan.changes.push_back({Verb::kReplace, finding.object, finding.current, reason_for(finding)});
        } else {
          plan.foreign.push_back(std::move(finding));
        }
        break;
    }
  }
}

/// Two instances have neither table nor priority in common, in either family, so whose place it is decides whose object
/// it is. The main table is everybody's: there it is the interface, which is one instance's.
bool same_place(const Route& a, const Route& b) {
  return a.table == b.table && (a.table != kMainTable || a.interface == b.interface);
}
bool same_place(const PolicyRule& a, const PolicyRule& b) {
  const bool same_packets = a.mark == b.mark && a.other == b.other;
  return a.priority == b.priority && (a.table == b.table || same_packets);
}

/// A rule ahead of ours that takes a packet with our mark for its own; behind it, only the very same mark counts.
bool catches_mark_of(const PolicyRule& rule, const PolicyRule& wanted) {
  return rule.mark && wanted.mark &&
         (rule.mark == wanted.mark || (rule.priority <= wanted.priority && rule.mark->is_taken_for(*wanted.mark)));
}

/// Others' routes in our table and others' rules on our mark or table would steer the mail too.
void add_intruders(const DesiredState& desired, const DesiredState& owned, const ObservedState& observed,
                   const std::vector<Object>& retired, Plan& plan) {
  const auto reported = [&](const Object& object) {
    return contains(retired, object) ||
           std::ranges::any_of(plan.foreign, [&](const Finding& f) { return f.current == object; });
  };
  for (const auto& wanted : desired.routes) {
    for (const auto& route : observed.routes) {
      if (wanted.table != kMainTable && route.family == wanted.family && route.table == wanted.table &&
          route.protocol != kOurProtocol && !reported(route)) {
        plan.foreign.push_back({route, Presence::kForeign, "another program's route in the egress table", route, {}});
      }
    }
  }
  for (const auto& wanted : desired.rules) {
    for (const auto& rule : observed.rules) {
      const bool same_use =
          rule.family == wanted.family && (rule.table == wanted.table || catches_mark_of(rule, wanted));
      const bool ours_to_replace = rule.protocol == kOurProtocol && same_place(rule, wanted);
      if (same_use && rule != wanted && !ours_to_replace && !contains(owned.rules, rule) && !reported(rule)) {
        plan.foreign.push_back({rule, Presence::kForeign, "another policy rule uses the same mark or table", rule, {}});
      }
    }
  }
}

/// Marks that our chains put on the mail.
std::vector<Mark> marks_of(const DesiredState& desired) {
  std::vector<Mark> marks;
  for (const auto& chain : desired.chains) {
    for (const auto& rule : chain.rules) {
      if (const auto mark = mark_set_by(rule); mark && !contains(marks, *mark)) {
        marks.push_back(*mark);
      }
    }
  }
  return marks;
}

/// Another program's rule that puts our mark on its own packets: they would take the tunnel, or be admitted, as mail
/// is. One that sets but a part of the mark's bits proves nothing.
void add_mark_setters(const DesiredState& desired, const nft::Ruleset& ruleset, const std::vector<Object>& retired,
                      Plan& plan) {
  const auto marks = marks_of(desired);
  const auto is_ours = [&](const Mark& mark) {
    return std::ranges::any_of(
        marks, [&](const Mark& ours) { return (mark.mask & ours.mask) == ours.mask && mark.overlaps(ours); });
  };
  const auto is_scripts = [&](const ForeignChainRule& setter) {
    return std::ranges::any_of(retired, [&](const Object& object) {
      const auto* rule = std::get_if<ForeignChainRule>(&object);
      return rule != nullptr && rule->chain == setter.chain && rule->handle == setter.handle;
    });
  };
  for (const auto& chain : ruleset.chains) {
    if (is_own_table(chain.key.table)) {
      continue;
    }
    for (const auto& observed : chain.rules) {
      const auto mark = mark_set_by(observed.rule);
      const ForeignChainRule setter{chain.key, observed.rule, observed.handle, {}};
      if (mark && is_ours(*mark) && !is_scripts(setter)) {
        plan.foreign.push_back({setter, Presence::kForeign, "puts our mark on other packets", setter, {}});
      }
    }
  }
}

/// A policy rule in the place of ours that leads the mail of another instance, one whose state file is lost (from those
/// that are known, a profile is told apart before). One of the mark that our own table sets is ours, whoever sets it
/// too.
void add_forgotten_instances(const DesiredState& desired, const ObservedState& observed, Plan& plan) {
  const auto own_marks = desired.table ? marks_set_in(*desired.table, observed.ruleset) : std::vector<Mark>{};
  for (const auto& table : observed.ruleset.tables) {
    if (!is_own_table(table) || table == desired.table) {
      continue;
    }
    const auto marks = marks_set_in(table, observed.ruleset);
    for (const auto& rule : observed.rules) {
      const bool is_its =
          rule.protocol == kOurProtocol && rule.mark && contains(marks, *rule.mark) && !contains(own_marks, *rule.mark);
      const bool in_place = std::ranges::any_of(desired.rules, [&](const PolicyRule& wanted) {
        return rule.family == wanted.family && (rule.table == wanted.table || rule.priority == wanted.priority);
      });
      if (is_its && in_place) {
        plan.foreign.push_back({rule,
                                Presence::kForeign,
                                fmt::format("leads the mail of {}, whose state file is lost: `smtp-egress disable {}` "
                                            "first",
                                            nft::to_string(table), table.name.substr(kTablePrefix.size())),
                                rule,
                                {}});
      }
    }
  }
}

void add_own_table_removals(const DesiredState& desired, const DesiredState& owned, const nft::Ruleset& ruleset,
                            Plan& plan) {
  if (!desired.table) {
    if (owned.table && ruleset.has(*owned.table)) {
      // With the table go its chains; each is named, so that the way back makes them again, in the order they had.
      for (const auto& chain : ruleset.chains | std::views::reverse) {
        if (chain.key.table == *owned.table) {
          plan.changes.push_back({Verb::kRemove, as_own(chain), {}, "made by enable"});
        }
      }
      for (const auto& set : ruleset.sets | std::views::reverse) {
        if (set.key.table == *owned.table && set.type) {  // what is of no known kind cannot be made again
          plan.changes.push_back({Verb::kRemove, as_own(set), {}, "made by enable"});
        }
      }
      plan.changes.push_back({Verb::kRemove, OwnTable{*owned.table}, {}, "made by enable"});
    }
    return;
  }
  if (!ruleset.has(*desired.table)) {
    const Finding missing{OwnTable{*desired.table}, Presence::kMissing, {}, {}, {}};
    plan.changes.insert(plan.changes.begin(), {Verb::kCreate, missing.object, {}, reason_for(missing)});
    return;
  }
  for (const auto& chain : ruleset.chains) {
    if (chain.key.table == *desired.table && !contains(desired.chains, chain.key, &OwnChain::key)) {
      plan.changes.push_back({Verb::kRemove, as_own(chain), {}, "not part of this profile"});
    }
  }
  for (const auto& set : ruleset.sets) {
    if (set.key.table == *desired.table && !contains(desired.sets, set.key, &OwnSet::key)) {
      plan.changes.push_back({Verb::kRemove, as_own(set), {}, "not part of this profile"});
    }
  }
}

/// A rule with this instance's tag that is not one of those wanted: of an earlier profile, altered, or a second copy.
void add_foreign_chain_removals(const DesiredState& desired, const nft::Ruleset& ruleset, Plan& plan) {
  std::vector<ForeignChainRule> kept;
  for (const auto& chain : ruleset.chains) {
    if (is_own_table(chain.key.table)) {
      continue;
    }
    for (const auto& observed : chain.rules) {
      if (!is_tagged_by(observed.rule, desired.instance)) {
        continue;
      }
      const auto wanted = std::ranges::find_if(desired.foreign_rules, [&](const ForeignChainRule& w) {
        return w.chain == chain.key && nft::same_rule(w.rule, observed.rule);
      });
      if (wanted != desired.foreign_rules.end() && !contains(kept, *wanted)) {
        kept.push_back(*wanted);
      } else {
        plan.changes.push_back({Verb::kRemove,
                                ForeignChainRule{chain.key, observed.rule, observed.handle, {}},
                                {},
                                desired.table ? "carries our tag, but is not what is wanted" : "made by enable"});
      }
    }
  }
}

/// What is of our protocol number, stands where this instance's own are, and is not wanted.
template <class T>
void add_removals(const std::vector<T>& owned, const std::vector<T>& wanted, const std::vector<T>& observed,
                  std::string_view reason, Plan& plan) {
  // Last first: rules of one priority stand in the order in which they were made, and the way back makes them again.
  for (const auto& object : observed | std::views::reverse) {
    const auto is_here = [&](const T& other) { return same_place(other, object); };
    const bool ours = object.protocol == kOurProtocol &&
                      (std::ranges::any_of(owned, is_here) || std::ranges::any_of(wanted, is_here));
    const bool replaced =
        std::ranges::any_of(plan.changes, [&](const Change& c) { return c.previous == Object(object); });
    if (ours && !contains(wanted, object) && !replaced) {
      plan.changes.push_back({Verb::kRemove, object, {}, std::string(reason)});
    }
  }
}

}  // namespace

Plan make_plan(const DesiredState& desired, const DesiredState& owned, const ObservedState& observed,
               const SysctlValues& sysctls, const std::vector<Object>& retired) {
  Plan plan;
  plan.course = !desired.table ? Course::kDown : !retired.empty() ? Course::kTakeOver : Course::kUp;
  add_findings(desired, observed, sysctls, retired, plan);
  add_forgotten_instances(desired, observed, plan);
  add_intruders(desired, owned, observed, retired, plan);
  add_mark_setters(desired, observed.ruleset, retired, plan);
  add_own_table_removals(desired, owned, observed.ruleset, plan);
  add_foreign_chain_removals(desired, observed.ruleset, plan);
  const std::string_view reason = desired.table ? "of an earlier profile" : "made by enable";
  add_link_removals(desired, owned, observed, plan);
  add_removals(owned.routes, desired.routes, observed.routes, reason, plan);
  add_removals(owned.rules, desired.rules, observed.rules, reason, plan);
  for (const auto& object : retired) {
    const bool replaced = std::ranges::any_of(plan.changes, [&](const Change& c) { return c.previous == object; });
    if (!replaced) {
      plan.changes.push_back({Verb::kRemove, object, {}, "the shell script's"});
    }
  }
  put_in_order(plan);
  return plan;
}

}  // namespace smtpegress
