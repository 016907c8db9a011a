// What the daemon says of all its networks and containers (Docker's Engine API, NetworkList and ContainerList): text
// in, values out.
#include "docker/inventory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "docker/json.hpp"

namespace smtpegress::docker {
namespace {

using nlohmann::json;

constexpr std::size_t kLongestName = 255;  // bytes, of whatever is shown; Docker's own names are shorter
constexpr const char* kByHand = "or name the mail stack's network with --subnet, and Docker is not asked";

std::unexpected<Error> refused(std::string_view list, std::string_view why) {
  return usage_error(kAsk, std::string(list), fmt::format("{}; {}", why, kByHand));
}

/// A text that may be shown; nothing where the member is none.
std::optional<std::string> shown(const json* value) {
  if (value == nullptr || !value->is_string()) {
    return std::nullopt;
  }
  auto text = value->get<std::string>();
  const bool is_shown = text.size() <= kLongestName && std::ranges::all_of(text, [](char c) {
                          const auto byte = static_cast<unsigned char>(c);
                          return byte >= ' ' && byte != 0x7f;
                        });
  return is_shown ? std::optional(std::move(text)) : std::nullopt;
}

/// The list that an answer is.
Result<json> list_in(std::string_view what, unsigned status, std::string_view body) {
  json answer = json::parse(body, nullptr, false);
  if (status != kOk) {
    return refused(what, fmt::format("the daemon answered {}: {}", status, words_of(answer)));
  }
  if (!answer.is_array()) {
    return refused(what, "the daemon's answer is no JSON list; is that Docker's socket?");
  }
  return answer;
}

/// None where one of them is none: such a network is no choice, and the others still are.
std::vector<Prefix> subnets_of(const json& network) {
  std::vector<Prefix> subnets;
  for (const auto& text : subnets_in(network)) {
    const auto subnet = Prefix::parse(text);
    if (!subnet) {
      return {};
    }
    subnets.push_back(*subnet);
  }
  return subnets;
}

/// Absent: it is none.
std::optional<Network> network_of(const json& entry) {
  auto name = shown(member(entry, "Name"));
  auto driver = shown(member(entry, "Driver"));
  if (!name || name->empty() || !driver) {
    return std::nullopt;
  }
  const auto* internal = member(entry, "Internal");
  return Network{.name = *std::move(name),
                 .driver = *std::move(driver),
                 .internal = internal != nullptr && internal->is_boolean() && internal->get<bool>(),
                 .subnets = subnets_of(entry)};
}

/// Absent: it is none.
std::optional<Container> container_of(const json& entry) {
  const auto* names = member(entry, "Names");
  auto image = shown(member(entry, "Image"));
  if (names == nullptr || !names->is_array() || names->empty() || !image) {
    return std::nullopt;
  }
  const auto name = shown(&names->front());
  if (!name) {
    return std::nullopt;
  }
  Container container{.name = name->starts_with('/') ? name->substr(1) : *name,
                      .image = *std::move(image),
                      .project = {},
                      .service = {},
                      .networks = {}};
  if (const auto* labels = member(entry, "Labels"); labels != nullptr) {
    container.project = shown(member(*labels, "com.docker.compose.project")).value_or("");
    container.service = shown(member(*labels, "com.docker.compose.service")).value_or("");
  }
  const auto* settings = member(entry, "NetworkSettings");
  const auto* networks = settings != nullptr ? member(*settings, "Networks") : nullptr;
  if (networks != nullptr && networks->is_object()) {
    for (const auto& network : networks->items()) {
      container.networks.push_back(network.key());
    }
  }
  return container;
}

template <class Item>
Result<std::vector<Item>> items_of(std::string_view what, const Result<json>& list,
                                   std::optional<Item> (*read)(const json&)) {
  if (!list) {
    return std::unexpected(list.error());
  }
  std::vector<Item> items;
  for (const auto& entry : *list) {
    auto item = read(entry);
    if (!item) {
      return refused(what, fmt::format("number {} in the daemon's answer is none", items.size() + 1));
    }
    items.push_back(*std::move(item));
  }
  std::ranges::sort(items, {}, &Item::name);
  return items;
}

}  // namespace

Result<std::vector<Network>> networks_in_answer(unsigned status, std::string_view body) {
  return items_of("networks", list_in("networks", status, body), network_of);
}

Result<std::vector<Container>> containers_in_answer(unsigned status, std::string_view body) {
  return items_of("containers", list_in("containers", status, body), container_of);
}

}  // namespace smtpegress::docker
