#include "engine/open_keys.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "model/marks.hpp"
#include "model/ownership.hpp"
#include "net/contains.hpp"

namespace smtpegress {
namespace {

constexpr std::uint32_t kTries = 100;  // so many in use, side by side, is somebody's whole range

bool compares_mark(const nft::Rule& rule, const Mark& mark) {
  return std::ranges::any_of(rule.matches, [&](const nft::Match& match) {
    const auto* compared = std::get_if<nft::MatchMark>(&match);
    return compared != nullptr && compared->mark.is_taken_for(mark);
  });
}

bool is_used(const Mark& mark, const std::string& name, const OtherInstances& others, const ObservedState& observed) {
  const auto in_rule = [&](const nft::ObservedRule& observed_rule) {
    const auto set = mark_set_by(observed_rule.rule);
    return (set && set->is_taken_for(mark)) || compares_mark(observed_rule.rule, mark);
  };
  return std::ranges::any_of(observed.rules,
                             [&](const PolicyRule& rule) { return rule.mark && rule.mark->is_taken_for(mark); }) ||
         std::ranges::any_of(others.records,
                             [&](const InstanceRecord& other) { return other.profile.mark.is_taken_for(mark); }) ||
         std::ranges::any_of(observed.ruleset.chains, [&](const nft::ObservedChain& chain) {
           return chain.key.table != own_table_key(name) && std::ranges::any_of(chain.rules, in_rule);
         });
}

bool is_used(TableId table, const std::string&, const OtherInstances& others, const ObservedState& observed) {
  return contains(observed.rules, table, &PolicyRule::table) || contains(observed.routes, table, &Route::table) ||
         std::ranges::any_of(others.records, [&](const InstanceRecord& other) { return other.profile.table == table; });
}

bool is_used(RulePriority priority, const std::string&, const OtherInstances& others, const ObservedState& observed) {
  return contains(observed.rules, priority, &PolicyRule::priority) ||
         std::ranges::any_of(others.records,
                             [&](const InstanceRecord& other) { return other.profile.priority == priority; });
}

template <class T>
Result<void> take_free(T& value, std::string_view key, const Profile& profile, const OtherInstances& others,
                       const ObservedState& observed) {
  const T first = value;
  for (std::uint32_t i = 0; i < kTries; ++i, ++value.value) {
    if (!is_used(value, profile.name, others, observed)) {
      return {};
    }
  }
  return usage_error(
      "enable:", fmt::format("key '{}'", key),
      fmt::format("is \"auto\", and {} values from {} on are all in use here; set one", kTries, first.value));
}

/// Of an instance that has no record: by the marks of its own table, or by its sources.
const PolicyRule* standing_rule(const Profile& profile, const OtherInstances& others, const ObservedState& observed) {
  const auto own_marks = marks_set_in(own_table_key(profile.name), observed.ruleset);
  for (const auto& rule : observed.rules) {
    const auto selectors = selectors_of(rule);
    const bool is_its =
        rule.mark ? contains(own_marks, *rule.mark) : selectors.source && contains(profile.sources, *selectors.source);
    const bool is_anothers = std::ranges::any_of(
        others.records, [&](const InstanceRecord& other) { return other.profile.table == rule.table; });
    if (rule.protocol == kOurProtocol && is_its && !is_anothers) {
      return &rule;
    }
  }
  return nullptr;
}

}  // namespace

std::string to_text(const Profile& profile, const OpenKeys& keys) {
  std::string text = keys.mark ? "mark " + profile.mark.to_string() : "";
  const auto add = [&](bool wanted, std::string_view key, std::uint32_t value) {
    if (wanted) {
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", key, value);
    }
  };
  add(keys.table, "table", profile.table.value);
  add(keys.priority, "priority", profile.priority.value);
  return text;
}

Result<Profile> close_open_keys(Kernel& kernel, const Profile& profile, const std::optional<InstanceRecord>& record,
                                const OtherInstances& others) {
  auto closed = profile;
  closed.open = {};
  if (!profile.open.any()) {
    return closed;
  }
  if (record && record->profile.side == profile.side) {
    closed.mark = profile.open.mark ? record->profile.mark : profile.mark;
    closed.table = profile.open.table ? record->profile.table : profile.table;
    closed.priority = profile.open.priority ? record->profile.priority : profile.priority;
    return closed;
  }
  const auto observed = kernel.observe();
  if (!observed) {
    return std::unexpected(observed.error());
  }
  const auto own_marks = marks_set_in(own_table_key(profile.name), observed->ruleset);
  const auto* standing = standing_rule(profile, others, *observed);
  Result<void> free;
  if (profile.open.mark && !own_marks.empty()) {
    closed.mark = own_marks.front();
  } else if (profile.open.mark) {
    free = take_free(closed.mark, "mark", profile, others, *observed);
  }
  if (profile.open.table && standing != nullptr) {
    closed.table = standing->table;
  } else if (profile.open.table && free) {
    free = take_free(closed.table, "table", profile, others, *observed);
  }
  if (profile.open.priority && standing != nullptr) {
    closed.priority = standing->priority;
  } else if (profile.open.priority && free) {
    free = take_free(closed.priority, "priority", profile, others, *observed);
  }
  return free ? Result<Profile>(closed) : std::unexpected(free.error());
}

}  // namespace smtpegress
