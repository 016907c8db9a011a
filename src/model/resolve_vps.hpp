// The parts of resolve_host (smtpegress/state.hpp) for a VPS.
#pragma once

#include <optional>
#include <vector>

#include "smtpegress/state.hpp"

namespace smtpegress {

/// As what each tenant's mail leaves, in the profile's order. An address that is not on the WAN interface may be mapped
/// to a private one there. kUsage, with the tenant's name, where there is none. Precondition: `wan` exists.
Result<std::vector<ByFamily<std::optional<IpAddress>>>> resolve_tenants(const Profile& profile,
                                                                        const ObservedState& observed,
                                                                        const IfName& wan);

}  // namespace smtpegress
