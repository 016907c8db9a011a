// Tunnel interfaces that this program makes: the inner tunnel between two addresses of a link that lets nothing else
// through. Desired and observed share these types.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "smtpegress/net_types.hpp"

namespace smtpegress {

/// An Ethernet address; all zero: none.
struct MacAddress {
  std::array<std::uint8_t, 6> bytes{};
  [[nodiscard]] std::string to_string() const;  ///< "02:73:6d:74:70:01"
  auto operator<=>(const MacAddress&) const = default;
};

/// A neighbour that was set by hand (NUD_PERMANENT): nobody is asked for its Ethernet address.
struct Neighbour {
  IpAddress address;
  MacAddress mac;
  auto operator<=>(const Neighbour&) const = default;
};

/// What a tunnel interface does to what it carries; as the kernel shows it.
struct Encapsulation {
  std::optional<IpAddress> local;   ///< the wrapped packets' source
  std::optional<IpAddress> remote;  ///< and destination
  int link = 0;                     ///< index of the only interface they leave by; 0: any
  std::uint32_t id = 0;             ///< VXLAN: the network's number (VNI)
  std::uint16_t port = 0;           ///< VXLAN: UDP port that they go to
  PortRange source_ports{};         ///< VXLAN: UDP ports that they come from; the last is no longer one of them
  bool learns = false;              ///< VXLAN: takes what senders' Ethernet addresses say for where to send to
  auto operator<=>(const Encapsulation&) const = default;
};

/// An interface of ours. It is told by its alias, and by nothing else: one of that name without it is somebody else's.
struct LinkSpec {
  IfName name;
  std::string kind;                ///< IFLA_INFO_KIND: "vxlan", "ipip", "sit", "ip6tnl"
  std::string alias;               ///< IFLA_IFALIAS: "smtp-egress:NAME"
  IfName lower;                    ///< the link that the wrapped packets leave by
  std::optional<IpAddress> local;  ///< absent: the link has no address yet
  IpAddress remote;
  std::uint32_t id = 0;    ///< of a VXLAN
  std::uint16_t port = 0;  ///< of a VXLAN
  /// Of a VXLAN: its port alone, so that both directions are one flow to connection tracking, and a firewall that lets
  /// replies in lets the far end's packets in. As the kernel has it, `last` is not one of them.
  PortRange source_ports{};
  bool learns = false;    ///< of a VXLAN
  std::uint32_t mtu = 0;  ///< bytes; 0: not known while the link is not there
  bool up = true;
  MacAddress mac{};                     ///< of a VXLAN
  std::vector<Neighbour> neighbours{};  ///< of a VXLAN; sorted
  std::vector<IpAddress> addresses{};   ///< its own, each with the whole of its bits as prefix; sorted
  auto operator<=>(const LinkSpec&) const = default;
};

/// "mail0 vxlan 10.0.1.2 -> 10.0.1.1 dev wg0 udp 25025 mtu 1370"
[[nodiscard]] std::string to_string(const LinkSpec& link);

}  // namespace smtpegress
