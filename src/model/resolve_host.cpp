#include <fmt/format.h>

#include <algorithm>

#include "model/families.hpp"
#include "model/host_addresses.hpp"
#include "model/host_senders.hpp"
#include "model/inner.hpp"
#include "model/private_networks.hpp"
#include "model/resolve_vps.hpp"
#include "model/tenants.hpp"
#include "net/contains.hpp"
#include "net/list_of.hpp"
#include "smtpegress/state.hpp"

namespace smtpegress {
namespace {

constexpr std::string_view kOperation = "apply profile to this host:";

std::string all_of(const std::vector<IpAddress>& addresses) {
  return addresses.empty() ? "none" : list_of(addresses);
}

/// A network of this host's own that overlaps a source: replies to the source would be delivered there. The tunnel of
/// that very source may have an address in it.
Result<void> refuse_overlap(const Profile& profile, const ObservedState& observed) {
  const auto sources = mail_sources(profile, {});
  std::vector<Prefix> networks(sources.size());
  std::ranges::transform(sources, networks.begin(), &MailSource::network);
  const NetworkIndex index(networks);
  for (const auto& address : observed.addresses) {
    const auto place = index.overlapping(address.network());
    const auto* link = place ? observed.link(address.link) : nullptr;
    if (link != nullptr && link->name != sources.at(*place).tunnel) {
      return usage_error(
          std::string(kOperation), fmt::format("network {} of {}", address.network().to_string(), link->name.str()),
          fmt::format("overlaps the source {}: replies to the home would be delivered here instead; give the {} "
                      "another subnet (docker network ls shows its name), or the mail stack at home",
                      networks.at(*place).to_string(), link->kind == "bridge" ? "Docker network" : "interface"));
    }
  }
  return {};
}

/// Key 'wan', or where the default route leads, of the first family that has sources.
Result<IfName> find_wan(const Profile& profile, const ObservedState& observed) {
  if (profile.wan) {
    return *profile.wan;
  }
  for (const auto family : families_of(profile)) {
    if (const auto* route = observed.default_route(family); route != nullptr) {
      return route->interface;
    }
  }
  return usage_error(std::string(kOperation), "key 'wan'", "there is no default route to find it by; give --wan IF");
}

}  // namespace

WanAddresses wan_addresses(const ObservedState& observed, const Link& link, IpFamily family) {
  auto all = addresses_of(observed, link, family);
  const auto mapped = std::ranges::find_if(all, may_be_mapped);
  WanAddresses found{
      {}, lasting_address(observed, link, family), mapped == all.end() ? std::nullopt : std::optional(*mapped)};
  std::ranges::sort(all);
  found.sorted = std::move(all);
  return found;
}

std::optional<IpAddress> address_to_leave_as(const std::optional<IpAddress>& wanted, const WanAddresses& there) {
  if (!wanted) {
    return there.lasting;
  }
  return std::ranges::binary_search(there.sorted, *wanted) ? wanted : there.mapped;
}

namespace {

/// As what the mail of one family leaves, and what the world sees it as.
Result<void> resolve_public_address(const Profile& profile, const ObservedState& observed, IpFamily family,
                                    ResolvedHost& host) {
  const auto& link = *observed.link(host.wan);
  const auto& wanted = profile.public_address(family);
  const auto& traits = traits_of(family);
  const auto addresses = addresses_of(observed, link, family);
  const auto there = wan_addresses(observed, link, family);
  const auto wan = fmt::format("WAN interface {}", host.wan.str());
  if (addresses.empty()) {
    return family == IpFamily::kV4
               ? usage_error(std::string(kOperation), wan, "has no IPv4 address")
               : usage_error(
                     std::string(kOperation), wan,
                     "has no IPv6 address but link-local ones; give the VPS one, or leave the IPv6 networks out "
                     "of the sources at both ends");
  }
  const auto address = address_to_leave_as(wanted, there);
  if (!address && !wanted) {
    return usage_error(
        std::string(kOperation), wan,
        fmt::format("has no lasting {} address (it has {}, all temporary, deprecated or not yet usable); "
                    "give it one, or name one with {} ADDR",
                    traits.name, all_of(addresses), traits.public_option));
  }
  if (!address) {
    return usage_error(
        std::string(kOperation), fmt::format("public address {}", wanted->to_string()),
        fmt::format("is not on {} (it has {}), nor is there a private address the provider could map it to; "
                    "add it there, or give {} with one of those",
                    host.wan.str(), all_of(addresses), traits.public_option));
  }
  host.snat_to[family] = address;
  host.public_ip[family] = wanted || may_be_mapped(*address) ? wanted : address;
  return {};
}

Result<ResolvedHost> resolve_vps(const Profile& profile, const ObservedState& observed) {
  ResolvedHost host;
  auto wan = find_wan(profile, observed);
  if (!wan) {
    return std::unexpected(wan.error());
  }
  host.wan = *std::move(wan);
  if (contains(tunnels_of(profile), host.wan)) {
    return usage_error(
        std::string(kOperation), fmt::format("default route dev {}", host.wan.str()),
        "the default route goes into the tunnel; give --wan with the interface that leads to the internet");
  }
  if (observed.link(host.wan) == nullptr) {
    return usage_error(std::string(kOperation), fmt::format("WAN interface {}", host.wan.str()),
                       "does not exist; `ip link` lists those there are");
  }
  if (!profile.tenants.empty()) {
    auto addresses = resolve_tenants(profile, observed, host.wan);
    if (!addresses) {
      return std::unexpected(addresses.error());
    }
    host.tenants_snat_to = *std::move(addresses);
    return host;
  }
  for (const auto family : families_of(profile)) {
    if (auto resolved = resolve_public_address(profile, observed, family, host); !resolved) {
      return std::unexpected(resolved.error());
    }
  }
  return host;
}

/// A local link's address, but for the tunnel's own and those that never leave a link.
struct LocalNetwork {
  IfName link;
  Prefix network;
};
std::vector<LocalNetwork> local_networks(const Profile& profile, const ObservedState& observed) {
  std::vector<LocalNetwork> networks;
  for (const auto& address : observed.addresses) {
    const auto* link = observed.link(address.link);
    if (link != nullptr && link->name != profile.tunnel && !stays_on_link(address.local)) {
      networks.push_back({link->name, address.network()});
    }
  }
  return networks;
}

/// Where the sources are on this host: interfaces that are theirs, and what of others' is on and around them.
void find_sources(const Profile& profile, const ObservedState& observed, ResolvedHost& host) {
  const auto networks = local_networks(profile, observed);
  const auto add = [](auto& list, const auto& item) {
    if (!contains(list, item)) {
      list.push_back(item);
    }
  };
  for (const auto& [link, network] : networks) {
    if (std::ranges::any_of(profile.sources, [&](const Prefix& s) { return s.contains(network); })) {
      add(host.source_links, link);
    }
  }
  for (const auto& [link, network] : networks) {
    const auto family = network.address.family;
    const bool is_source_link = contains(host.source_links, link);
    if (std::ranges::any_of(profile.sources, [&](const Prefix& s) { return s.contains(network); })) {
      continue;
    }
    if (std::ranges::any_of(profile.sources, [&](const Prefix& s) { return network.contains(s); })) {
      add(host.source_networks, network);
    } else if (is_source_link && guards_links(profile, family)) {
      add(host.other_networks, network);
    }
  }
}

}  // namespace

namespace {

Result<ResolvedHost> resolve_side(const Profile& profile, const ObservedState& observed) {
  if (profile.side == Side::kVps) {
    if (auto fine = refuse_overlap(profile, observed); !fine) {
      return std::unexpected(fine.error());
    }
    return resolve_vps(profile, observed);
  }
  for (const auto family : mail_families(profile)) {
    if (is_uplink(observed, profile.tunnel, family)) {
      return usage_error(std::string(kOperation), fmt::format("tunnel {}", profile.tunnel.str()),
                         "is the uplink: the default route goes by it, and the mail would leave there; name the "
                         "tunnel's interface, such as --tunnel wg0");
    }
  }
  ResolvedHost host;
  host.has_ipv6 = contains(observed.rules, IpFamily::kV6, &PolicyRule::family);  // a kernel that has it, has such rules
  find_sources(profile, observed, host);
  if (const auto* tunnel = observed.link(profile.tunnel); tunnel != nullptr && profile.nat == HomeNat::kMasquerade) {
    for (const auto family : families_of(profile)) {
      host.snat_to[family] = lasting_address(observed, *tunnel, family);
    }
  }
  return host;
}

}  // namespace

Result<ResolvedHost> resolve_host(const Profile& profile, const ObservedState& observed) {
  auto host = resolve_side(profile, observed);
  if (host && profile.inner) {
    if (auto fine = resolve_inner(profile, observed, *host); !fine) {
      return std::unexpected(fine.error());
    }
  }
  return host;
}

}  // namespace smtpegress
