// The mail's way as a picture: a row for each hop, a column for the way out (downwards) and one for the way back.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "smtpegress/mail_path.hpp"

namespace smtpegress::cli {

/// What whoever reads it can show.
struct Drawing {
  enum class Charset : std::uint8_t { kAscii, kUnicode };
  enum class Colour : std::uint8_t { kNone, kAnsi };
  Charset charset = Charset::kAscii;
  Colour colour = Colour::kNone;
};

enum class Reader : std::uint8_t { kTerminal, kOther };
using Environment = std::function<const char*(const char* name)>;  ///< as std::getenv

/// By the locale's variables, NO_COLOR (no-color.org) and TERM. The variables are read, not the locale: a terminal
/// shows UTF-8 also where this host has not made the locale that they name.
[[nodiscard]] Drawing drawing_for(Reader reader, const Environment& environment);

/// For this process's standard output; `ascii`: in no other characters, whatever the locale.
[[nodiscard]] Drawing drawing_here(bool ascii);

/// Lines of at most 80 columns; empty where there is no path.
[[nodiscard]] std::string picture_text(const std::vector<Hop>& path, const Drawing& drawing);

/// The text in ASCII alone.
[[nodiscard]] std::string in_ascii(std::string_view text);

}  // namespace smtpegress::cli
