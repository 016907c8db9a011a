// The objects of the two shell scripts that this program replaces, found by their exact shapes with the profile's
// values. They carry no mark of ownership, so they are only ever reported, or removed when a person says --take-over.
#pragma once

#include <vector>

#include "smtpegress/state.hpp"

namespace smtpegress {

/// Empty where none of the objects that are the scripts' alone (mark, bypass, SNAT, policy rule …) is there.
[[nodiscard]] std::vector<Object> find_legacy_objects(const Profile& profile, const ResolvedHost& host,
                                                      const ObservedState& observed);

}  // namespace smtpegress
