// Links, addresses, policy rules and routes, as rtnetlink shows them. Desired and observed share these types.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "smtpegress/link.hpp"
#include "smtpegress/net_types.hpp"

namespace smtpegress {

/// Who made a rule or route (`proto` in `ip rule`, `ip route`).
struct RouteProtocol {
  std::uint8_t value = 0;
  auto operator<=>(const RouteProtocol&) const = default;
};
inline constexpr RouteProtocol kBootProtocol{3};  // RTPROT_BOOT, linux/rtnetlink.h: what `ip` writes when told nothing
inline constexpr RouteProtocol kRouterProtocol{9};  // RTPROT_RA: learned from a router's advertisement
/// Ours: the number of the port it is all about; free in linux/rtnetlink.h and iproute2's rt_protos.
inline constexpr RouteProtocol kOurProtocol{25};

/// Types in `other` from here on are fields of the message's fixed header, by their offset; attribute types end at
/// 0x3fff (NLA_TYPE_MASK, linux/netlink.h).
inline constexpr std::uint16_t kHeaderField = 0x4000;

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
  std::string alias{};     ///< IFLA_IFALIAS: text that somebody gave it
  bool half_made = false;  ///< by this program: its alias did not follow any more
  MacAddress mac{};
  std::optional<Encapsulation> encapsulation{};  ///< of a tunnel, of the kinds that this program makes
  std::vector<Neighbour> neighbours{};           ///< those set by hand; read of a VXLAN with an alias alone
};

// Of an InterfaceAddress: IFA_F_*, linux/if_addr.h.
inline constexpr std::uint32_t kTemporary = 0x01;   ///< IPv6: of a privacy address, that another will replace
inline constexpr std::uint32_t kDadFailed = 0x08;   ///< another host has it as well
inline constexpr std::uint32_t kDeprecated = 0x20;  ///< not for new connections
inline constexpr std::uint32_t kTentative = 0x40;   ///< not yet known to be nobody else's
inline constexpr std::uint32_t kPermanent = 0x80;   ///< set by an administrator, without a lifetime

struct InterfaceAddress {
  int link = 0;  ///< index
  IpAddress local;
  std::uint8_t prefix_length = 0;
  std::uint32_t flags = 0;               ///< kTemporary | kDeprecated | …
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

// What a rule does, FR_ACT_* in linux/fib_rules.h; 3 does nothing.
inline constexpr std::uint8_t kLookUpTable = 1;
inline constexpr std::uint8_t kGoToRule = 2;
inline constexpr std::uint8_t kFirstRefusal = 6;  ///< blackhole; then unreachable, prohibit
inline constexpr std::uint8_t kLastRefusal = 8;

/// What a policy rule's `other` says, as far as it is understood: which packets it is for.
struct RuleSelectors {
  std::optional<Prefix> source;
  std::optional<Prefix> destination;
  std::string incoming;          ///< interface (iif); empty: any. "lo" are the host's own packets
  std::string outgoing;          ///< (oif) only sockets bound to that interface ask with one
  std::uint8_t ip_protocol = 0;  ///< IPPROTO_*; 0: any
  std::optional<PortRange> source_ports;
  std::optional<PortRange> destination_ports;
  std::optional<UidRange> users;                 ///< (uidrange) of the socket; what is forwarded has root's, 0
  bool inverted = false;                         ///< for all packets that do not fit
  std::optional<std::uint32_t> suppress_length;  ///< routes with a prefix of at most so many bits do not count
  std::optional<RulePriority> go_to;             ///< of kGoToRule
  bool further = false;                          ///< there is more, which is not understood
};
[[nodiscard]] RuleSelectors selectors_of(const PolicyRule& rule);
/// A rule's `other` for a source, an IP protocol and destination ports, as the kernel gives it back.
[[nodiscard]] std::vector<UnknownAttribute> selecting(const Prefix& source, std::uint8_t ip_protocol,
                                                      const PortRange& destination_ports);
/// The same for all that comes in by an interface.
[[nodiscard]] std::vector<UnknownAttribute> selecting(const IfName& incoming, std::uint8_t ip_protocol,
                                                      const PortRange& destination_ports);

/// The same for what processes of these users send (iif lo: a forwarded packet counts as root's), from any address.
[[nodiscard]] std::vector<UnknownAttribute> selecting(const UidRange& users, std::uint8_t ip_protocol,
                                                      const PortRange& destination_ports);

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
  kProhibit = 8,
  kThrow = 9,  ///< this table has no answer; the next policy rule is asked
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

/// A route's `other` where its gateway is taken to be on the link, whatever the interface's addresses say (`onlink`).
[[nodiscard]] std::vector<UnknownAttribute> on_link();

[[nodiscard]] std::string to_string(TableId table);           ///< "main", "100"
[[nodiscard]] std::string to_string(const PolicyRule& rule);  ///< "10025: from all fwmark 0x19 lookup 100 proto 25"
[[nodiscard]] std::string to_string(const Route& route);      ///< "default dev wg0 table 100 proto 25"

/// What is asked of the kernel's route lookup (`ip route get`).
struct RouteQuery {
  IpAddress destination;
  std::optional<IpAddress> source;  ///< with `incoming`: a forwarded packet's; without: what the sender is bound to
  IfName incoming;                  ///< empty: as the host itself would send
  std::uint32_t mark = 0;
  std::uint8_t ip_protocol = 0;  ///< IPPROTO_*, for rules that select by it or by ports; 0: not said
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;  ///< ports: 0: not said; they need ip_protocol
  std::optional<std::uint32_t> uid{};  ///< of the host's own: whose process sends; absent: this process's user
};
struct RouteAnswer {
  int errnum = 0;  ///< EHOSTUNREACH, ENETUNREACH …: the lookup's own result, where there is no way
  IfName interface;
  TableId table;
  std::optional<IpAddress> gateway;
  std::optional<IpAddress> preferred_source{};  ///< as which the host itself would send there, where it is asked so
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
  std::uint32_t fwmark = 0;       ///< of its own packets to the peers; 0: none
  std::string public_key{};       ///< its own, in base64; empty: it has no key yet
  std::uint16_t listen_port = 0;  ///< udp; 0: none yet
};

}  // namespace smtpegress
