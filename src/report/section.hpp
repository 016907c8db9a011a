// A part of a report. Each stands for itself: where one could not be had, it says why, and the others are there.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "smtpegress/error.hpp"

namespace smtpegress::report {

struct Section {
  std::string id;     ///< stable, for programs: "wireguard"
  std::string title;  ///< for people
  std::vector<std::string> lines{};
  std::string error{};  ///< why there is no more; empty: it is whole
};

/// Its lines, or its error.
[[nodiscard]] inline Section section_of(std::string id, std::string title, Result<std::vector<std::string>> lines) {
  Section section{std::move(id), std::move(title)};
  if (lines) {
    section.lines = *std::move(lines);
  } else {
    section.error = lines.error().message();
  }
  return section;
}

/// A text's lines, without their ends.
[[nodiscard]] std::vector<std::string> lines_of(std::string_view text);

/// At most `most`, and then how many there were more.
void shorten(std::vector<std::string>& lines, std::size_t most);
/// The same of a line's bytes; no character of UTF-8 is cut.
void shorten(std::string& line, std::size_t most);

}  // namespace smtpegress::report
