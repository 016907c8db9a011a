// The parts of resolve_host (smtpegress/state.hpp) for a VPS.
#pragma once

#include <optional>
#include <vector>

#include "smtpegress/state.hpp"

namespace smtpegress {

/// What the WAN interface has of one family, looked at once for all tenants.
struct WanAddresses {
  std::vector<IpAddress> sorted;
  std::optional<IpAddress> lasting;  ///< for who names none
  std::optional<IpAddress> mapped;   ///< the first private one: for who names one that the provider maps
};
[[nodiscard]] WanAddresses wan_addresses(const ObservedState& observed, const Link& link, IpFamily family);

/// As what mail leaves that the world shall see as `wanted`, or, where that is empty, as the WAN's own address. Nothing
/// where the WAN has no such address and none that could be mapped to it.
[[nodiscard]] std::optional<IpAddress> address_to_leave_as(const std::optional<IpAddress>& wanted,
                                                           const WanAddresses& there);

/// As what each tenant's mail leaves, in the profile's order. An address that is not on the WAN interface may be mapped
/// to a private one there, but no two to the same. kUsage, with the tenant's name, where there is none. Precondition:
/// `wan` exists.
Result<std::vector<ByFamily<std::optional<IpAddress>>>> resolve_tenants(const Profile& profile,
                                                                        const ObservedState& observed,
                                                                        const IfName& wan);

}  // namespace smtpegress
