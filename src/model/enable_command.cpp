#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "smtpegress/profile.hpp"

namespace smtpegress {
namespace {

using nlohmann::json;

/// The keys that have an option of their own.
constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kOptions{
    {{"tunnel", "--tunnel"}, {"wan", "--wan"}, {"public_ip", "--public-ip"}, {"public_ip6", "--public-ip6"}}};

/// As a shell takes it for one word.
std::string shell_word(std::string_view word) {
  constexpr std::string_view kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string_view::npos) {
    return std::string(word);
  }
  std::string text = "'";
  for (const char c : word) {
    text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  }
  return text + "'";
}

/// `sources` as --subnet and --docker-network put them; nothing where they were set otherwise.
std::optional<std::string> source_options(const std::string& value) {
  const auto sources = json::parse(value, nullptr, false);
  if (!sources.is_array()) {
    return std::nullopt;
  }
  std::string text;
  for (const auto& source : sources) {
    const bool is_docker = source.is_object() && source.size() == 1 && source.contains("docker_network");
    const auto& named = is_docker ? source["docker_network"] : source;
    if (!named.is_string()) {
      return std::nullopt;
    }
    text += (is_docker ? " --docker-network " : " --subnet ") + shell_word(named.get<std::string>());
  }
  return text;
}

std::string option_for(const std::string& key, const std::string& value) {
  if (key == "sources") {
    if (auto options = source_options(value)) {
      return *std::move(options);
    }
  }
  const auto* const found = std::ranges::find(kOptions, key, &decltype(kOptions)::value_type::first);
  return found != kOptions.end() ? " " + std::string(found->second) + " " + shell_word(value)
                                 : " --set " + shell_word(key + "=" + value);
}

}  // namespace

std::string enable_command(const Profile& profile, std::initializer_list<std::string_view> without) {
  const auto& asked = profile.asked_for;
  auto text = "smtp-egress enable " + shell_word(asked.instance.empty() ? profile.name : asked.instance);
  for (const auto& [key, value] : asked.overrides.settings) {
    if (key != "description" && std::ranges::find(without, key) == without.end()) {
      text += option_for(key, value);
    }
  }
  return text;
}

bool say_the_same(const Profile& one, const Profile& other) {
  auto asked_alike = other;
  asked_alike.asked_for = one.asked_for;
  return one == asked_alike;
}

}  // namespace smtpegress
