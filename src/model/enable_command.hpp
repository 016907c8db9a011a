// The command that a person is told to give again.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "smtpegress/profile.hpp"

namespace smtpegress {

/// "smtp-egress enable mailu-home --tunnel wg1": what gives this very profile again, for a shell. The name alone would
/// enable what the profile's file says, without what was said beside it. `without`: keys that the reader is about to
/// set otherwise.
[[nodiscard]] std::string enable_command(const Profile& profile, std::initializer_list<std::string_view> without = {});

/// Whether two profiles say the same, however they were asked for.
[[nodiscard]] bool say_the_same(const Profile& one, const Profile& other);

}  // namespace smtpegress
