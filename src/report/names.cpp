#include "report/names.hpp"

#include <algorithm>
#include <array>

#include "net/contains.hpp"

namespace smtpegress::report {
namespace {

/// A run of characters that names are made of, where it begins and ends.
struct Run {
  std::size_t begin;
  std::size_t end;
};

std::vector<Run> runs_in(std::string_view text) {
  std::vector<Run> runs;
  for (auto at = text.begin(); at != text.end();) {
    const auto begin = std::find_if(at, text.end(), is_of_any_name);
    at = std::find_if_not(begin, text.end(), is_of_any_name);
    if (begin != at) {
      runs.push_back({static_cast<std::size_t>(begin - text.begin()), static_cast<std::size_t>(at - text.begin())});
    }
  }
  return runs;
}

bool is_number(std::string_view name) {
  return std::ranges::all_of(name, [](unsigned char c) { return std::isdigit(c) != 0 || c == '.'; });
}

/// A part of "/srv/example.org/mail"; "smtp://mx.example.org/" names a machine.
bool is_of_path(std::string_view text, const Run& run) {
  const auto before = text.substr(0, run.begin);
  const bool is_behind = before.ends_with('/') && !before.ends_with("//");
  return is_behind || (text.substr(run.end).starts_with('/') && !before.ends_with("//"));
}

/// At least two labels, of which the last is no number: a version and an interface (eth0.100) end in one.
bool is_full_name(std::string_view name) {
  // Of files; no top-level domain is called so.
  constexpr std::array<std::string_view, 4> kEndings{"conf", "json", "service", "txt"};
  constexpr std::string_view kObjectKey = "inner.";  // of the one key that has members which --set may name
  const auto last = name.substr(name.rfind('.') + 1);
  const bool is_word = last.size() >= 2 && (last.starts_with("xn--") || std::ranges::all_of(last, [](unsigned char c) {
                                              return std::isalpha(c) != 0 || c >= 0x80;
                                            }));
  return is_word && name.find("..") == std::string_view::npos && !contains(kEndings, last) &&
         !name.starts_with(kObjectKey);
}

/// The runs that are wanted, as bare names.
template <class IsWanted>
std::vector<std::string> wanted_in(std::string_view text, IsWanted is_wanted) {
  std::vector<std::string> names;
  for (const auto& run : runs_in(text)) {
    auto name = bare_name(text.substr(run.begin, run.end - run.begin));
    if (is_wanted(name, run)) {
      names.push_back(std::move(name));
    }
  }
  return names;
}

}  // namespace

std::string bare_name(std::string_view name) {
  const auto begin = name.find_first_not_of('.');
  if (begin == std::string_view::npos) {
    return {};
  }
  auto bare = std::string(name.substr(begin, name.find_last_not_of('.') + 1 - begin));
  std::ranges::transform(bare, bare.begin(), [](unsigned char c) { return std::tolower(c); });
  return bare;
}

std::vector<std::string> names_in(std::string_view text) {
  return wanted_in(text, [](const std::string& name, const Run&) { return !name.empty(); });
}

std::vector<std::string> dotted_names_in(std::string_view text) {
  return wanted_in(text, [](const std::string& name, const Run&) { return name.contains('.') && !is_number(name); });
}

std::vector<std::string> full_names_in(std::string_view text) {
  return wanted_in(text, [&](const std::string& name, const Run& run) {
    return name.contains('.') && is_full_name(name) && !is_of_path(text, run);
  });
}

}  // namespace smtpegress::report
