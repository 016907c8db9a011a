// The networks of sources that a profile names, asked of whoever knows the name.
#pragma once

#include "smtpegress/engine.hpp"

namespace smtpegress {

/// The networks that the name stands for on this host now, IPv4 and IPv6. Not for users. kUsage: nothing, or whoever
/// knows cannot be asked.
Result<std::vector<Prefix>> networks_of(const NamedSource& named, const ObservedState& observed,
                                        const DockerNetworks& docker);

/// The profile with these networks among its sources, and users among its host senders. An error of networks_of() or
/// find_host_sender(), or kUsage where they do not fit the rest of the profile. Looks at the host only where the
/// profile names an interface, or a user without an address.
Result<Profile> resolve_named_sources(Kernel& kernel, const DockerNetworks& docker, const Profile& profile);

}  // namespace smtpegress
