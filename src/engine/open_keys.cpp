#include "engine/open_keys.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "engine/named_sources.hpp"
#include "model/host_senders.hpp"
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

/// What this host has in use already, by anybody but the instance itself.
struct Uses {
  const std::string& name;
  const OtherInstances& others;
  const ObservedState& observed;

  [[nodiscard]] bool has(const Mark& mark) const {
    const auto in_rule = [&](const nft::ObservedRule& rule) {
      const auto set = mark_set_by(rule.rule);
      return (set && set->is_taken_for(mark)) || compares_mark(rule.rule, mark);
    };
    return by_others([&](const Profile& other) { return other.mark.is_taken_for(mark); }) ||
           std::ranges::any_of(observed.rules,
                               [&](const PolicyRule& rule) { return rule.mark && rule.mark->is_taken_for(mark); }) ||
           std::ranges::any_of(observed.ruleset.chains, [&](const nft::ObservedChain& chain) {
             return chain.key.table != own_table_key(name) && std::ranges::any_of(chain.rules, in_rule);
           });
  }
  [[nodiscard]] bool has(TableId table) const {
    return by_others([&](const Profile& other) { return other.table == table; }) ||
           contains(observed.rules, table, &PolicyRule::table) || contains(observed.routes, table, &Route::table);
  }
  [[nodiscard]] bool has(RulePriority priority) const {
    return by_others([&](const Profile& other) { return other.priority == priority; }) ||
           contains(observed.rules, priority, &PolicyRule::priority);
  }

 private:
  template <class Predicate>
  [[nodiscard]] bool by_others(Predicate uses) const {
    return std::ranges::any_of(others.records, [&](const InstanceRecord& other) { return uses(other.profile); });
  }
};

/// The value that the instance has, or else the first one that is free, counted up from `value`.
template <class T>
Result<void> take(T& value, std::string_view key, const std::optional<T>& standing, const Uses& uses) {
  if (standing) {
    value = *standing;
    return {};
  }
  const T first = value;
  for (std::uint32_t i = 0; i < kTries; ++i, ++value.value) {
    if (!uses.has(value)) {
      return {};
    }
  }
  return usage_error(
      "enable:", fmt::format("key '{}'", key),
      fmt::format("is \"auto\", and {} values from {} on are all in use here; set one", kTries, first.value));
}

/// By whom it sends, not by a mark.
bool selects_its_mail(const RuleSelectors& selectors, const Profile& profile) {
  const auto is_user = [&](const HostSender& sender) {
    return selectors.users == UidRange{sender.uid, sender.uid} && sender.who == HostSender::Who::kUser;
  };
  return (selectors.source && (contains(profile.sources, *selectors.source) ||
                               contains(own_addresses(profile), *selectors.source, Prefix::of))) ||
         std::ranges::any_of(profile.host_senders, is_user);
}

/// Of an instance that has no record: by the marks of its own table, or by its sources.
const PolicyRule* standing_rule(const Profile& profile, const std::vector<Mark>& own_marks,
                                const OtherInstances& others, const ObservedState& observed) {
  for (const auto& rule : observed.rules) {
    const auto selectors = selectors_of(rule);
    const bool is_its = rule.mark ? contains(own_marks, *rule.mark) : selects_its_mail(selectors, profile);
    const bool is_anothers = std::ranges::any_of(
        others.records, [&](const InstanceRecord& other) { return other.profile.table == rule.table; });
    if (rule.protocol == kOurProtocol && is_its && !is_anothers) {
      return &rule;
    }
  }
  return nullptr;
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
  const auto* standing = standing_rule(profile, own_marks, others, *observed);
  const Uses uses{.name = profile.name, .others = others, .observed = *observed};
  Result<void> taken;
  if (profile.open.mark) {
    taken = take(closed.mark, "mark", own_marks.empty() ? std::nullopt : std::optional(own_marks.front()), uses);
  }
  if (taken && profile.open.table) {
    taken = take(closed.table, "table", standing != nullptr ? std::optional(standing->table) : std::nullopt, uses);
  }
  if (taken && profile.open.priority) {
    taken =
        take(closed.priority, "priority", standing != nullptr ? std::optional(standing->priority) : std::nullopt, uses);
  }
  return taken ? Result<Profile>(closed) : std::unexpected(taken.error());
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

Result<Profile> close_profile(Kernel& kernel, const DockerNetworks& docker, const Profile& profile,
                              const std::optional<InstanceRecord>& record, const OtherInstances& others) {
  const auto named = resolve_named_sources(kernel, docker, profile);
  return named ? close_open_keys(kernel, *named, record, others) : named;
}

}  // namespace smtpegress
