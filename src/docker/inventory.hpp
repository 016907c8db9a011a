// Docker's networks and the containers that run, asked of its daemon to find a mail stack among them. What it says is
// not trusted: what cannot be read is refused whole; only a network whose subnets cannot be has none.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "docker/networks.hpp"
#include "smtpegress/net_types.hpp"

namespace smtpegress::docker {

struct Network {
  std::string name;
  std::string driver;           ///< "bridge", "host", "macvlan" …
  bool internal = false;        ///< it has no way to the internet
  std::vector<Prefix> subnets;  ///< of either family; none where one of them cannot be read
};

struct Container {
  std::string name;     ///< without its slash: "mailu-smtp-1"
  std::string image;    ///< as it was asked for: "ghcr.io/mailu/postfix:2024.06"
  std::string project;  ///< compose's, and the service in it; empty where there is none
  std::string service;
  std::vector<std::string> networks;  ///< by name; "host" where it has the host's own
};

struct Inventory {
  std::vector<Network> networks;      ///< by name
  std::vector<Container> containers;  ///< by name
};

/// Both; nothing where nobody listens on the socket. kUsage: an answer that is none, or none in time; kPermission: the
/// socket is not for this user. It takes no longer than twice `patience`.
Result<std::optional<Inventory>> inventory(const std::string& socket, std::chrono::milliseconds patience = kPatience);

/// The same out of the daemon's answers to GET /networks and GET /containers/json.
Result<std::vector<Network>> networks_in_answer(unsigned status, std::string_view body);
Result<std::vector<Container>> containers_in_answer(unsigned status, std::string_view body);

}  // namespace smtpegress::docker
