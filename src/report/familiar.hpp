// What the profiles and the host itself tell about what is to be masked.
#pragma once

#include <string>
#include <vector>

#include "report/mask.hpp"
#include "smtpegress/profile.hpp"
#include "smtpegress/route.hpp"

namespace smtpegress::report {

/// What names and networks are taken from.
struct Sources {
  std::vector<Profile> profiles{};
  std::vector<std::string> texts{};  ///< profiles' and records' as they stand in files, whether they can be read or not
  std::vector<std::string> own_names{};           ///< this host's
  std::vector<InterfaceAddress> own_addresses{};  ///< and its interfaces'
  std::vector<std::string> kept{};                ///< names of interfaces and instances here, which stay
};

/// Mail servers, mail domains, blocklists and tenants by name, and this host, unless such a name is one of the words
/// that a report is made of ("home"); of a text also what else looks like a full name, and names that are written as
/// escapes as with_plain_letters() shows them. Mail sources that are public networks, and this host's addresses.
[[nodiscard]] Familiar familiar_with(const Sources& sources);

}  // namespace smtpegress::report
