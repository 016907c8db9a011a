// The key `tenants` of a VPS's profile: read, checked, and written again.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "model/profile_checks.hpp"
#include "model/profile_keys.hpp"

namespace smtpegress {

/// Every mistake of every tenant; an error's object begins with the tenant's name.
Refusals read_tenants(const nlohmann::json& value, Profile& profile);

/// What tenants must not have in common, and what does not go together with them.
void check_tenants(const Profile& profile, Mistakes& mistakes);

/// Puts their networks into the profile's sources, sorted. Does nothing to a profile without tenants.
void gather_sources(Profile& profile);

[[nodiscard]] nlohmann::json tenants_document(const std::vector<Tenant>& tenants);

}  // namespace smtpegress
