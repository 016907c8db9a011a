#include "report/profile_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>

namespace smtpegress::report {
namespace {

constexpr auto kNowhere = std::string_view::npos;

constexpr std::string_view kSpace = " \t\r\n";

std::size_t behind_space(std::string_view json, std::size_t at) {
  return json.find_first_not_of(kSpace, at);
}

/// Where a text that begins at `at` ends, its closing quote left out.
std::size_t end_of_text(std::string_view json, std::size_t at) {
  while (at < json.size() && json[at] != '"') {
    at += json[at] == '\\' ? 2U : 1U;
  }
  return std::min(at, json.size());
}

/// Behind the array or object that begins at `at`. Only brackets of its own kind count: in broken text another's may be
/// missing.
std::size_t end_of_brackets(std::string_view json, std::size_t at) {
  const char open = json[at];
  const char close = open == '[' ? ']' : '}';
  std::size_t depth = 0;
  for (; at < json.size(); ++at) {
    if (json[at] == '"') {
      at = end_of_text(json, at + 1);
    } else if (json[at] == open) {
      ++depth;
    } else if (json[at] == close && --depth == 0) {
      return at + 1;
    }
  }
  return json.size();
}

/// Is what begins at `at` a text, and not the name of a key?
bool is_value(std::string_view json, std::size_t at) {
  if (at == kNowhere || json[at] != '"') {
    return false;
  }
  const auto behind = behind_space(json, end_of_text(json, at + 1) + 1);
  return behind == kNowhere || json[behind] != ':';
}

/// Where the next value of `key` begins, of "key": "value" or of ["key", "value"], as a record has what was set beside
/// a profile; npos where there is none.
std::size_t next_value(std::string_view json, std::string_view key, std::size_t from) {
  const auto quoted = fmt::format("\"{}\"", key);
  for (auto at = json.find(quoted, from); at != kNowhere; at = json.find(quoted, at + 1)) {
    const auto mark = behind_space(json, at + quoted.size());
    const auto value = mark == kNowhere ? kNowhere : behind_space(json, mark + 1);
    const auto before = at == 0 ? kNowhere : json.find_last_not_of(kSpace, at - 1);
    const bool is_first = before != kNowhere && json[before] == '[';
    if (value != kNowhere && (json[mark] == ':' || (is_first && json[mark] == ',' && is_value(json, value)))) {
      return value;
    }
  }
  return kNowhere;
}

/// What an escape stands for, and its length without the backslashes before it: 5 of "\\u00fc".
struct Escape {
  char32_t character;
  std::size_t length;
};

constexpr std::size_t kUnitLength = 5;  // "u00fc"

std::optional<char32_t> code_unit_at(std::string_view json, std::size_t at) {
  constexpr int kHex = 16;
  const auto text = at < json.size() ? json.substr(at, kUnitLength) : std::string_view();
  std::uint16_t unit = 0;
  const auto* const end = text.data() + text.size();
  const bool is_unit =
      text.size() == kUnitLength && text.front() == 'u' && std::from_chars(text.data() + 1, end, unit, kHex).ptr == end;
  return is_unit ? std::optional<char32_t>(unit) : std::nullopt;
}

/// Of what stands at `at`, behind backslashes; nothing where that is none, or half of a pair of surrogates.
std::optional<Escape> escape_at(std::string_view json, std::size_t at) {
  constexpr std::string_view kControls = "bfnrt";
  if (at < json.size() && (json[at] == '/' || kControls.contains(json[at]))) {
    return Escape{.character = json[at] == '/' ? U'/' : U'\n', .length = 1};  // one control is like another here
  }
  const auto first = code_unit_at(json, at);
  constexpr char32_t kHigh = 0xd800, kLow = 0xdc00, kNoMore = 0xe000;  // RFC 2781, section 2.1
  if (!first || *first < kHigh || *first >= kNoMore) {
    return first ? std::optional(Escape{.character = *first, .length = kUnitLength}) : std::nullopt;
  }
  const auto behind = at + kUnitLength;
  const auto next = json.find_first_not_of('\\', behind);
  const auto second = next == behind ? std::nullopt : code_unit_at(json, next);
  if (*first >= kLow || !second || *second < kLow || *second >= kNoMore) {
    return std::nullopt;
  }
  constexpr unsigned kBits = 10;  // of the character, in each of the two
  return Escape{.character = 0x10000 + ((*first - kHigh) << kBits) + (*second - kLow),
                .length = next + kUnitLength - at};
}

/// RFC 3629, section 3.
std::string utf8(char32_t character) {
  constexpr std::array<char32_t, 4> kFirst{0, 0xc0, 0xe0, 0xf0};  // by how many bytes follow
  constexpr unsigned kBits = 6;                                   // of the character, in each of those
  std::size_t left = character < 0x80 ? 0 : character < 0x800 ? 1 : character < 0x10000 ? 2 : 3;
  std::string bytes(1, static_cast<char>(kFirst.at(left) | (character >> (kBits * left))));
  while (left-- > 0) {
    bytes += static_cast<char>(0x80U | ((character >> (kBits * left)) & 0x3fU));
  }
  return bytes;
}

/// ASCII's, and U+0080 to U+009F, as net/printable.hpp has them.
bool is_control(char32_t character) {
  return character < U' ' || (character >= 0x7f && character <= 0x9f);
}

/// May it stand in a text of JSON, and on a terminal, as it is?
bool is_plain(char32_t character) {
  return !is_control(character) && character != U'"' && character != U'\\';
}

/// Of the backslashes of what is no plain character.
enum class Others : std::uint8_t { kStay, kGo };

/// In a text within a text an escape's backslash is escaped itself: however many there are, they go together.
std::string unescaped(std::string_view json, Others others) {
  std::string text;
  text.reserve(json.size());
  for (std::size_t at = 0; at < json.size();) {
    const auto begin = std::min(json.find('\\', at), json.size());
    const auto behind = std::min(json.find_first_not_of('\\', begin), json.size());
    text += json.substr(at, begin - at);
    at = behind;
    const auto escape = escape_at(json, behind);
    if (others == Others::kStay && !(escape && is_plain(escape->character))) {
      text += json.substr(begin, behind - begin);
    } else if (escape) {
      text += is_control(escape->character) ? " " : utf8(escape->character);
      at += escape->length;
    }
  }
  return text;
}

}  // namespace

std::string with_plain_letters(std::string_view json) {
  return unescaped(json, Others::kStay);
}

std::string without_escapes(std::string_view json) {
  return unescaped(json, Others::kGo);
}

std::string without_descriptions(std::string_view json) {
  std::string text;
  std::size_t told = 0;
  for (auto at = next_value(json, "description", 0); at != kNowhere; at = next_value(json, "description", at)) {
    text += json.substr(told, at - told);
    if (json[at] == '"') {
      text += "\"...";
      at = end_of_text(json, at + 1);
    } else if (json[at] == '[' || json[at] == '{') {
      text += json[at] == '[' ? "[...]" : "{...}";
      at = end_of_brackets(json, at);
    }
    told = at;
  }
  return text.append(json.substr(told));
}

std::vector<std::string> texts_of(std::string_view json, std::string_view key) {
  std::vector<std::string> texts;
  for (auto at = next_value(json, key, 0); at != kNowhere; at = next_value(json, key, at)) {
    const bool is_list = json[at] == '[';
    for (at += is_list ? 1U : 0U; at < json.size(); ++at) {
      at = is_list ? json.find_first_of("\"]", at) : at;
      if (at == kNowhere || json[at] != '"') {
        break;
      }
      const auto end = end_of_text(json, at + 1);
      texts.emplace_back(json.substr(at + 1, end - at - 1));
      at = end;
      if (!is_list) {
        break;
      }
    }
    if (at == kNowhere) {
      break;
    }
  }
  return texts;
}

}  // namespace smtpegress::report
