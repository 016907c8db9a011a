// Links, addresses, policy rules and routes, as rtnetlink shows them. Desired and observed share these types.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "smtpegress/net_types.hpp"

namespace smtpegress {

/// Who made a rule or route (`proto` in `ip rule`, `ip route`).
struct RouteProtocol {
  std::uint8_t value = 0;
  auto operator<=>(const RouteProtocol&) const = default;
};
inline constexpr RouteProtocol kBootProtocol{3};  // RTPROT_BOOT, linux/rtnetlink.h: what `ip` writes when told nothing
/// Ours: the number of the port it is all about; free in linux/rtnetlink.h and iproute2's rt_protos.
inline constexpr RouteProtocol kOurProtocol{25};

/// An attribute that the decoder does not know; kept, so that what has it equals nothing of ours.
struct UnknownAttribute {
  std::uint16_t type = 0;
  std::vector<std::uint8_t> bytes;
  auto operator<=>(const UnknownAttribute&) const = default;
};

struct Link {
  int index = 0;
  IfName name;
  std::string kind;  ///< IFLA_INFO_KIND: "wireguard", "bridge", "tun"; empty for hardware
  bool up = false;   ///< administratively (IFF_UP)
  std::uint32_t mtu = 0;
};

struct InterfaceAddress {
  int link = 0;  ///< index
  IpAddress local;
  std::uint8_t prefix_length = 0;
  [[nodiscard]] Prefix network() const;  ///< host bits cleared
};

/// A policy rule. An attribute at its default is absent here, whether the kernel sent it or not.
struct PolicyRule {
  IpFamily family = IpFamily::kV4;
  RulePriority priority;
  std::uint8_t action = 1;  // FR_ACT_TO_TBL, linux/fib_rules.h
  TableId table;
  std::optional<Mark> mark;
  RouteProtocol protocol;
  std::vector<UnknownAttribute>
      other;  ///< any further selector or setting: from, to, iif, invert, suppress, uid range …
  auto operator<=>(const PolicyRule&) const = default;
};

enum class Duplicates : std::uint8_t {
  kRefuse,  ///< EEXIST where the same rule stands already
  kAllow,   ///< a second rule of the same shape, as take-over needs for an instant
};

// linux/rtnetlink.h RTN_*
enum class RouteType : std::uint8_t {
  kUnicast = 1,
  kLocal = 2,
  kBroadcast = 3,
  kBlackhole = 6,
  kUnreachable = 7,
  kProhibit = 8
};

struct Route {
  IpFamily family = IpFamily::kV4;
  TableId table;
  Prefix destination;
  std::uint32_t metric = 0;
  RouteType type = RouteType::kUnicast;
  IfName interface;  ///< empty for unreachable and multipath
  std::optional<IpAddress> gateway;
  std::optional<IpAddress> preferred_source;
  RouteProtocol protocol;
  std::vector<UnknownAttribute> other;
  auto operator<=>(const Route&) const = default;
};

[[nodiscard]] std::string to_string(const PolicyRule& rule);  ///< "10025: from all fwmark 0x19 lookup 100 proto 25"
[[nodiscard]] std::string to_string(const Route& route);      ///< "default dev wg0 table 100 proto 25"

/// What is asked of the kernel's route lookup (`ip route get`).
struct RouteQuery {
  IpAddress destination;
  std::optional<IpAddress> source;  ///< with `incoming`: a forwarded packet's source
  IfName incoming;                  ///< empty: as the host itself would send
  std::uint32_t mark = 0;
};
struct RouteAnswer {
  int errnum = 0;  ///< EHOSTUNREACH, ENETUNREACH …: the lookup's own result, where there is no way
  IfName interface;
  TableId table;
  std::optional<IpAddress> gateway;
};

/// A tracked tcp flow: both tuples; the reply's destination differs from the original's source where it is SNATed.
struct Flow {
  IpAddress source, destination;
  std::uint16_t source_port = 0, destination_port = 0;
  IpAddress reply_source, reply_destination;
  std::uint16_t reply_source_port = 0, reply_destination_port = 0;
  std::uint16_t zone = 0;
  std::uint32_t id = 0;  ///< CTA_ID: deleting names it, so that a new flow of the same tuple is spared
};

struct WireGuardPeer {
  std::string public_key;  ///< base64, as wg(8) shows it
  std::vector<Prefix> allowed_ips;
  std::int64_t last_handshake = 0;  ///< seconds since the epoch; 0: none yet
  std::uint16_t keepalive = 0;      ///< seconds; 0: off
  std::string endpoint;             ///< "203.0.113.10:51820"; empty: none known
};
struct WireGuardDevice {
  IfName name;
  std::vector<WireGuardPeer> peers;
};

}  // namespace smtpegress
