// Texts of others, as they may be shown.
#pragma once

#include <string>
#include <string_view>

namespace smtpegress {

/// Files, names and other programs' texts stand in what is told; what is in them must not reach a terminal as a
/// command, nor make a line two: control characters become \x1b.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace smtpegress
