#include "engine/instances.hpp"

#include <algorithm>
#include <iterator>

namespace smtpegress {

DesiredState owned_by(const InstanceRecord& record) {
  auto owned = lower(record.profile, ResolvedHost{}, ObservedState{});
  for (const auto& profile : record.former) {
    const auto made = lower(profile, ResolvedHost{}, ObservedState{});
    std::ranges::remove_copy_if(made.routes, std::back_inserter(owned.routes), [&](const Route& route) {
      return std::ranges::find(owned.routes, route) != owned.routes.end();
    });
    std::ranges::remove_copy_if(made.rules, std::back_inserter(owned.rules), [&](const PolicyRule& rule) {
      return std::ranges::find(owned.rules, rule) != owned.rules.end();
    });
  }
  return owned;
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
    auto record = store.load(other);
    if (!record && record.error().kind == ErrorKind::kDamaged) {
      others.damaged.push_back(other);
    } else if (!record) {
      return std::unexpected(record.error());
    } else if (*record) {
      others.records.push_back(**std::move(record));
    }
  }
  return others;
}

}  // namespace smtpegress
