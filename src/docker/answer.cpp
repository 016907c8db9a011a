// What the daemon says of a network (Docker's Engine API, NetworkInspect): text in, values out.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "docker/networks.hpp"

namespace smtpegress::docker {
namespace {

using nlohmann::json;

constexpr const char* kOperation = "ask Docker for";
constexpr unsigned kOk = 200, kNotFound = 404;  // HTTP
constexpr std::size_t kLongestWords = 200;      // bytes of the daemon's own message

std::unexpected<Error> refused(const std::string& network, std::string why) {
  return usage_error(kOperation, fmt::format("network '{}'", network), std::move(why));
}

const json* member(const json& object, const char* key) {
  if (!object.is_object()) {
    return nullptr;
  }
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

/// A member that is a text; empty where it is not.
std::string text_of(const json& object, const char* key) {
  const auto* found = member(object, key);
  return found != nullptr && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

Result<std::vector<Prefix>> subnets_in_answer(const std::string& network, unsigned status, std::string_view body) {
  const json answer = json::parse(body, nullptr, false);
  if (status == kNotFound) {
    return refused(network,
                   "there is none of that name; `docker network ls` lists them. One of a compose project "
                   "begins with the project's name, such as mailu_default");
  }
  if (status != kOk) {
    return refused(network, fmt::format("the daemon answered {}: {}; try `docker network inspect {}`", status,
                                        text_of(answer, "message").substr(0, kLongestWords), network));
  }
  if (!answer.is_object()) {
    return refused(network, "the daemon's answer is no JSON object; is that Docker's socket?");
  }
  const auto name = text_of(answer, "Name");
  if (name != network) {  // it also answers to the beginning of an id
    return refused(network, fmt::format("the daemon knows it as '{}'; write that name", name));
  }
  if (const auto driver = text_of(answer, "Driver"); driver != "bridge") {
    return refused(network,
                   fmt::format("its driver is '{}', and only a bridge's containers send through this host", driver));
  }
  const auto* ipam = member(answer, "IPAM");
  const auto* config = ipam != nullptr ? member(*ipam, "Config") : nullptr;
  std::vector<Prefix> subnets;
  if (config != nullptr && config->is_array()) {
    for (const auto& entry : *config) {
      const auto subnet = Prefix::parse(text_of(entry, "Subnet"));
      if (!subnet) {
        return refused(network, fmt::format("one of its subnets is none: {}", subnet.error().message()));
      }
      subnets.push_back(*subnet);
    }
  }
  if (subnets.empty()) {
    return refused(network, "it has no subnet");
  }
  return subnets;
}

}  // namespace smtpegress::docker
