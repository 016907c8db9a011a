// The keys a profile may have: on which side, and how each one's value is read.
#pragma once

#include <array>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "smtpegress/profile.hpp"

namespace smtpegress {

enum class Belongs : std::uint8_t { kBoth, kHomeOnly, kVpsOnly };

/// Reads one key's value into the profile; an error's object is the offending value.
using Reader = std::function<Result<void>(const nlohmann::json&, Profile&)>;

struct ProfileKey {
  std::string_view name;
  Belongs belongs;
  Reader read;
};

/// All of them, in the order in which messages list them.
[[nodiscard]] const std::array<ProfileKey, 11>& profile_keys();

}  // namespace smtpegress
