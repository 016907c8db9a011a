// What IPv4 and IPv6 differ in, in one place: whoever has a family looks here instead of asking which one it is.
#pragma once

#include <netinet/in.h>

#include <string_view>
#include <vector>

#include "model/sysctl_keys.hpp"
#include "smtpegress/nft.hpp"
#include "smtpegress/profile.hpp"

namespace smtpegress {

struct FamilyTraits {
  std::string_view name;         ///< "IPv4"
  std::string_view role_suffix;  ///< of rules' comments that tell the family
  std::string_view ip;           ///< the command to look at its routes with
  nft::Family tables;            ///< of iptables' or ip6tables' tables
  std::uint8_t path_errors;      ///< IPPROTO_*: what tells a sender that a packet is too big, or cannot arrive
  std::uint32_t route_metric;    ///< the kernel's own, of a route that is made without one
  std::string_view forwarding;   ///< the sysctl that lets a host forward
  std::string_view conf;         ///< where the sysctls of each interface are
  std::string_view over;         ///< ends a title that says nothing of a family otherwise
  IpAddress aside;               ///< a /4 that no host has: where replies sidestep Docker's drop
  IpAddress somewhere;           ///< looked up, never sent to: a resolver on the internet, surely not local
  std::string_view public_key;   ///< the profile's key for the VPS's address
  std::string_view public_option;
};

inline constexpr FamilyTraits kIpv4Traits{
    .name = "IPv4",
    .role_suffix = "ipv4",
    .ip = "ip",
    .tables = nft::Family::kIp,
    .path_errors = IPPROTO_ICMP,
    .route_metric = 0,
    .forwarding = kIpForward,
    .conf = kIpv4Conf,
    .over = "",
    .aside = {IpFamily::kV4, {240}},  // 240.0.0.0/4: reserved, RFC 1112, section 4
    .somewhere = {IpFamily::kV4, {8, 8, 8, 8}},
    .public_key = "public_ip",
    .public_option = "--public-ip",
};

inline constexpr FamilyTraits kIpv6Traits{
    .name = "IPv6",
    .role_suffix = "ipv6",
    .ip = "ip -6",
    .tables = nft::Family::kIp6,
    .path_errors = IPPROTO_ICMPV6,
    .route_metric = 1024,  // IP6_RT_PRIO_USER, net/ip6_route.h
    .forwarding = kIpv6Forward,
    .conf = kIpv6Conf,
    .over = " over IPv6",
    // e000::/4: reserved by IETF and never assigned (RFC 4291, section 2.4; IANA's "Internet Protocol Version 6 Address
    // Space"). Not f000::/4, which has the unique local and the multicast addresses.
    .aside = {IpFamily::kV6, {0xe0}},
    .somewhere = {IpFamily::kV6, {0x20, 0x01, 0x48, 0x60, 0x48, 0x60, 0, 0, 0, 0, 0, 0, 0, 0, 0x88, 0x88}},
    .public_key = "public_ip6",
    .public_option = "--public-ip6",
};

[[nodiscard]] constexpr const FamilyTraits& traits_of(IpFamily family) noexcept {
  return family == IpFamily::kV4 ? kIpv4Traits : kIpv6Traits;
}

/// Has the profile sources of this family?
[[nodiscard]] inline bool has_sources(const Profile& profile, IpFamily family) {
  for (const auto& source : profile.sources) {
    if (source.address.family == family) {
      return true;
    }
  }
  return false;
}

/// Those that the profile has sources of, IPv4 first.
[[nodiscard]] inline std::vector<IpFamily> families_of(const Profile& profile) {
  std::vector<IpFamily> families;
  for (const auto family : kBothFamilies) {
    if (has_sources(profile, family)) {
      families.push_back(family);
    }
  }
  return families;
}

/// Is what a source's interface sends from addresses of no source refused, in this family? Containers of an IPv4
/// network have IPv6 addresses that come and go unasked; a second IPv4 network on a bridge is somebody's decision.
[[nodiscard]] inline bool guards_links(const Profile& profile, IpFamily family) {
  return family == IpFamily::kV6 || !has_sources(profile, family);
}

/// Does a table of `tables` see packets of `family`? (Of the kinds of table that a mail's packets come by.)
[[nodiscard]] constexpr bool sees(nft::Family tables, IpFamily family) noexcept {
  return tables == nft::Family::kInet || tables == nft::Family::kNetdev || tables == traits_of(family).tables;
}

/// fe80::/10 and 169.254.0.0/16: of one link, and never forwarded.
[[nodiscard]] constexpr bool is_link_local(const IpAddress& address) noexcept {
  const auto& b = address.bytes;
  return address.family == IpFamily::kV4 ? b[0] == 169 && b[1] == 254 : b[0] == 0xfe && (b[1] & 0xc0) == 0x80;
}

/// Is the address of use on one link alone? IPv6 has such on every interface beside others; an IPv4 one is all that its
/// interface has, and hosts send and are sent to by it like by any other.
[[nodiscard]] constexpr bool stays_on_link(const IpAddress& address) noexcept {
  return address.family == IpFamily::kV6 && is_link_local(address);
}

}  // namespace smtpegress
