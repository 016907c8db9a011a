// The inner tunnel (InnerTunnel in smtpegress/profile.hpp): its interface, the firewall rules that keep its packets on
// their link, and the routes that lead into it.
//
// A VXLAN is an Ethernet, and nobody is asked on it: both ends have fixed Ethernet addresses, each is the other's
// gateway by a link-local address that neither has, and the neighbour entry of that gateway is set by hand. So nothing
// depends on ARP or neighbour discovery, which firewalls filter, nor on an address of the interface.
#pragma once

#include <string_view>

#include "smtpegress/state.hpp"

namespace smtpegress {

/// The interface that reaches the other end by itself: the tunnel, or the link that an inner tunnel is made over.
[[nodiscard]] const IfName& carrier_of(const Profile& profile);

/// Bytes that a packet grows by; `outer` is the family of the two ends.
[[nodiscard]] std::uint32_t overhead_of(InnerTunnel::Kind kind, IpFamily outer);

/// What loads the kernel's part: IFLA_INFO_KIND, and the module's name.
[[nodiscard]] std::string_view link_kind_of(const Profile& profile);

/// What carries the wrapped packets between the two ends, and only there.
struct OuterProtocol {
  std::uint8_t number = 0;     ///< IPPROTO_*
  std::uint16_t udp_port = 0;  ///< 0: it is not UDP
};
[[nodiscard]] std::vector<OuterProtocol> outer_protocols(const Profile& profile);

/// Fills in host.inner, which stays empty while the link is not there. kUsage where the inner tunnel cannot be on this
/// host as it is: over its uplink, or too small for the profile's IPv6. Precondition: there is an inner tunnel.
Result<void> resolve_inner(const Profile& profile, const ObservedState& observed, ResolvedHost& host);

/// Adds to what the side itself has lowered; nothing where the profile has no inner tunnel.
void lower_inner(const Profile& profile, const ResolvedHost& host, DesiredState& desired);

}  // namespace smtpegress
