// Senders on the home host itself that a profile names: users, asked of the host's user database (NSS).
#pragma once

#include "smtpegress/kernel.hpp"
#include "smtpegress/profile.hpp"

namespace smtpegress {

/// What `named`, of kind kUser, stands for on this host now. Where it has no addresses, they are the ones that the
/// tunnel has for good, of each family. kUsage: there is no such user, the database cannot be asked, or the tunnel is
/// not there or has none.
Result<HostSender> find_host_sender(const NamedSource& named, const Profile& profile, const ObservedState& observed);

}  // namespace smtpegress
