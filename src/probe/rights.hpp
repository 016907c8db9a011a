// What a thread of the probe may do beyond the rest of the program.
#pragma once

#include <cstdint>

namespace smtpegress::probe {

/// Makes CAP_SYS_PTRACE (to open other processes' namespaces), CAP_SYS_ADMIN (to enter them) and CAP_SETUID (to send as
/// a user) effective in the calling thread alone, those of them that the program kept as permitted.
void raise_rights();

/// Sockets that the calling thread makes from here on are this user's, to policy rules and firewalls. False: not
/// permitted.
[[nodiscard]] bool make_sockets_as(std::uint32_t uid);

}  // namespace smtpegress::probe
