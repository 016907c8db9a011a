#include "report/section.hpp"

#include <fmt/format.h>

namespace smtpegress::report {

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const auto end = text.find('\n');
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

void shorten(std::vector<std::string>& lines, std::size_t most) {
  if (lines.size() > most) {
    const auto left_out = lines.size() - most;
    lines.resize(most);
    lines.push_back(fmt::format("... and {} more line{}", left_out, left_out == 1 ? "" : "s"));
  }
}

void shorten(std::string& line, std::size_t most) {
  if (line.size() <= most) {
    return;
  }
  const auto continues = [&](std::size_t at) { return (static_cast<unsigned char>(line[at]) & 0xc0U) == 0x80U; };
  while (most != 0 && continues(most)) {
    --most;
  }
  const auto left_out = line.size() - most;
  line.resize(most);
  line += fmt::format("... and {} more bytes", left_out);
}

}  // namespace smtpegress::report
