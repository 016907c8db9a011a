// What both readers of the daemon's answers look for in them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace smtpegress::docker {

inline constexpr const char* kAsk = "ask Docker for";  // the operation of errors
inline constexpr unsigned kOk = 200, kNotFound = 404;  // HTTP

/// Null: there is none, or it is null.
[[nodiscard]] inline const nlohmann::json* member(const nlohmann::json& object, const char* key) {
  if (!object.is_object()) {
    return nullptr;
  }
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

/// A member that is a text; empty where it is not.
[[nodiscard]] inline std::string text_of(const nlohmann::json& object, const char* key) {
  const auto* found = member(object, key);
  return found != nullptr && found->is_string() ? found->get<std::string>() : "";
}

/// What the daemon has to say of a refusal. Error::message() makes it fit to be shown.
[[nodiscard]] inline std::string words_of(const nlohmann::json& answer) {
  constexpr std::size_t kLongest = 200;  // bytes
  return text_of(answer, "message").substr(0, kLongest);
}

/// The subnets of a network's address pools, one for each: empty where it has none.
[[nodiscard]] inline std::vector<std::string> subnets_in(const nlohmann::json& network) {
  std::vector<std::string> subnets;
  const auto* ipam = member(network, "IPAM");
  const auto* config = ipam != nullptr ? member(*ipam, "Config") : nullptr;
  if (config != nullptr && config->is_array()) {
    for (const auto& pool : *config) {
      subnets.push_back(text_of(pool, "Subnet"));
    }
  }
  return subnets;
}

}  // namespace smtpegress::docker
