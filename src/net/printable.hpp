// Texts of others, as they may be shown.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace smtpegress {

/// How many bytes the control character at `at` has, ASCII's or one of U+0080 to U+009F, which terminals obey as well
/// (ECMA-48, C1); 0: there is none.
[[nodiscard]] std::size_t control_at(std::string_view text, std::size_t at);

/// Files, names and other programs' texts stand in what is told; what is in them must not reach a terminal as a
/// command, nor make a line two: control characters become \x1b.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace smtpegress
