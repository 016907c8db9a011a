#include "engine/instances.hpp"

namespace smtpegress {

DesiredState owned_by(const InstanceRecord& record) {
  auto owned = lower(record.profile, ResolvedHost{}, ObservedState{});
  for (const auto& profile : record.former) {
    const auto made = lower(profile, ResolvedHost{}, ObservedState{});
    owned.routes.insert(owned.routes.end(), made.routes.begin(), made.routes.end());
    owned.rules.insert(owned.rules.end(), made.rules.begin(), made.rules.end());
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
  OtherInstances others;
  for (const auto& other : *names) {
    if (other == name) {
      continue;
    }
    auto stored = stored_state(store, other);
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

}  // namespace smtpegress
