// An enabled instance held against the kernel: what status prints and verify starts from.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/survey.hpp"

namespace smtpegress {

struct EnabledView {
  Profile profile;
  std::optional<InstanceRecord> record;  ///< absent where the state file is lost or damaged
  std::string damage;                    ///< why the state file is not believed; empty: it is, or is lost
  Survey seen;
  std::vector<Finding> findings;  ///< every desired object, then what is in the way or left over
};

/// kNotEnabled where neither the state nor the kernel knows the instance.
Result<EnabledView> view_enabled(Kernel& kernel, const StateStore& store, const DockerNetworks& docker,
                                 const std::string& name, const std::optional<Profile>& fallback);

}  // namespace smtpegress
