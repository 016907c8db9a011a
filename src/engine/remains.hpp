// What stands in the kernel of an instance that no state file tells of (lost or damaged). Its own table and its tagged
// rules carry its name; policy rules and routes carry only our protocol number, and have to be told from those of the
// other instances.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/state_record.hpp"
#include "smtpegress/kernel.hpp"
#include "smtpegress/state.hpp"

namespace smtpegress {

/// What is `name`'s beyond doubt: its table; rules and routes of our protocol number, of exactly the shape this program
/// makes, that are none of `others`' and that either its own table's mark, or `profile` (its file), leads to.
/// `known`: there was a state file, so that what no other instance can have made is its too.
[[nodiscard]] DesiredState remains_of(const std::string& name, bool known, const std::optional<Profile>& profile,
                                      const std::vector<InstanceRecord>& others, const ObservedState& observed);

}  // namespace smtpegress
