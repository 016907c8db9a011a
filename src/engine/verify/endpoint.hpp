// The way of a WireGuard's own packets, which is a question for one tunnel's peer as for every tenant's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/verify/checks.hpp"

namespace smtpegress {

/// Where a peer's packets are sent to.
struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;
};
/// Nothing where none is known yet.
[[nodiscard]] std::optional<Endpoint> endpoint_of(const WireGuardPeer& peer);

struct EndpointWay {
  bool open = false;   ///< the kernel has a way to it, and not through the tunnel itself
  std::string detail;  ///< what the kernel answers
  std::string mend;    ///< of one that is not open
};

/// Nothing where the peer has no endpoint: then its handshake tells.
[[nodiscard]] std::optional<EndpointWay> way_to_endpoint(const Inquiry& ask, const IfName& tunnel,
                                                         const WireGuardDevice& device, const WireGuardPeer& peer);

}  // namespace smtpegress
