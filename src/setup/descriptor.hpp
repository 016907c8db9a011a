// What one end says of itself to the other: `smtp-egress pair` prints it, `init vps --from-home` and `pair --with` take
// it. A small JSON document; it holds no secret.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "smtpegress/kernel.hpp"
#include "smtpegress/profile.hpp"
#include "smtpegress/state.hpp"

namespace smtpegress::setup {

inline constexpr int kDescriptorVersion = 1;                  // raised when another program would misread it
inline constexpr std::size_t kLongestDescriptor = 1UL << 20;  // bytes; one is some hundred, and 200 more for each peer

struct DescribedPeer {
  std::string public_key;
  std::vector<Prefix> allowed_ips;
  std::string endpoint;  ///< "203.0.113.10:51820"; empty: none known
  auto operator<=>(const DescribedPeer&) const = default;
};

struct Descriptor {
  Side side = Side::kHome;
  std::string instance;
  std::vector<Prefix> sources;  ///< sorted; as they are now, names among them asked
  /// Sorted; what the mail has as source addresses inside the tunnel: the sources, or with nat: masquerade the
  /// tunnel's addresses at home. At the VPS the sources.
  std::vector<Prefix> mail_from;
  std::vector<PortRange> ports;      ///< sorted
  HomeNat nat = HomeNat::kPreserve;  ///< home
  std::string tunnel;                ///< the interface's name there
  std::vector<IpAddress> tunnel_addresses;
  std::uint32_t mtu = 0;                         ///< bytes; 0: there is no such interface now
  std::string public_key;                        ///< the tunnel's own; empty: not known
  std::vector<DescribedPeer> peers;              ///< all of the tunnel's
  ByFamily<std::optional<IpAddress>> public_ip;  ///< VPS: what the world sees; absent: not known, or not needed
  auto operator<=>(const Descriptor&) const = default;
};

/// Of an end whose tunnel is no WireGuard, neither key nor peers are known.
[[nodiscard]] inline bool is_wireguard(const Descriptor& end) {
  return !end.public_key.empty() || !end.peers.empty();
}

/// Indented JSON with a checksum over what it says (CRC-32 of the document without it, keys sorted, no white space): it
/// guards against mistakes, such as half a copy, not against malice.
[[nodiscard]] std::string descriptor_to_json(const Descriptor& descriptor);

/// Reads one. `origin` names it in messages. kUsage: it is none, of another version, changed or cut short.
Result<Descriptor> parse_descriptor(std::string_view origin, std::string_view text);

/// Of this host, for a profile whose sources' names have been asked for.
[[nodiscard]] Descriptor describe_end(const Profile& profile, const ResolvedHost& host, const ObservedState& observed,
                                      const std::optional<WireGuardDevice>& wireguard);

}  // namespace smtpegress::setup
