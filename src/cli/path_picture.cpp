#include "cli/path_picture.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <optional>

#include "net/printable.hpp"

namespace smtpegress::cli {
namespace {

constexpr std::size_t kColumns = 80;
constexpr std::size_t kTextColumn = 26;  // where a row's words begin
constexpr std::size_t kRoom = kColumns - kTextColumn;
constexpr std::size_t kCauseLines = 2;  // what a broken hop's cause may take of them

struct Glyphs {
  std::string_view ok, broken, unknown;
  std::string_view rail, cut;  ///< of a way; behind the place where it is broken
  std::string_view down, up;
  std::string_view rest;  ///< of what is left out
};
constexpr Glyphs kUnicode{"✓", "✗", "–", "│", "┊", "▼", "▲", "…"};
constexpr Glyphs kAscii{"ok", "X", "-", "|", ":", "v", "^", "..."};

// ECMA-48, SGR
constexpr std::string_view kGreen = "32";
constexpr std::string_view kRed = "1;31";
constexpr std::string_view kDim = "2";
constexpr std::string_view kPlain = "";

bool begins_character(char byte) {
  return (static_cast<unsigned char>(byte) & 0xc0U) != 0x80U;  // UTF-8, RFC 3629
}
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, begins_character));
}
/// The first `columns` of it.
std::string_view head_of(std::string_view text, std::size_t columns) {
  std::size_t end = 0;
  for (std::size_t seen = 0; end < text.size(); ++end) {
    if (begins_character(text[end]) && seen++ == columns) {
      break;
    }
  }
  return text.substr(0, end);
}

std::string_view label_of(Place place) {
  constexpr std::array<std::string_view, 10> kLabels{"home",     "mail stack", "bridge", "mark", "table",
                                                     "firewall", "tunnel",     "VPS",    "SNAT", "internet"};
  return kLabels.at(static_cast<std::size_t>(place));
}

/// One place, as both ways have it.
struct Row {
  Hop out;
  std::optional<Hop> back;  ///< absent: it is not on that way
};

bool is_broken(const std::optional<Hop>& hop) {
  return hop && hop->outcome == HopOutcome::kBroken;
}

/// Every place of the way out; the way back has none that is not on it.
std::vector<Row> rows_of(const std::vector<Hop>& path) {
  std::vector<Row> rows;
  for (const auto& hop : path) {
    if (hop.way == MailWay::kOut) {
      rows.push_back({hop, {}});
      continue;
    }
    const auto row = std::ranges::find_if(rows, [&](const Row& r) { return r.out.place == hop.place; });
    if (row != rows.end()) {
      row->back = hop;
    }
  }
  return rows;
}

class Picture {
 public:
  Picture(const std::vector<Hop>& path, const Drawing& drawing)
      : rows_(rows_of(path)),
        drawing_(drawing),
        glyphs_(drawing.charset == Drawing::Charset::kUnicode ? kUnicode : kAscii) {
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      out_ends_ = is_broken(rows_[i].out) && !out_ends_ ? std::optional(i) : out_ends_;
      back_ends_ = is_broken(rows_[i].back) ? std::optional(i) : back_ends_;
    }
  }

  [[nodiscard]] std::string text() const {
    auto text = fmt::format("  out {}   {} back\n", glyphs_.down, glyphs_.up);
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      text += row_text(i);
    }
    return text;
  }

 private:
  /// In a column of four.
  [[nodiscard]] std::string cell(std::string_view glyph, std::string_view colour) const {
    const bool plain = drawing_.colour == Drawing::Colour::kNone || colour.empty();
    return (plain ? std::string(glyph) : fmt::format("\x1b[{}m{}\x1b[0m", colour, glyph)) +
           std::string(4 - width_of(glyph), ' ');
  }
  [[nodiscard]] std::string rail(bool is_cut) const { return cell(is_cut ? glyphs_.cut : glyphs_.rail, kDim); }
  [[nodiscard]] std::string mark(const Hop& hop) const {
    switch (hop.outcome) {
      case HopOutcome::kOk:
        return cell(glyphs_.ok, kGreen);
      case HopOutcome::kBroken:
        return cell(glyphs_.broken, kRed);
      case HopOutcome::kUnknown:
        return cell(glyphs_.unknown, kDim);
    }
    return {};
  }

  [[nodiscard]] std::string line(std::string_view out, std::string_view back, std::string_view label,
                                 std::string_view colour, std::string_view text) const {
    const auto padded = fmt::format("{}{}", label, std::string(kTextColumn - 14 - width_of(label), ' '));
    const bool plain = drawing_.colour == Drawing::Colour::kNone || colour.empty();
    auto whole = fmt::format("      {}{}{}{}", out, back,
                             plain ? padded : fmt::format("\x1b[{}m{}\x1b[0m", colour, padded), text);
    whole.erase(whole.find_last_not_of(' ') + 1);
    return whole + "\n";
  }

  /// In lines of the room that there is, broken between words; what is too much is left out.
  [[nodiscard]] std::vector<std::string> lines_of(std::string_view text, std::size_t most) const {
    std::vector<std::string> lines;
    while (width_of(text) > kRoom && lines.size() + 1 < most) {
      const auto head = head_of(text, kRoom + 1);
      const auto space = head.rfind(' ');
      const auto end = space == std::string_view::npos || space == 0 ? head_of(text, kRoom).size() : space;
      lines.emplace_back(text.substr(0, end));
      text.remove_prefix(end);
      text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    }
    const bool fits = width_of(text) <= kRoom;
    lines.push_back(fits ? std::string(text)
                         : fmt::format("{}{}", head_of(text, kRoom - width_of(glyphs_.rest)), glyphs_.rest));
    return lines;
  }
  /// As it is to be printed: on one line, and in the characters that there are.
  [[nodiscard]] std::string printable(std::string text) const {
    for (std::size_t at = 0; at < text.size(); ++at) {
      if (const auto length = control_at(text, at); length != 0) {
        text.replace(at, length, " ");
      }
    }
    return drawing_.charset == Drawing::Charset::kAscii ? in_ascii(text) : text;
  }

  /// What was seen of it; where all is well, also of what.
  static std::string words_of(const Hop& hop) {
    const bool both = hop.outcome != HopOutcome::kBroken && !hop.name.empty() && !hop.seen.empty();
    return both ? fmt::format("{}: {}", hop.name, hop.seen) : hop.seen.empty() ? hop.name : hop.seen;
  }
  [[nodiscard]] std::string row_text(std::size_t i) const {
    const auto& row = rows_[i];
    const auto& hop = is_broken(row.back) && !is_broken(row.out) ? *row.back : row.out;
    const bool broken = is_broken(hop);
    const auto lines = lines_of(printable(words_of(hop)), broken ? kCauseLines : 1);
    auto text = line(mark(row.out), row.back ? mark(*row.back) : rail(back_ends_ && *back_ends_ > i),
                     label_of(hop.place), broken ? kRed : kPlain, lines.front());
    // Below it: the way out has passed this row, the way back comes to it.
    const auto below = [&](std::string_view words) {
      return line(rail(out_ends_ && *out_ends_ <= i), rail(back_ends_ && *back_ends_ > i), "", kPlain, words);
    };
    for (std::size_t further = 1; further < lines.size(); ++further) {
      text += below(lines[further]);
    }
    if (broken) {
      const auto mend = printable("mend: " + hop.mend);
      text += below(width_of(mend) <= kRoom ? mend : "mend: see FAILED below");
    }
    return text;
  }

  std::vector<Row> rows_;
  Drawing drawing_;
  Glyphs glyphs_;
  std::optional<std::size_t> out_ends_;   ///< the row where the way out is broken first
  std::optional<std::size_t> back_ends_;  ///< and the way back, which begins at the last row
};

}  // namespace

Drawing drawing_for(Reader reader, const Environment& environment) {
  const auto value = [&](const char* name) {
    const char* text = environment(name);
    return std::string(text == nullptr ? "" : text);
  };
  std::string locale;
  for (const auto* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {  // locale(7): the first that is set decides
    locale = locale.empty() ? value(name) : locale;
  }
  std::ranges::transform(locale, locale.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const bool utf8 = locale.find("utf-8") != std::string::npos || locale.find("utf8") != std::string::npos;
  const bool coloured = reader == Reader::kTerminal && value("NO_COLOR").empty() && value("TERM") != "dumb";
  return {.charset = utf8 ? Drawing::Charset::kUnicode : Drawing::Charset::kAscii,
          .colour = coloured ? Drawing::Colour::kAnsi : Drawing::Colour::kNone};
}

Drawing drawing_here(bool ascii) {
  auto drawing = drawing_for(::isatty(STDOUT_FILENO) == 1 ? Reader::kTerminal : Reader::kOther,
                             [](const char* name) { return std::getenv(name); });
  drawing.charset = ascii ? Drawing::Charset::kAscii : drawing.charset;
  return drawing;
}

std::string picture_text(const std::vector<Hop>& path, const Drawing& drawing) {
  return path.empty() ? std::string() : Picture(path, drawing).text();
}

std::string in_ascii(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kLike{{{"…", "..."}, {"—", "-"}, {"–", "-"}}};
  std::string ascii;
  while (!text.empty()) {
    const auto* like = std::ranges::find_if(kLike, [&](const auto& pair) { return text.starts_with(pair.first); });
    // A byte of ASCII has nothing that continues it, and one that continues nothing is by itself.
    const bool leads = (static_cast<unsigned char>(text.front()) & 0xc0U) == 0xc0U;
    const auto character = leads ? head_of(text, 1) : text.substr(0, 1);
    if (like != kLike.end()) {
      ascii += like->second;
    } else {
      ascii += static_cast<unsigned char>(character.front()) < 0x80 ? character : "?";
    }
    text.remove_prefix(character.size());
  }
  return ascii;
}

}  // namespace smtpegress::cli
