// What the daemon says of a network (Docker's Engine API, NetworkInspect): text in, values out.
#include <fmt/format.h>

#include "docker/json.hpp"
#include "docker/networks.hpp"

namespace smtpegress::docker {
namespace {

using nlohmann::json;

std::unexpected<Error> refused(const std::string& network, std::string why) {
  return usage_error(kAsk, fmt::format("network '{}'", network), std::move(why));
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
                                        words_of(answer), network));
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
  std::vector<Prefix> subnets;
  for (const auto& text : subnets_in(answer)) {
    const auto subnet = Prefix::parse(text);
    if (!subnet) {
      return refused(network, fmt::format("one of its subnets is none: {}", subnet.error().message()));
    }
    subnets.push_back(*subnet);
  }
  if (subnets.empty()) {
    return refused(network, "it has no subnet");
  }
  return subnets;
}

}  // namespace smtpegress::docker
