// Docker's networks, asked of its daemon. Podman's daemon answers the same questions on a socket of its own.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "smtpegress/net_types.hpp"

namespace smtpegress::docker {

inline constexpr std::chrono::seconds kPatience{5};  // an answer takes a millisecond or two

/// Where the daemon listens: a path out of DOCKER_HOST ("unix:///run/user/1000/docker.sock"), or Docker's own
/// (/run/docker.sock) where that is null or empty. kUsage: DOCKER_HOST names no socket of this host.
Result<std::string> socket_path(const char* docker_host);

/// The subnets, IPv4 and IPv6, of the bridge network of that name. kUsage says what is wrong and what to do: no daemon,
/// no such network, one without subnets or of another driver, an answer that is none. kPermission: the socket is not
/// for this user. It takes no longer than `patience`, whatever the daemon does.
Result<std::vector<Prefix>> subnets_of(const std::string& socket, const std::string& network,
                                       std::chrono::milliseconds patience = kPatience);

/// The same out of the daemon's answer to GET /networks/NETWORK.
Result<std::vector<Prefix>> subnets_in_answer(const std::string& network, unsigned status, std::string_view body);

}  // namespace smtpegress::docker
