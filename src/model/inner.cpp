#include "model/inner.hpp"

#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>

#include "model/families.hpp"
#include "model/host_addresses.hpp"
#include "model/host_senders.hpp"
#include "model/ownership.hpp"
#include "model/private_networks.hpp"
#include "model/rules.hpp"
#include "net/contains.hpp"

namespace smtpegress {
namespace {

using namespace rules;

constexpr std::uint32_t kNetworkId = 25;       // VXLAN's VNI; the port tells tunnels apart, so one is enough
constexpr std::uint32_t kLeastIpv6Mtu = 1280;  // bytes; RFC 8200, section 5

// Bytes.
constexpr std::uint32_t kIpv4Header = 20;      // RFC 791, without options
constexpr std::uint32_t kIpv6Header = 40;      // RFC 8200
constexpr std::uint32_t kUdpHeader = 8;        // RFC 768
constexpr std::uint32_t kVxlanHeader = 8;      // RFC 7348, section 5
constexpr std::uint32_t kEthernetHeader = 14;  // IEEE 802.3; of the frame inside

/// Locally administered (the first byte's second bit), "smtp", and the side.
MacAddress mac_of(Side side) {
  return {.bytes = {0x02, 0x73, 0x6d, 0x74, 0x70, side == Side::kVps ? std::uint8_t{1} : std::uint8_t{2}}};
}

/// A link-local address (RFC 3927; RFC 4291, section 2.5.6) that stands for that side.
IpAddress gateway_at(Side side, IpFamily family) {
  const std::uint8_t last = side == Side::kVps ? 1 : 2;
  IpAddress gateway{.family = family};
  if (family == IpFamily::kV4) {
    gateway.bytes = {169, 254, 25, last};
  } else {
    gateway.bytes = {0xfe, 0x80};
    gateway.bytes.back() = last;
  }
  return gateway;
}

Side other_side(Side side) {
  return side == Side::kVps ? Side::kHome : Side::kVps;
}

bool carries_ipv6(const Profile& profile) {
  return contains(mail_families(profile), IpFamily::kV6);
}

bool is_vxlan(const Profile& profile) {
  return profile.inner->kind == InnerTunnel::Kind::kVxlan;
}

/// By the gateway at the far end, where the interface is an Ethernet.
void lead_through(const Profile& profile, Route& route) {
  if (!is_vxlan(profile)) {
    return;
  }
  route.gateway = gateway_at(other_side(profile.side), route.family);
  if (route.family == IpFamily::kV4) {  // IPv6 takes any link-local gateway to be on the link
    route.other = on_link();
  }
}

LinkSpec link_of(const Profile& profile, const ResolvedHost& host) {
  const auto& inner = *profile.inner;
  LinkSpec link{.name = profile.tunnel,
                .kind = std::string(link_kind_of(profile)),
                .alias = alias_for(profile.name),
                .lower = inner.link,
                .local = host.inner ? std::optional(host.inner->local) : inner.local,
                .remote = inner.remote,
                .addresses = inner.addresses};
  std::ranges::sort(link.addresses);
  if (host.inner) {
    const auto room = host.inner->mtu - std::min(host.inner->mtu, overhead_of(inner.kind, inner.remote.family));
    // Smaller, an interface has no IPv6. What then does not fit the link goes in two fragments (sit alone: see
    // resolve_inner).
    link.mtu = carries_ipv6(profile) ? std::max(room, kLeastIpv6Mtu) : room;
  }
  if (is_vxlan(profile)) {
    link.id = kNetworkId;
    link.port = inner.port;
    link.source_ports = {inner.port, static_cast<std::uint16_t>(inner.port + 1)};
    link.mac = mac_of(profile.side);
    const auto far = other_side(profile.side);
    for (const auto family : mail_families(profile)) {
      link.neighbours.push_back({gateway_at(far, family), mac_of(far)});
    }
  }
  return link;
}

std::vector<nft::Match> matching(const OuterProtocol& outer) {
  std::vector<nft::Match> matches{protocol(outer.number)};
  if (outer.udp_port != 0) {
    matches.push_back(to_port({outer.udp_port, outer.udp_port}));
  }
  return matches;
}

nft::Rule dropping(std::vector<nft::Match> where, const OuterProtocol& outer) {
  auto what = matching(outer);
  where.insert(where.end(), what.begin(), what.end());
  return rule(std::move(where), drop(), "outer guard");
}

/// The wrapped mail leaves by its link, or not at all: with the link down, the route to the far end is the uplink's,
/// and the mail would cross the internet for anybody to read.
OwnChain outer_output(const Profile& profile) {
  const auto& inner = *profile.inner;
  OwnChain chain{{own_table_key(profile.name), "outer-output"},
                 {nft::ChainType::kFilter, nft::Hook::kOutput, kManglePriority, nft::Policy::kAccept},
                 {}};
  const auto remote = Prefix::of(inner.remote);
  for (const auto& outer : outer_protocols(profile)) {
    chain.rules.push_back(dropping({out(inner.link, nft::Sense::kIsNot), like(remote), to(remote)}, outer));
  }
  return chain;
}

/// The link vouches for its senders' addresses, and no other interface does: what comes by one and says to be the far
/// end would be unwrapped as if it were. A VXLAN moreover takes what anybody sends to its port.
OwnChain outer_input(const Profile& profile) {
  const auto& inner = *profile.inner;
  OwnChain chain{{own_table_key(profile.name), "outer-input"},
                 {nft::ChainType::kFilter, nft::Hook::kInput, kManglePriority, nft::Policy::kAccept},
                 {}};
  const auto remote = Prefix::of(inner.remote);
  for (const auto& outer : outer_protocols(profile)) {
    if (outer.udp_port == 0) {
      chain.rules.push_back(dropping({in(inner.link, nft::Sense::kIsNot), like(remote), from(remote)}, outer));
      continue;
    }
    chain.rules.push_back(dropping({in(inner.link, nft::Sense::kIsNot), like(remote)}, outer));
    chain.rules.push_back(
        dropping({like(remote), nft::MatchAddress{nft::Side::kSource, remote, nft::Sense::kIsNot}}, outer));
  }
  return chain;
}

/// Where the kernel routes the wrapped packets by the mail's own mark (VXLAN does), the egress table is asked for the
/// way to the far end too. A private address has its throw route there already.
void spare_far_end(const Profile& profile, std::vector<Route>& routes) {
  const auto& remote = profile.inner->remote;
  const auto egress = std::ranges::find(routes, remote.family, &Route::family);
  if (egress == routes.end() || is_private(remote)) {
    return;
  }
  auto past = *egress;
  past.destination = Prefix::of(remote);
  past.type = RouteType::kThrow;
  past.metric = traits_of(remote.family).route_metric;
  past.interface = {};
  routes.push_back(std::move(past));
}

/// wg-quick makes the like of it from AllowedIPs; here nobody else does.
void add_ways_home(const Profile& profile, std::vector<Route>& routes) {
  for (const auto& source : profile.sources) {
    const auto family = source.address.family;
    routes.push_back({.family = family,
                      .table = kMainTable,
                      .destination = source,
                      .metric = traits_of(family).route_metric,
                      .type = RouteType::kUnicast,
                      .interface = profile.tunnel,
                      .gateway = {},
                      .preferred_source = {},
                      .protocol = kOurProtocol,
                      .other = {}});
  }
}

/// `wan`: empty at home.
Result<void> refuse_uplink(const Profile& profile, const ObservedState& observed, const IfName& wan) {
  for (const auto family : kBothFamilies) {
    if (is_uplink(observed, profile.inner->link, family) || profile.inner->link == wan) {
      return usage_error("apply profile to this host:", fmt::format("inner tunnel over {}", profile.inner->link.str()),
                         "is over the uplink: the mail would cross the internet for anybody to read; name the private "
                         "link's interface, such as tailscale0 (key inner.link)");
    }
  }
  return {};
}

}  // namespace

const IfName& carrier_of(const Profile& profile) {
  return profile.inner ? profile.inner->link : profile.tunnel;
}

std::uint32_t overhead_of(InnerTunnel::Kind kind, IpFamily outer) {
  const auto header = outer == IpFamily::kV4 ? kIpv4Header : kIpv6Header;
  return kind == InnerTunnel::Kind::kIpip ? header : header + kUdpHeader + kVxlanHeader + kEthernetHeader;
}

std::string_view link_kind_of(const Profile& profile) {
  if (is_vxlan(profile)) {
    return "vxlan";
  }
  if (profile.inner->remote.family == IpFamily::kV6) {
    return "ip6tnl";
  }
  return carries_ipv6(profile) ? "sit" : "ipip";  // ipip carries IPv4 alone; on the wire they are alike
}

std::vector<OuterProtocol> outer_protocols(const Profile& profile) {
  if (is_vxlan(profile)) {
    return {{IPPROTO_UDP, profile.inner->port}};
  }
  std::vector<OuterProtocol> protocols;
  for (const auto family : mail_families(profile)) {
    protocols.push_back({family == IpFamily::kV4 ? std::uint8_t{IPPROTO_IPIP} : std::uint8_t{IPPROTO_IPV6}});
  }
  return protocols;
}

Result<void> resolve_inner(const Profile& profile, const ObservedState& observed, ResolvedHost& host) {
  const auto& inner = *profile.inner;
  if (auto fine = refuse_uplink(profile, observed, host.wan); !fine) {
    return fine;
  }
  for (const auto& address : inner.addresses) {  // known before the interface is there
    if (profile.side == Side::kHome && profile.nat == HomeNat::kMasquerade) {
      host.snat_to[address.family] = address;
    }
  }
  const auto* link = observed.link(inner.link);
  if (link == nullptr) {
    return {};
  }
  const auto family = inner.remote.family;
  const auto own = inner.local ? inner.local : lasting_address(observed, *link, family);
  if (!own || !contains(addresses_of(observed, *link, family), *own)) {
    return {};
  }
  const auto overhead = overhead_of(inner.kind, inner.remote.family);
  // sit alone sends what does not fit in two fragments.
  const bool needs_room = carries_ipv6(profile) && link_kind_of(profile) != "sit";
  if (needs_room && link->mtu < kLeastIpv6Mtu + overhead) {
    return usage_error(
        "apply profile to this host:", fmt::format("inner tunnel over {}", inner.link.str()),
        fmt::format("has no room for IPv6: the link's MTU {} less {} is below IPv6's least, {}; raise the link's, or "
                    "write \"kind\": \"ipip\" and the link's IPv4 addresses at both ends, or leave the IPv6 sources "
                    "out",
                    link->mtu, overhead, kLeastIpv6Mtu));
  }
  host.inner = InnerLink{*own, link->mtu};
  return {};
}

void lower_inner(const Profile& profile, const ResolvedHost& host, DesiredState& desired) {
  if (!profile.inner) {
    return;
  }
  desired.links.push_back(link_of(profile, host));
  if (profile.side == Side::kVps) {
    add_ways_home(profile, desired.routes);
  } else {
    spare_far_end(profile, desired.routes);
  }
  for (auto& route : desired.routes) {
    if (route.interface == profile.tunnel) {
      lead_through(profile, route);
    }
  }
  desired.chains.push_back(outer_output(profile));
  desired.chains.push_back(outer_input(profile));
}

}  // namespace smtpegress
