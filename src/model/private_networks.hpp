// Networks that the internet has no route to: what is sent to one stays among the sender's own networks.
#pragma once

#include <algorithm>
#include <array>

#include "smtpegress/net_types.hpp"

namespace smtpegress {

/// RFC 1918; RFC 6598, which carriers and Tailscale take addresses from; RFC 4193. (Link-local ones are never
/// forwarded.)
inline constexpr std::array kPrivateNetworks{
    Prefix{{IpFamily::kV4, {10}}, 8},       Prefix{{IpFamily::kV4, {100, 64}}, 10},
    Prefix{{IpFamily::kV4, {172, 16}}, 12}, Prefix{{IpFamily::kV4, {192, 168}}, 16},
    Prefix{{IpFamily::kV6, {0xfc}}, 7},
};

/// Of one link each: 169.254.0.0/16 (RFC 3927), fe80::/10 (RFC 4291). A host sends to its neighbours there itself.
inline constexpr std::array kLinkNetworks{
    Prefix{{IpFamily::kV4, {169, 254}}, 16},
    Prefix{{IpFamily::kV6, {0xfe, 0x80}}, 10},
};

/// Can one host have it, and send from it to another? "This network", loopback and what is for groups or reserved is
/// none (RFC 6890; RFC 4291, sections 2.4 and 2.5). Of a link-local address too.
[[nodiscard]] inline bool can_be_of_a_host(const IpAddress& address) {
  const auto first = address.bytes[0];
  return address.family == IpFamily::kV4 ? first != 0 && first != 127 && first < 224 : first != 0 && first != 0xff;
}

/// Of an address or a network, whether it is in one of them.
template <class Part>
[[nodiscard]] bool is_private(const Part& part) {
  return std::ranges::any_of(kPrivateNetworks, [&](const Prefix& network) { return network.contains(part); });
}

}  // namespace smtpegress
