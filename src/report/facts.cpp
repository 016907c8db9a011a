#include "report/facts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <iterator>

#include "model/docker.hpp"
#include "model/ownership.hpp"
#include "model/sysctl_keys.hpp"
#include "model/tenants.hpp"
#include "net/contains.hpp"
#include "net/list_of.hpp"
#include "report/ruleset.hpp"

namespace smtpegress::report {
namespace {

using Lines = std::vector<std::string>;

constexpr std::size_t kMostTunnels = 64;  // of tenants', each with a look at its own: a report is to be read

std::string flags_of(const InterfaceAddress& address) {
  std::string text;
  for (const auto& [bit, name] : {std::pair(kTemporary, " temporary"), std::pair(kDeprecated, " deprecated"),
                                  std::pair(kTentative, " tentative"), std::pair(kDadFailed, " dadfailed")}) {
    text += (address.flags & bit) != 0 ? name : "";
  }
  return text;
}

Lines interface_lines(const ObservedState& observed) {
  Lines lines;
  for (const auto& link : observed.links) {
    auto line = fmt::format("{}: {} {}{} mtu {}", link.index, link.name.str(), link.up ? "up" : "down",
                            link.kind.empty() ? "" : " " + link.kind, link.mtu);
    line += link.mac == MacAddress{} ? "" : " ether " + link.mac.to_string();
    line += link.alias.starts_with(kTagPrefix) ? " alias " + link.alias : "";  // another's may say anything
    if (const auto& wrap = link.encapsulation) {
      line += fmt::format(" {} -> {} link {}", wrap->local ? wrap->local->to_string() : "any",
                          wrap->remote ? wrap->remote->to_string() : "any", wrap->link);
    }
    lines.push_back(std::move(line));
    for (const auto& address : observed.addresses) {
      if (address.link == link.index) {
        lines.push_back(
            fmt::format("    {}/{}{}", address.local.to_string(), address.prefix_length, flags_of(address)));
      }
    }
  }
  return lines;
}

Lines rule_lines(const ObservedState& observed) {
  Lines lines;
  for (const auto& rule : observed.rules) {
    lines.push_back(to_string(rule));
  }
  return lines;
}

/// Of an instance, what the kernel's objects are held against; of none, nothing is the mail's.
struct Focus {
  explicit Focus(const Profile* whose)
      : profile(whose), sources(whose != nullptr ? whose->sources : std::vector<Prefix>{}) {
    if (whose == nullptr) {
      return;
    }
    tunnels = tunnels_of(*whose);
    tunnels.resize(std::min(tunnels.size(), kMostTunnels));
    if (whose->inner) {
      tunnels.push_back(whose->inner->link);
    }
  }

  const Profile* profile;
  std::vector<IfName> tunnels{};  ///< the mail goes by, or that wrap it
  NetworkIndex sources;
};

/// Does it lead to the internet, to a source, by a tunnel, or is it ours?
bool bears_on_mail(const Route& route, const Focus& focus) {
  const bool in_own_table =
      focus.profile != nullptr && focus.profile->side == Side::kHome && route.table == focus.profile->table;
  return route.destination.is_internet() || route.protocol == kOurProtocol || in_own_table ||
         contains(focus.tunnels, route.interface) || focus.sources.overlapping(route.destination);
}

/// What the words for a route of ours do not have.
std::string further_of(const Route& route) {
  auto text = route.preferred_source ? " src " + route.preferred_source->to_string() : std::string();
  return text + (route.other.empty() ? "" : fmt::format(" ({} further attributes)", route.other.size()));
}

Lines route_lines(const ObservedState& observed, const Focus& focus) {
  Lines lines;
  std::size_t others = 0;
  for (const auto& route : observed.routes) {
    if (bears_on_mail(route, focus)) {
      lines.push_back(to_string(route) + further_of(route));
    } else {
      ++others;
    }
  }
  lines.push_back(fmt::format("and {} that are neither for the internet nor for the mail's networks", others));
  return lines;
}

/// Whose settings count: the tunnels, the ways to the internet, the sources' interfaces; behind "all" and "default".
std::vector<std::string> interfaces_that_count(const ObservedState& observed, const Focus& focus) {
  std::vector<std::string> names{"all", "default"};
  const auto add = [&](const IfName& name) {
    if (!name.empty() && !contains(names, name.str())) {
      names.push_back(name.str());
    }
  };
  std::ranges::for_each(focus.tunnels, add);
  if (focus.profile != nullptr && focus.profile->wan) {
    add(*focus.profile->wan);
  }
  for (const auto& route : observed.routes) {
    if (route.table == kMainTable && route.destination.is_internet()) {
      add(route.interface);
    }
  }
  for (const auto& link : observed.links) {
    const auto networks = observed.networks_on(link);
    if (std::ranges::any_of(networks, [&](const Prefix& on) { return focus.sources.overlapping(on).has_value(); })) {
      add(link.name);
    }
  }
  return names;
}

/// An absent one is passed over: its interface, its family or its module is not there.
Lines sysctl_lines(Kernel& kernel, const std::vector<std::string>& interfaces) {
  std::vector<std::string> keys{std::string(kIpForward), "net/bridge/bridge-nf-call-iptables",
                                "net/bridge/bridge-nf-call-ip6tables", "net/netfilter/nf_conntrack_count",
                                "net/netfilter/nf_conntrack_max"};
  for (const auto& interface : interfaces) {
    for (const auto& [family, name] : {std::pair(kIpv4Conf, "/rp_filter"), std::pair(kIpv4Conf, "/src_valid_mark"),
                                       std::pair(kIpv4Conf, "/forwarding"), std::pair(kIpv6Conf, "/forwarding"),
                                       std::pair(kIpv6Conf, "/accept_ra")}) {
      keys.push_back(std::string(family) + interface + name);
    }
  }
  Lines lines;
  for (const auto& key : keys) {
    const auto value = kernel.read_sysctl(key);
    if (value || value.error().errnum != ENOENT) {
      lines.push_back(sysctl_name(key) + (value ? " = " + *value : ": " + value.error().message()));
    }
  }
  return lines;
}

std::string age_of(std::int64_t handshake, std::int64_t now) {
  return handshake == 0 ? "never" : fmt::format("{} s ago", now - handshake);
}

void add_device(Lines& lines, const WireGuardDevice& device, std::int64_t now) {
  lines.push_back(fmt::format("{}: key {}, port {}, fwmark {:#x}, {} peer{}", device.name.str(),
                              device.public_key.empty() ? "none" : device.public_key, device.listen_port, device.fwmark,
                              device.peers.size(), device.peers.size() == 1 ? "" : "s"));
  for (const auto& peer : device.peers) {
    lines.push_back(fmt::format("    peer {}, endpoint {}, handshake {}, keepalive {} s", peer.public_key,
                                peer.endpoint.empty() ? "not known" : peer.endpoint, age_of(peer.last_handshake, now),
                                peer.keepalive));
    lines.push_back("        allowed IPs: " + (peer.allowed_ips.empty() ? "none" : list_of(peer.allowed_ips)));
  }
}

/// Private keys are never asked for: the kernel's answer is read without them.
Lines wireguard_lines(Kernel& kernel, const Focus& focus, std::int64_t now) {
  Lines lines;
  for (const auto& name : focus.tunnels) {
    if (const auto device = kernel.wireguard(name)) {
      add_device(lines, *device, now);
    } else {
      lines.push_back(name.str() + ": " +
                      (device.error().errnum == ENODEV ? "no WireGuard interface" : device.error().message()));
    }
  }
  return lines.empty() ? Lines{"no instance says which interface is the tunnel"} : lines;
}

Result<Lines> flow_lines(Kernel& kernel, const Focus& focus) {
  const auto ports = focus.profile != nullptr ? focus.profile->ports : std::vector{PortRange{.first = 25, .last = 25}};
  Lines lines;
  for (const auto family : kBothFamilies) {
    auto flows = kernel.tcp_flows_to(family, ports);
    if (!flows) {
      return std::unexpected(flows.error());
    }
    std::erase_if(*flows, [&](const Flow& flow) {
      return std::ranges::none_of(ports, [&](const PortRange& range) { return range.contains(flow.destination_port); });
    });
    const auto of_sources = std::ranges::count_if(
        *flows, [&](const Flow& flow) { return focus.sources.containing(flow.source).has_value(); });
    lines.push_back(fmt::format("{}: {} tracked to tcp/{}, {} of them from the sources",
                                family == IpFamily::kV4 ? "IPv4" : "IPv6", flows->size(), list_of(ports, ", tcp/"),
                                of_sources));
  }
  return lines;
}

Lines neighbour_lines(const nft::Ruleset& ruleset, const std::vector<std::string>& legacy_names) {
  return {"found " + describe(docker_backend(ruleset, legacy_names)),
          "iptables-legacy's tables: " + (legacy_names.empty() ? "none" : list_of(legacy_names)),
          "rules in nf_tables, by the names of tables and chains: " + list_of(owners_in(ruleset), "; ")};
}

Passes passes_of(const Profile* profile) {
  return profile != nullptr && (!profile->host_senders.empty() || profile->inner) ? Passes::kOwnToo
                                                                                  : Passes::kForwarded;
}

}  // namespace

std::vector<Section> facts(Kernel& kernel, const ObservedParts& observed, const Viewpoint& from) {
  const Focus focus(from.profile);
  const auto passes = passes_of(from.profile);
  const auto& state = observed.state;
  const auto seen = [&](std::string id, std::string title, const std::optional<Error>& error,
                        const std::function<Lines()>& lines) {
    return section_of(std::move(id), std::move(title), error ? std::unexpected(*error) : Result<Lines>(lines()));
  };
  const auto legacy = kernel.legacy_tables();
  std::vector<Section> sections;
  sections.push_back(seen("neighbours", "Programs that have rules here", observed.ruleset,
                          [&] { return neighbour_lines(state.ruleset, kernel.legacy_table_names()); }));
  sections.push_back(
      seen("interfaces", "Interfaces and their addresses", observed.links, [&] { return interface_lines(state); }));
  sections.push_back(seen("policy-rules", "Policy rules", observed.rules, [&] { return rule_lines(state); }));
  sections.push_back(
      seen("routes", "Routes that bear on the mail", observed.routes, [&] { return route_lines(state, focus); }));
  sections.push_back(section_of("sysctls", "Sysctls", sysctl_lines(kernel, interfaces_that_count(state, focus))));
  sections.push_back(section_of("wireguard", "WireGuard", wireguard_lines(kernel, focus, from.now)));
  sections.push_back(section_of("flows", "Connection tracking", flow_lines(kernel, focus)));
  sections.push_back(seen("nftables", "nf_tables: our tables, and the chains that the mail passes", observed.ruleset,
                          [&] { return ruleset_lines(state.ruleset, passes); }));
  sections.push_back(
      section_of("iptables-legacy", "iptables-legacy's tables",
                 legacy ? Result<Lines>(ruleset_lines(*legacy, passes)) : std::unexpected(legacy.error())));
  return sections;
}

}  // namespace smtpegress::report
