#include "engine/instances.hpp"

#include <algorithm>

#include "model/ownership.hpp"

namespace smtpegress {

DesiredState owned_by(const InstanceRecord& record) {
  auto owned = lower(record.profile, record.host, ObservedState{});
  for (const auto& profile : record.former) {
    const auto made = lower(profile, record.host, ObservedState{});
    owned.routes.insert(owned.routes.end(), made.routes.begin(), made.routes.end());
    owned.rules.insert(owned.rules.end(), made.rules.begin(), made.rules.end());
    owned.links.insert(owned.links.end(), made.links.begin(), made.links.end());
  }
  return owned;
}

Result<StoredState> stored_state(const StateStore& store, const std::string& name) {
  auto loaded = store.load(name);
  if (loaded) {
    return StoredState{*std::move(loaded), {}};
  }
  if (loaded.error().kind != ErrorKind::kDamaged) {
    return std::unexpected(loaded.error());
  }
  return StoredState{{}, std::move(loaded).error()};
}

Result<OtherInstances> other_instances(const StateStore& store, const std::string& name) {
  const auto names = store.list();
  if (!names) {
    return std::unexpected(names.error());
  }
  auto left = store.load_left();
  if (!left) {
    return std::unexpected(left.error());
  }
  OtherInstances others;
  others.left = *std::move(left);
  for (const auto& other : *names) {
    if (other == name) {
      continue;
    }
    auto stored = stored_state(store, other);
    if (!stored && stored.error().kind == ErrorKind::kElsewhere) {
      continue;
    }
    if (!stored) {
      return std::unexpected(stored.error());
    }
    if (stored->damage) {
      others.damaged.push_back(other);
    } else if (stored->record) {
      others.records.push_back(*std::move(stored->record));
    }
  }
  return others;
}

const SysctlRecord* OtherInstances::remembers(std::string_view key) const {
  const SysctlRecord* found = nullptr;
  const auto consider = [&](const SysctlRecord& record) {
    const auto* saved = record.find(key);
    // One that found our value already knows less than one that changed it.
    if (saved != nullptr && (found == nullptr || saved->previous != saved->ours)) {
      found = &record;
    }
  };
  consider(left);
  for (const auto& record : records) {
    consider(record.sysctls);
  }
  return found;
}

std::vector<std::string> forgotten_instances(const std::string& name, const std::vector<InstanceRecord>& others,
                                             const nft::Ruleset& ruleset) {
  std::vector<std::string> forgotten;
  for (const auto& table : ruleset.tables) {
    const bool remembered = std::ranges::any_of(
        others, [&](const InstanceRecord& other) { return own_table_key(other.profile.name) == table; });
    if (is_own_table(table) && table != own_table_key(name) && !remembered) {
      forgotten.push_back(table.name.substr(kTablePrefix.size()));
    }
  }
  return forgotten;
}

}  // namespace smtpegress
