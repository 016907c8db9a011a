// What the profiles and the host itself tell about what is to be masked.
#pragma once

#include <string>
#include <vector>

#include "report/mask.hpp"
#include "smtpegress/profile.hpp"
#include "smtpegress/route.hpp"

namespace smtpegress::report {

/// Mail servers and tenants of `profiles` by name, and this host's `own_names`, unless such a name is one of the words
/// that a report is made of ("home"). Sources of theirs that are public networks, and this host's `addresses`.
[[nodiscard]] Familiar familiar_with(const std::vector<Profile>& profiles, const std::vector<std::string>& own_names,
                                     const std::vector<InterfaceAddress>& addresses);

}  // namespace smtpegress::report
