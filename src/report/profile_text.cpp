#include "report/profile_text.hpp"

#include <fmt/format.h>

#include <algorithm>

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

}  // namespace

std::string without_descriptions(std::string_view json) {
  std::string text;
  std::size_t told = 0;
  for (auto at = next_value(json, "description", 0); at != kNowhere; at = next_value(json, "description", at)) {
    if (json[at] == '"') {
      text.append(json.substr(told, at + 1 - told)).append("...");
      at = told = end_of_text(json, at + 1);
    }
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
