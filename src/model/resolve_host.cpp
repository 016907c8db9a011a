#include <fmt/format.h>

#include <algorithm>

#include "net/contains.hpp"
#include "smtpegress/state.hpp"

namespace smtpegress {
namespace {

constexpr std::string_view kOperation = "apply profile to this host:";

/// The main table's default route of the lowest metric.
const Route* default_route(const ObservedState& observed) {
  const Route* best = nullptr;
  for (const auto& route : observed.routes) {
    if (route.family == IpFamily::kV4 && route.table == kMainTable && route.destination.is_default() &&
        route.type == RouteType::kUnicast && !route.interface.empty() &&
        (best == nullptr || route.metric < best->metric)) {
      best = &route;
    }
  }
  return best;
}

/// IPv4 addresses of an interface in the kernel's order: the first is the primary one.
std::vector<IpAddress> addresses_of(const ObservedState& observed, const Link& link) {
  std::vector<IpAddress> found;
  for (const auto& address : observed.addresses) {
    if (address.link == link.index && address.local.family == IpFamily::kV4) {
      found.push_back(address.local);
    }
  }
  return found;
}

/// RFC 1918, RFC 6598 (carrier-grade NAT) and link-local: addresses that a provider maps to a public one.
bool is_private(const IpAddress& address) {
  const auto a = address.bytes[0];
  const auto b = address.bytes[1];
  return a == 10 || (a == 172 && (b & 0xf0) == 16) || (a == 192 && b == 168) || (a == 100 && (b & 0xc0) == 64) ||
         (a == 169 && b == 254);
}

std::string list_of(const std::vector<IpAddress>& addresses) {
  std::string text;
  for (const auto& address : addresses) {
    text += (text.empty() ? "" : ", ") + address.to_string();
  }
  return text.empty() ? "none" : text;
}

/// A network of this host's own that overlaps a source: replies to the source would be delivered there.
Result<void> refuse_overlap(const Profile& profile, const ObservedState& observed) {
  for (const auto& address : observed.addresses) {
    const auto* link = observed.link(address.link);
    if (link == nullptr || link->name == profile.tunnel || address.local.family != IpFamily::kV4) {
      continue;
    }
    for (const auto& source : profile.sources) {
      if (source.overlaps(address.network())) {
        return usage_error(
            std::string(kOperation), fmt::format("network {} of {}", address.network().to_string(), link->name.str()),
            fmt::format("overlaps the source {}: replies to the home would be delivered here instead; give the {} "
                        "another subnet (docker network ls shows its name), or the mail stack at home",
                        source.to_string(), link->kind == "bridge" ? "Docker network" : "interface"));
      }
    }
  }
  return {};
}

Result<ResolvedHost> resolve_vps(const Profile& profile, const ObservedState& observed) {
  ResolvedHost host;
  if (profile.wan) {
    host.wan = *profile.wan;
  } else if (const auto* route = default_route(observed); route != nullptr) {
    host.wan = route->interface;
  } else {
    return usage_error(std::string(kOperation), "key 'wan'", "there is no default route to find it by; give --wan IF");
  }
  if (host.wan == profile.tunnel) {
    return usage_error(
        std::string(kOperation), fmt::format("default route dev {}", host.wan.str()),
        "the default route goes into the tunnel; give --wan with the interface that leads to the internet");
  }
  const auto* link = observed.link(host.wan);
  if (link == nullptr) {
    return usage_error(std::string(kOperation), fmt::format("WAN interface {}", host.wan.str()),
                       "does not exist; `ip link` lists those there are");
  }
  const auto addresses = addresses_of(observed, *link);
  if (addresses.empty()) {
    return usage_error(std::string(kOperation), fmt::format("WAN interface {}", host.wan.str()), "has no IPv4 address");
  }
  host.public_ip = profile.public_ip;
  if (!profile.public_ip) {
    host.snat_to = addresses.front();
    if (!is_private(addresses.front())) {
      host.public_ip = addresses.front();
    }
  } else if (contains(addresses, *profile.public_ip)) {
    host.snat_to = profile.public_ip;
  } else if (const auto mapped = std::ranges::find_if(addresses, is_private); mapped != addresses.end()) {
    host.snat_to = *mapped;  // the provider maps the public address to this one
  } else {
    return usage_error(
        std::string(kOperation), fmt::format("public address {}", profile.public_ip->to_string()),
        fmt::format("is not on {} (it has {}), nor is there a private address the provider could map it to; "
                    "add it there, or give --public-ip with one of those",
                    host.wan.str(), list_of(addresses)));
  }
  return host;
}

}  // namespace

const Link* ObservedState::link(const IfName& name) const {
  const auto found = std::ranges::find(links, name, &Link::name);
  return found == links.end() ? nullptr : &*found;
}

const Link* ObservedState::link(int index) const {
  const auto found = std::ranges::find(links, index, &Link::index);
  return found == links.end() ? nullptr : &*found;
}

Result<ResolvedHost> resolve_host(const Profile& profile, const ObservedState& observed) {
  if (profile.side == Side::kVps) {
    if (auto fine = refuse_overlap(profile, observed); !fine) {
      return std::unexpected(fine.error());
    }
    return resolve_vps(profile, observed);
  }
  if (const auto* uplink = default_route(observed);
      uplink != nullptr && uplink->interface == profile.tunnel && uplink->gateway) {
    return usage_error(std::string(kOperation), fmt::format("tunnel {}", profile.tunnel.str()),
                       "is the uplink: the default route goes by it, and the mail would leave there; name the tunnel's "
                       "interface, such as --tunnel wg0");
  }
  ResolvedHost host;
  for (const auto& address : observed.addresses) {
    const auto* link = observed.link(address.link);
    if (link == nullptr || link->name == profile.tunnel || address.local.family != IpFamily::kV4 ||
        contains(host.source_links, link->name)) {
      continue;
    }
    if (std::ranges::any_of(profile.sources, [&](const Prefix& s) { return s.contains(address.network()); })) {
      host.source_links.push_back(link->name);
      continue;
    }
    const auto network = address.network();
    if (std::ranges::any_of(profile.sources, [&](const Prefix& s) { return network.contains(s); }) &&
        !contains(host.source_networks, network)) {
      host.source_networks.push_back(network);
    }
  }
  if (const auto* tunnel = observed.link(profile.tunnel); tunnel != nullptr && profile.nat == HomeNat::kMasquerade) {
    const auto addresses = addresses_of(observed, *tunnel);
    host.snat_to = addresses.empty() ? std::nullopt : std::optional(addresses.front());
  }
  return host;
}

}  // namespace smtpegress
