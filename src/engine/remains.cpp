#include "engine/remains.hpp"

#include <algorithm>

#include "engine/instances.hpp"
#include "model/ownership.hpp"

namespace smtpegress {
namespace {

template <class T>
bool contains(const std::vector<T>& list, const T& item) {
  return std::ranges::find(list, item) != list.end();
}

/// What a home profile with these values would make: the shape of all rules and routes of this program.
DesiredState shape(TableId table, RulePriority priority, Mark mark, const IfName& tunnel) {
  Profile profile;
  profile.side = Side::kHome;
  profile.table = table;
  profile.priority = priority;
  profile.mark = mark;
  profile.tunnel = tunnel;
  return lower(profile, {}, {});
}

bool is_made_by_us(const PolicyRule& rule) {
  return rule.protocol == kOurProtocol && rule.mark &&
         contains(shape(rule.table, rule.priority, *rule.mark, {}).rules, rule);
}

bool is_made_by_us(const Route& route) {
  return route.protocol == kOurProtocol && contains(shape(route.table, {}, {}, route.interface).routes, route);
}

/// The marks that the rules of a table set.
std::vector<Mark> marks_set_in(const nft::TableKey& table, const nft::Ruleset& ruleset) {
  std::vector<Mark> marks;
  for (const auto& chain : ruleset.chains) {
    if (chain.key.table != table) {
      continue;
    }
    for (const auto& observed : chain.rules) {
      for (const auto& statement : observed.rule.statements) {
        if (const auto* set = std::get_if<nft::SetMark>(&statement); set != nullptr) {
          marks.push_back(set->mark);
        }
      }
    }
  }
  return marks;
}

/// Of the instances without a state file beside `name`; their marks say which policy rule is theirs.
std::vector<Mark> marks_of_forgotten(const std::string& name, const std::vector<InstanceRecord>& others,
                                     const nft::Ruleset& ruleset) {
  std::vector<Mark> marks;
  for (const auto& table : ruleset.tables) {
    const bool remembered = std::ranges::any_of(
        others, [&](const InstanceRecord& other) { return own_table_key(other.profile.name) == table; });
    if (is_own_table(table) && table != own_table_key(name) && !remembered) {
      const auto set = marks_set_in(table, ruleset);
      marks.insert(marks.end(), set.begin(), set.end());
    }
  }
  return marks;
}

}  // namespace

DesiredState remains_of(const std::string& name, bool known, const std::optional<Profile>& profile,
                        const std::vector<InstanceRecord>& others, const ObservedState& observed) {
  DesiredState remains;
  remains.instance = name;
  remains.table = own_table_key(name);
  const auto of_file = profile ? lower(*profile, {}, {}) : DesiredState{};
  std::vector<PolicyRule> others_rules;
  std::vector<TableId> others_tables;
  for (const auto& other : others) {
    const auto owned = owned_by(other);
    others_rules.insert(others_rules.end(), owned.rules.begin(), owned.rules.end());
    for (const auto& route : owned.routes) {
      others_tables.push_back(route.table);
    }
  }
  const auto own_marks = marks_set_in(own_table_key(name), observed.ruleset);
  const auto forgotten = marks_of_forgotten(name, others, observed.ruleset);
  std::vector<TableId> tables;
  for (const auto& rule : observed.rules) {
    if (!is_made_by_us(rule) || contains(others_rules, rule)) {
      continue;
    }
    const bool is_forgotten_ones = contains(forgotten, *rule.mark);
    const bool by_elimination = known && forgotten.empty();
    if (contains(own_marks, *rule.mark) || (!is_forgotten_ones && (by_elimination || contains(of_file.rules, rule)))) {
      remains.rules.push_back(rule);
      tables.push_back(rule.table);
    } else {
      others_tables.push_back(rule.table);
    }
  }
  const bool by_elimination = forgotten.empty() && (known || observed.ruleset.has(own_table_key(name)));
  for (const auto& route : observed.routes) {
    if (!is_made_by_us(route) || contains(others_tables, route.table)) {
      continue;
    }
    if (by_elimination || contains(tables, route.table) || contains(of_file.routes, route)) {
      remains.routes.push_back(route);
    }
  }
  return remains;
}

}  // namespace smtpegress
