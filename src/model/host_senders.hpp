// The home host's own senders (smtpegress/profile.hpp), beside the sources, whose mail it only forwards. Of forwarded
// mail has_sources() and families_of() tell (families.hpp); of all mail, mail_families().
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "smtpegress/state.hpp"

namespace smtpegress {

/// As which the host's own mail enters the tunnel; each once.
[[nodiscard]] std::vector<IpAddress> own_addresses(const Profile& profile);

/// Has the host's own mail an address of this family?
[[nodiscard]] bool has_own_address(const Profile& profile, IpFamily family);

/// Is somebody told apart by who he is? Then what he sends in a family without an address of his is to be refused too,
/// or it would go past the tunnel.
[[nodiscard]] bool names_users(const Profile& profile);

/// A user's number as passwd(5) has it: decimal, below (uid_t)-1, which is nobody (chown(2)). Nothing of other text.
[[nodiscard]] std::optional<std::uint32_t> parse_uid(std::string_view text);

/// Those in which mail takes the tunnel, of the sources or of this host's own, IPv4 first.
[[nodiscard]] std::vector<IpFamily> mail_families(const Profile& profile);

}  // namespace smtpegress
