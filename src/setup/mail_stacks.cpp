#include "setup/mail_stacks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <functional>

#include "net/contains.hpp"

namespace smtpegress::setup {
namespace {

using docker::Container;
using docker::Inventory;
using docker::Network;

// Servers that send mail, as images and compose services are called: mailu/postfix, mailcow/postfix and haraka,
// mailserver/docker-mailserver, xmox.nl/mox, and those of other stacks.
constexpr std::array<std::string_view, 12> kServers{"postfix", "smtp",     "haraka", "exim",      "exim4", "mailserver",
                                                    "mox",     "stalwart", "maddy",  "opensmtpd", "poste", "mta"};

/// The words of a name, in lower case.
std::vector<std::string> words_of(std::string_view name) {
  std::vector<std::string> words(1);
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0) {
      words.back() += static_cast<char>(std::tolower(byte));
    } else if (!words.back().empty()) {
      words.emplace_back();
    }
  }
  return words;
}

/// "postfix" of "ghcr.io/mailu/postfix:2024.06@sha256:…".
std::string_view image_name(std::string_view image) {
  image = image.substr(0, image.find('@'));
  if (const auto slash = image.rfind('/'); slash != std::string_view::npos) {
    image.remove_prefix(slash + 1);
  }
  return image.substr(0, image.find(':'));
}

bool is_server(const Container& container) {
  const auto has_server = [](std::string_view name) {
    const auto words = words_of(name);
    return std::ranges::any_of(kServers, [&](std::string_view server) { return contains(words, server); });
  };
  return has_server(image_name(container.image)) || has_server(container.service);
}

std::string stack_of(const Container& container) {
  for (const auto& name : {container.image, container.project, container.name}) {
    if (auto stack = stack_named_in(name); !stack.empty()) {
      return stack;
    }
  }
  return "";
}

bool may_send(const Network& network) {
  return network.driver == "bridge" && !network.internal && !network.subnets.empty();
}

/// Networks of the containers that `belongs` says yes of.
std::vector<MailNetwork> networks_of(const Inventory& inventory, const std::function<bool(const Container&)>& belongs) {
  std::vector<MailNetwork> found;
  for (const auto& network : inventory.networks) {
    for (const auto& container : inventory.containers) {
      if (may_send(network) && belongs(container) && contains(container.networks, network.name)) {
        const auto stack = stack_of(container);
        found.push_back({.network = network,
                         .stack = stack.empty() ? "mail" : stack,
                         .why = fmt::format("container {}", container.name)});
        break;
      }
    }
  }
  return found;
}

}  // namespace

std::string stack_named_in(std::string_view words) {
  const auto list = words_of(words);
  std::string joined;
  for (const auto& word : list) {
    joined += word;
  }
  for (const std::string_view stack : {"mailu", "mailcow"}) {
    if (joined.find(stack) != std::string::npos) {
      return std::string(stack);
    }
  }
  if (contains(list, "mailserver")) {
    return "docker-mailserver";
  }
  return contains(list, "mox") ? "mox" : "";
}

std::vector<MailNetwork> mail_networks(const Inventory& inventory) {
  auto found = networks_of(inventory, is_server);
  if (found.empty()) {
    found = networks_of(inventory, [](const Container& container) { return !stack_of(container).empty(); });
  }
  if (!found.empty()) {
    return found;
  }
  for (const auto& network : inventory.networks) {
    const auto stack = stack_named_in(network.name);
    const auto words = words_of(network.name);
    if (may_send(network) && (!stack.empty() || contains(words, "mail") || contains(words, "postfix"))) {
      found.push_back({.network = network, .stack = stack.empty() ? "mail" : stack, .why = "by its name"});
    }
  }
  return found;
}

std::vector<std::string> mail_servers_on_host(const Inventory& inventory) {
  std::vector<std::string> names;
  for (const auto& container : inventory.containers) {
    if (is_server(container) && contains(container.networks, "host")) {
      names.push_back(container.name);
    }
  }
  return names;
}

}  // namespace smtpegress::setup
