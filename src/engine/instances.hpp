// The instances of a host, as their state files tell of them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/state_store.hpp"
#include "smtpegress/state.hpp"

namespace smtpegress {

/// What was made by the enable that wrote this record, and by those it was to replace, or would have been: owned by
/// name, protocol number and selector, whatever the host looks like now.
[[nodiscard]] DesiredState owned_by(const InstanceRecord& record);

/// What the state file of one instance tells.
struct StoredState {
  std::optional<InstanceRecord> record;  ///< none: the file is lost, of an earlier boot, or damaged
  std::optional<Error> damage;           ///< why the file is not believed
};
Result<StoredState> stored_state(const StateStore& store, const std::string& name);

/// All instances of the host but one.
struct OtherInstances {
  std::vector<InstanceRecord> records;
  std::vector<std::string> damaged{};  ///< names of those whose state file is, so that what they hold is not known
  SysctlRecord left{};                 ///< of instances that are gone

  /// What an instance, or one that is gone, remembers of the sysctl, that is to say what it was before any of ours
  /// changed it; null where nobody does.
  [[nodiscard]] const SysctlRecord* remembers(std::string_view key) const;
};
/// Those of another network namespace are none.
Result<OtherInstances> other_instances(const StateStore& store, const std::string& name);

/// Names of those whose table stands and of which no record tells, `name` itself not among them.
[[nodiscard]] std::vector<std::string> forgotten_instances(const std::string& name,
                                                           const std::vector<InstanceRecord>& others,
                                                           const nft::Ruleset& ruleset);

}  // namespace smtpegress
