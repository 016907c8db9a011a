#include "model/legacy_scripts.hpp"

#include <algorithm>

#include "model/rules.hpp"

namespace smtpegress {
namespace {

using namespace rules;

/// A shape that could be somebody else's as well counts only beside one that could not.
enum class Evidence : std::uint8_t { kSpecific, kGeneric };

struct Shape {
  nft::ChainKey chain;
  nft::Rule rule;
  Evidence evidence;
};

nft::ChainKey chain(std::string table, std::string name) {
  return {{nft::Family::kIp, std::move(table)}, std::move(name)};
}

void add_home_shapes(const Profile& profile, const Prefix& source, const PortRange& ports, std::vector<Shape>& shapes) {
  const auto& tunnel = profile.tunnel;
  const auto outgoing = rule({out(tunnel), from(source), tcp(), to_port(ports)}, accept(), {});
  shapes.push_back({chain("filter", "DOCKER-USER"), outgoing, Evidence::kSpecific});
  shapes.push_back({chain("filter", "DOCKER-USER"),
                    rule({in(tunnel), to(source), state(nft::kCtEstablished | nft::kCtRelated)}, accept(), {}),
                    Evidence::kGeneric});
  shapes.push_back({chain("raw", "PREROUTING"), rule({in(tunnel), to(source), tcp(), from_port(ports)}, accept(), {}),
                    Evidence::kSpecific});
  shapes.push_back({chain("mangle", "PREROUTING"),
                    rule({from(source), tcp(), to_port(ports)}, nft::SetMark{profile.mark}, {}), Evidence::kSpecific});
  shapes.push_back({chain("nat", "POSTROUTING"), outgoing, Evidence::kSpecific});
}

void add_vps_shapes(const Profile& profile, const ResolvedHost& host, const Prefix& source, const PortRange& ports,
                    std::vector<Shape>& shapes) {
  const auto& tunnel = profile.tunnel;
  const auto syn = flags(kSyn | kRst, kSyn);
  const auto snat_to = profile.public_ip ? profile.public_ip : host.snat_to.v4;
  shapes.push_back({chain("filter", "FORWARD"),
                    rule({in(tunnel), out(host.wan), from(source), tcp(), to_port(ports)}, accept(), {}),
                    Evidence::kSpecific});
  shapes.push_back({chain("filter", "FORWARD"),
                    rule({in(host.wan), out(tunnel), state(nft::kCtEstablished | nft::kCtRelated)}, accept(), {}),
                    Evidence::kGeneric});
  shapes.push_back(
      {chain("mangle", "FORWARD"), rule({in(tunnel), tcp(), syn}, nft::ClampMss{}, {}), Evidence::kGeneric});
  shapes.push_back(
      {chain("mangle", "FORWARD"), rule({out(tunnel), tcp(), syn}, nft::ClampMss{}, {}), Evidence::kGeneric});
  shapes.push_back({chain("nat", "POSTROUTING"),
                    rule({out(host.wan), from(source), tcp(), to_port(ports)}, nft::Snat{snat_to}, {}),
                    Evidence::kSpecific});
  if (host.snat_to.v4 != snat_to) {
    shapes.push_back({chain("nat", "POSTROUTING"),
                      rule({out(host.wan), from(source), tcp(), to_port(ports)}, nft::Snat{host.snat_to.v4}, {}),
                      Evidence::kSpecific});
  }
}

std::vector<Shape> script_shapes(const Profile& profile, const ResolvedHost& host) {
  std::vector<Shape> shapes;
  if (!profile.tenants.empty()) {
    return shapes;  // the scripts know but one home
  }
  for (const auto& source : profile.sources) {
    if (source.address.family != IpFamily::kV4) {
      continue;  // the scripts know none other
    }
    for (const auto& ports : profile.ports) {
      if (profile.side == Side::kHome) {
        add_home_shapes(profile, source, ports, shapes);
      } else {
        add_vps_shapes(profile, host, source, ports, shapes);
      }
    }
  }
  return shapes;
}

}  // namespace

std::vector<Object> find_legacy_objects(const Profile& profile, const ResolvedHost& host,
                                        const ObservedState& observed) {
  std::vector<Object> found;
  bool specific = false;
  const auto shapes = script_shapes(profile, host);
  for (const auto& chain : observed.ruleset.chains) {
    for (const auto& candidate : chain.rules) {
      const auto shape = std::ranges::find_if(
          shapes, [&](const Shape& s) { return s.chain == chain.key && nft::same_rule(s.rule, candidate.rule); });
      if (shape != shapes.end()) {
        found.emplace_back(ForeignChainRule{chain.key, candidate.rule, candidate.handle, {}});
        specific = specific || shape->evidence == Evidence::kSpecific;
      }
    }
  }
  if (profile.side == Side::kHome) {
    for (const auto& rule : observed.rules) {
      // `ip rule add` leaves the protocol unspecified, or says boot, by its version.
      if ((rule.protocol == kBootProtocol || rule.protocol == RouteProtocol{}) &&
          rule == PolicyRule{.priority = profile.priority,
                             .table = profile.table,
                             .mark = profile.mark,
                             .protocol = rule.protocol,
                             .other = {}}) {
        found.emplace_back(rule);
        specific = true;
      }
    }
    for (const auto& route : observed.routes) {
      if (specific && route.family == IpFamily::kV4 && route.table == profile.table && route.destination.is_default() &&
          route.interface == profile.tunnel && route.protocol == kBootProtocol && !route.gateway) {
        found.emplace_back(route);
      }
    }
  }
  return specific ? found : std::vector<Object>{};
}

}  // namespace smtpegress
