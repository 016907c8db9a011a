// The profile's key 'inner': how it is read, written and checked.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "model/profile_checks.hpp"
#include "model/profile_keys.hpp"

namespace smtpegress {

/// Reads {"kind": "vxlan", "remote": "100.64.0.1", "link": "tailscale0", …}; null is none.
Refusals read_inner(const nlohmann::json& value, Profile& profile);

/// What read_inner reads to an equal one.
[[nodiscard]] nlohmann::json inner_document(const InnerTunnel& inner);

/// What does not go together with other keys.
void check_inner(const Profile& profile, Mistakes& mistakes);

}  // namespace smtpegress
