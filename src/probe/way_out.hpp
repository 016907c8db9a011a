// Which way a packet of this host's own would take, asked of the kernel before it is sent. A container's mail has the
// guard behind it; what this host sends in its place is led into the tunnel by the policy rules alone, and where they
// are gone it would be SMTP by the home line.
#pragma once

#include <functional>
#include <optional>

#include "probe/connection.hpp"
#include "smtpegress/route.hpp"

namespace smtpegress::probe {

/// Kernel::look_up_route(), in the network namespace that the program runs in. Called by one thread at a time.
using RouteLookup = std::function<Result<RouteAnswer>(const RouteQuery&)>;

/// Of the SYN that a socket of `uid`'s (absent: of this process's user) sends to `to`, were it not bound to a device.
[[nodiscard]] Result<RouteAnswer> way_out(const RouteLookup& look_up, const Endpoint& to, const Sending& how,
                                          const std::optional<std::uint32_t>& uid);

}  // namespace smtpegress::probe
