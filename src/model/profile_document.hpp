// A profile as a JSON document: for callers that have parsed it already, as a part of another one.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "smtpegress/profile.hpp"

namespace smtpegress {

/// What parse_profile (smtpegress/profile.hpp) does after parsing. Precondition: `document` is an object.
Result<Profile> read_profile(std::string name, std::string_view origin, const nlohmann::json& document,
                             const ProfileOverrides& overrides = {});

/// True where brackets nest deeper than in any document of this program. To be asked before parsing: copying, quoting
/// or writing a value takes a stack frame a level.
[[nodiscard]] bool nests_too_deeply(std::string_view json_text) noexcept;

[[nodiscard]] nlohmann::json profile_document(const Profile& profile);

}  // namespace smtpegress
