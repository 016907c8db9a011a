#include "setup/candidates.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "model/host_addresses.hpp"
#include "net/contains.hpp"
#include "net/list_of.hpp"
#include "setup/mail_stacks.hpp"

namespace smtpegress::setup {
namespace {

using nlohmann::json;

constexpr std::size_t kMostShown = 12;  // of Docker's networks, in an error

std::string text_of(const json& item) {
  return item.dump(-1, ' ', false, json::error_handler_t::replace);
}

/// Bridges that Incus and its ancestor make: incusbr0, incusbr-1, lxdbr0.
bool is_incus_bridge(const Link& link) {
  return link.kind == "bridge" && (link.name.str().starts_with("incusbr") || link.name.str().starts_with("lxdbr"));
}

/// None of an interface that is not there.
std::vector<IpAddress> addresses_on(const ObservedState& observed, const IfName& name) {
  const auto* link = observed.link(name);
  return link != nullptr ? addresses_of(observed, *link) : std::vector<IpAddress>();
}

/// As which mail of this host's own enters the tunnel, in each family.
std::vector<IpAddress> lasting_addresses(const ObservedState& observed, const IfName& tunnel) {
  std::vector<IpAddress> addresses;
  const auto* link = observed.link(tunnel);
  for (const auto family : kBothFamilies) {
    if (const auto address = link != nullptr ? lasting_address(observed, *link, family) : std::nullopt) {
      addresses.push_back(*address);
    }
  }
  return addresses;
}

/// A Mox on the host: what its user sends, as the tunnel's addresses.
void add_mox(const Finds& finds, const IfName& tunnel, std::vector<SourceCandidate>& sources) {
  const auto addresses = lasting_addresses(finds.observed, tunnel);
  if (!finds.has_mox_user || addresses.empty()) {
    return;
  }
  json written = json::array();
  for (const auto& address : addresses) {
    written.push_back(address.to_string());
  }
  const auto item = text_of({{"user", "mox"}, {"address", written.size() == 1 ? written.front() : written}});
  sources.push_back({.candidate = {.value = item,
                                   .shown = fmt::format("user mox of this host, as {}", list_of(addresses)),
                                   .flag = fmt::format("--set 'sources=[{}]'", item)},
                     .stack = "mox",
                     .note = {}});
}

void add_bridges(const Finds& finds, std::vector<SourceCandidate>& sources) {
  for (const auto& link : finds.observed.links) {
    const auto networks = finds.observed.networks_on(link);
    if (!is_incus_bridge(link) || networks.empty()) {
      continue;
    }
    const auto item = text_of({{"interface", link.name.str()}});
    sources.push_back(
        {.candidate = {.value = item,
                       .shown = fmt::format("interface {}, {} (a bridge of Incus)", link.name.str(), list_of(networks)),
                       .flag = fmt::format("--set 'sources=[{}]'", item)},
         .stack = {},
         .note = fmt::format("all machines on {} are sources; of one alone name the address: --subnet ADDRESS/32",
                             link.name.str())});
  }
}

/// A peer's own address in the tunnel: in its network; where the tunnel has but a host's address, next to that one.
bool is_of_tunnel(const Prefix& network, const std::vector<InterfaceAddress>& addresses) {
  constexpr std::uint8_t kNextTo4 = 24, kNextTo6 = 64;  // bits
  return std::ranges::any_of(addresses, [&](const InterfaceAddress& address) {
    if (address.local.family != network.address.family) {
      return false;
    }
    const bool is_host = address.prefix_length == address.local.size() * 8;
    auto around = address;
    around.prefix_length = address.local.family == IpFamily::kV4 ? kNextTo4 : kNextTo6;
    const bool is_one = network.length == network.address.size() * 8;
    return address.network().contains(network) || (is_host && is_one && around.network().contains(network));
  });
}

}  // namespace

std::vector<Candidate> tunnel_candidates(const Finds& finds, const Wishes& wishes) {
  std::vector<Candidate> candidates;
  std::vector<Candidate> of_that_home;
  for (const auto& device : finds.wireguards) {
    const auto addresses = addresses_on(finds.observed, device.name);
    const auto name = device.name.str();
    const Candidate candidate{.value = name,
                              .shown = fmt::format("{} (WireGuard, {}, {} peer{})", name,
                                                   addresses.empty() ? "no address" : list_of(addresses),
                                                   device.peers.size(), device.peers.size() == 1 ? "" : "s"),
                              .flag = "--tunnel " + name};
    candidates.push_back(candidate);
    if (wishes.from_home && contains(device.peers, wishes.from_home->public_key, &WireGuardPeer::public_key)) {
      of_that_home.push_back(candidate);
    }
  }
  return of_that_home.empty() ? candidates : of_that_home;
}

std::vector<SourceCandidate> home_sources(const Finds& finds, const IfName& tunnel) {
  std::vector<SourceCandidate> sources;
  for (const auto& [network, stack, why] : finds.docker ? mail_networks(*finds.docker) : std::vector<MailNetwork>()) {
    sources.push_back(
        {.candidate = {.value = text_of({{"docker_network", network.name}}),
                       .shown = fmt::format("docker network {}, {} ({})", network.name, list_of(network.subnets), why),
                       .flag = "--docker-network " + network.name},
         .stack = stack,
         .note = {}});
  }
  if (sources.empty()) {
    add_bridges(finds, sources);
    add_mox(finds, tunnel, sources);
  }
  return sources;
}

std::string why_no_home_source(const Finds& finds, const IfName& tunnel) {
  const auto servers = finds.docker ? mail_servers_on_host(*finds.docker) : std::vector<std::string>();
  if (!servers.empty()) {
    return fmt::format(
        "the container {0} is on the host's own network, where its mail is that of a user: name the one that its "
        "server "
        "runs as, by name or number (`docker top {0}` shows it): --set 'sources=[{{\"user\": \"NUMBER\"}}]'",
        servers.front());
  }
  if (finds.has_mox_user) {
    return fmt::format(
        "there is a user mox on this host, but {0} has no address that his mail could leave as; give it one (Address = "
        "… in {0}.conf), or name the mail stack's network: --docker-network NAME or --subnet CIDR",
        tunnel.str());
  }
  std::string seen = "no Docker network of a mail stack was found";
  if (!finds.docker) {
    seen = "Docker does not run here, and there is no bridge of Incus's";
  } else {
    std::vector<std::string> names;
    for (const auto& network : finds.docker->networks) {
      if (network.driver == "bridge" && names.size() < kMostShown) {
        names.push_back(network.name);
      }
    }
    seen += names.empty() ? "" : fmt::format(" (there are {})", list_of(names));
  }
  return seen + "; start the mail stack, or name its network: --docker-network NAME or --subnet CIDR";
}

std::vector<std::vector<Prefix>> networks_behind(const Finds& finds, const IfName& tunnel) {
  std::vector<std::vector<Prefix>> behind;
  const auto* device = finds.wireguard(tunnel);
  const auto* link = finds.observed.link(tunnel);
  if (device == nullptr || link == nullptr) {
    return behind;
  }
  std::vector<InterfaceAddress> own;
  std::ranges::copy_if(finds.observed.addresses, std::back_inserter(own),
                       [&](const InterfaceAddress& address) { return address.link == link->index; });
  for (const auto& peer : device->peers) {
    std::vector<Prefix> networks;
    std::ranges::copy_if(peer.allowed_ips, std::back_inserter(networks),
                         [&](const Prefix& network) { return !network.is_internet() && !is_of_tunnel(network, own); });
    std::ranges::sort(networks);
    if (!networks.empty()) {
      behind.push_back(std::move(networks));
    }
  }
  return behind;
}

std::vector<Candidate> wan_candidates(const Finds& finds, const IfName& tunnel) {
  std::vector<const Route*> routes;
  for (const auto& route : finds.observed.routes) {
    if (route.table == kMainTable && route.destination.is_default() && route.type == RouteType::kUnicast &&
        !route.interface.empty() && route.interface != tunnel) {
      routes.push_back(&route);
    }
  }
  std::ranges::stable_sort(routes, {}, [](const Route* route) { return std::pair(route->family, route->metric); });
  std::vector<Candidate> candidates;
  for (const auto* route : routes) {
    const auto& name = route->interface.str();
    if (!contains(candidates, name, &Candidate::value)) {
      candidates.push_back({.value = name,
                            .shown = fmt::format("{} (default route, {})", name,
                                                 list_of(addresses_on(finds.observed, route->interface))),
                            .flag = "--wan " + name});
    }
  }
  return candidates;
}

std::vector<Candidate> public_addresses(const Finds& finds, const IfName& wan) {
  std::vector<Candidate> candidates;
  for (const auto& address : addresses_on(finds.observed, wan)) {
    if (address.family == IpFamily::kV4 && !may_be_mapped(address)) {
      const auto text = address.to_string();
      candidates.push_back(
          {.value = text, .shown = fmt::format("{} on {}", text, wan.str()), .flag = "--public-ip " + text});
    }
  }
  return candidates;
}

}  // namespace smtpegress::setup
