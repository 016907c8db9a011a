#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>

#include "model/docker.hpp"
#include "model/families.hpp"
#include "model/host_senders.hpp"
#include "model/lower.hpp"
#include "model/ownership.hpp"
#include "model/private_networks.hpp"
#include "model/rules.hpp"
#include "model/sysctl_keys.hpp"
#include "net/contains.hpp"

namespace smtpegress {
namespace {

using namespace rules;

// Behind every other default route there could be in the table.
constexpr std::uint32_t kLastMetric = std::numeric_limits<std::uint32_t>::max();

/// Has this host, by the profile or by the containers' own networks, anything to steer or to refuse in this family? A
/// kernel may have no IPv6 at all.
bool has_part_in(const Profile& profile, const ResolvedHost& host, IpFamily family) {
  return has_sources(profile, family) || steers_own_mail(profile, host, family) ||
         std::ranges::any_of(host.other_networks,
                             [&](const Prefix& network) { return network.address.family == family; });
}

void add_stays_local(const Profile& profile, const ResolvedHost& host, OwnChain& chain) {
  for (const auto& network : local_networks(profile, host)) {
    chain.rules.push_back({{like(network), to(network)}, {leave_chain()}, "stays local"});
  }
}

/// Of replies and of the path's errors, where they come out of the tunnel.
void add_reply_marks(const Profile& profile, IpFamily family, const std::vector<Prefix>& receivers, OwnChain& chain) {
  const nft::SetMark mark{profile.mark};
  for (const auto& source : receivers) {
    if (source.address.family != family) {
      continue;
    }
    for (const auto& ports : profile.ports) {
      chain.rules.push_back(rule(
          {in(profile.tunnel), like(source), to(source), tcp(), from_port(ports), state(nft::kCtEstablished), reply()},
          mark, "admit replies"));
    }
    const auto errors = protocol(traits_of(source.address.family).path_errors);
    chain.rules.push_back(rule({in(profile.tunnel), like(source), to(source), errors, state(nft::kCtRelated)}, mark,
                               "admit path errors"));
  }
}

/// tcp/<ports> of the sources gets the mark (the chain is not called "mark": nft could not read that back). After DNAT
/// (priority dstnat + 10), so that what a published port sends back into a source's own network is seen with its real
/// destination and left alone. Not what comes out of the tunnel: no packet of the sources does, and a forged one would
/// run in a circle.
///
/// Replies over IPv6 are marked here already: firewalls filter that family by the reverse path (firewalld does as it is
/// shipped, at filter + 10), with the mark, and without it the way back to the peer is the uplink. (The kernel's own
/// filter, IPv4's, is a matter of sysctls.)
OwnChain mark_chain(const Profile& profile, const ResolvedHost& host) {
  const bool marks_mail = profile.steering == Steering::kMark && !profile.sources.empty();
  auto receivers = profile.sources;
  std::ranges::transform(own_addresses(profile), std::back_inserter(receivers), Prefix::of);
  OwnChain chain{{own_table_key(profile.name), marks_mail ? "mark-mail" : "mark-replies"},
                 {nft::ChainType::kFilter, nft::Hook::kPrerouting, kAfterDnatPriority, nft::Policy::kAccept},
                 {}};
  add_reply_marks(profile, IpFamily::kV6, receivers, chain);
  if (!marks_mail) {
    return chain;
  }
  add_stays_local(profile, host, chain);
  for (const auto& source : profile.sources) {
    for (const auto& ports : profile.ports) {
      chain.rules.push_back(
          rule({in(profile.tunnel, nft::Sense::kIsNot), like(source), from(source), tcp(), to_port(ports)},
               nft::SetMark{profile.mark}, "mark"));
    }
  }
  return chain;
}

/// What the forward firewall's one stateless `meta mark` accept admits, and nothing else: the mail, where it has no
/// mark yet, its replies, and the path's errors (FACTS 11, 34).
void add_admission_marks(const Profile& profile, OwnChain& chain) {
  if (profile.steering == Steering::kRule) {
    for (const auto& source : profile.sources) {
      for (const auto& ports : profile.ports) {
        chain.rules.push_back(rule({out(profile.tunnel), like(source), from(source), tcp(), to_port(ports)},
                                   nft::SetMark{profile.mark}, "admit mail"));
      }
    }
  }
  add_reply_marks(profile, IpFamily::kV4, profile.sources, chain);  // IPv6's have it
}

/// What the same containers send from addresses of no source has no tunnel to go through, and must not go around it.
void add_link_guard(const Profile& profile, const ResolvedHost& host, IpFamily family, OwnChain& chain) {
  for (const auto& source : profile.sources) {
    if (source.address.family == family && !host.source_links.empty()) {
      chain.rules.push_back({{is(family), from(source)}, {leave_chain()}, "guarded above"});
    }
  }
  const auto role = fmt::format("guard {}", traits_of(family).role_suffix);
  for (const auto& link : host.source_links) {
    for (const auto& ports : profile.ports) {
      chain.rules.push_back(
          rule({in(link), out(link, nft::Sense::kIsNot), is(family), tcp(), to_port(ports)}, nft::Reject{}, role));
    }
  }
}

/// The guard for what this host itself sends.
OwnChain output_chain(const Profile& profile, const ResolvedHost& host) {
  OwnChain chain{{own_table_key(profile.name), "output"},
                 {nft::ChainType::kFilter, nft::Hook::kOutput, kManglePriority, nft::Policy::kAccept},
                 {}};
  add_stays_local(profile, host, chain);
  for (const auto& network : kLinkNetworks) {
    if (steers_own_mail(profile, host, network.address.family)) {
      chain.rules.push_back({{like(network), to(network)}, {leave_chain()}, "stays local"});
    }
  }
  add_own_guard(profile, host, chain);
  return chain;
}

/// Docker's drop of strangers is passed by what looks like a reply; one that answers nothing is none, and would come as
/// far as a published port (FACTS 25 has the same of a bare SYN).
void add_stray_refusal(const Profile& profile, OwnChain& chain) {
  for (const auto& source : profile.sources) {
    for (const auto& ports : profile.ports) {
      chain.rules.push_back(rule({in(profile.tunnel), like(source), to(source), tcp(), from_port(ports), no_syn(),
                                  state(nft::kCtNew | nft::kCtInvalid)},
                                 drop(), "strays"));
    }
  }
}

/// Nothing begins a connection with a source but by a port that this host publishes. Some firewalls let all in that the
/// tunnel's peer sends (Podman's, Incus's), and the peer is a machine on the internet.
void add_inbound_refusal(const Profile& profile, OwnChain& chain) {
  for (const auto& source : profile.sources) {
    const std::vector<nft::Match> arriving{in(profile.tunnel), like(source), to(source)};
    const auto refuse = [&](std::initializer_list<nft::Match> what) {
      auto matches = arriving;
      matches.insert(matches.end(), what);
      chain.rules.push_back(rule(std::move(matches), drop(), "inbound"));
    };
    refuse({state(nft::kCtInvalid | nft::kCtUntracked)});  // these have no status to look at
    refuse({state(nft::kCtNew), not_translated()});
  }
}

/// Admission, then the guard: what no one may send past the tunnel. It stands without tunnel, route or rule. Bridged
/// packets come by here too (br_netfilter), hence "stays local".
OwnChain forward_chain(const Profile& profile, const ResolvedHost& host, bool marks_admission) {
  OwnChain chain{{own_table_key(profile.name), "forward"},
                 {nft::ChainType::kFilter, nft::Hook::kForward, kManglePriority, nft::Policy::kAccept},
                 {}};
  if (profile.nat == HomeNat::kPreserve) {
    add_stray_refusal(profile, chain);
  }
  if (profile.inbound == Inbound::kPublished) {
    add_inbound_refusal(profile, chain);
  }
  if (marks_admission) {
    add_admission_marks(profile, chain);
  }
  add_stays_local(profile, host, chain);
  for (const auto& source : profile.sources) {
    for (const auto& ports : profile.ports) {
      chain.rules.push_back(
          rule({out(profile.tunnel, nft::Sense::kIsNot), like(source), from(source), tcp(), to_port(ports)},
               nft::Reject{}, "guard"));
    }
  }
  for (const auto family : kBothFamilies) {
    if (guards_links(profile, family)) {
      add_link_guard(profile, host, family, chain);
    }
  }
  return chain;
}

/// Preserved, by the identity mapping: later nat chains, Docker's MASQUERADE among them, are skipped (FACTS 10). Or the
/// tunnel's, whatever it is at the time. This host's own mail has its address from the start.
OwnChain address_chain(const Profile& profile) {
  const bool preserve = profile.nat == HomeNat::kPreserve || profile.sources.empty();
  OwnChain chain{{own_table_key(profile.name), preserve ? "keep-address" : "tunnel-address"},
                 {nft::ChainType::kNat, nft::Hook::kPostrouting, kBeforeSnatPriority, nft::Policy::kAccept},
                 {}};
  for (const auto& source : profile.sources) {
    for (const auto& ports : profile.ports) {
      std::vector<nft::Match> mail{out(profile.tunnel), like(source), from(source), tcp(), to_port(ports)};
      chain.rules.push_back(preserve ? rule(std::move(mail), nft::Snat{std::nullopt}, "nat bypass")
                                     : rule(std::move(mail), nft::Masquerade{}, "masquerade"));
    }
  }
  for (const auto& address : own_addresses(profile)) {
    const auto own = Prefix::of(address);
    for (const auto& ports : profile.ports) {
      chain.rules.push_back(rule({out(profile.tunnel), like(own), from(own), tcp(), to_port(ports)},
                                 nft::Snat{std::nullopt}, "own address"));
    }
  }
  return chain;
}

/// Replies bear another address while they pass the raw priority, where Docker drops by the container's (FACTS 26b),
/// and their own again before connection tracking sees them.
void add_sidestep(const Profile& profile, std::vector<OwnChain>& chains) {
  const auto chain = [&](std::string name, std::int32_t priority) {
    return OwnChain{{own_table_key(profile.name), std::move(name)},
                    {nft::ChainType::kFilter, nft::Hook::kPrerouting, priority, nft::Policy::kAccept},
                    {}};
  };
  auto aside = chain("sidestep", kBeforeRawPriority);
  auto back = chain("step-back", kAfterRawPriority);
  for (const auto& source : profile.sources) {
    const auto elsewhere = sidestep_network(source);
    for (const auto& ports : profile.ports) {
      aside.rules.push_back(rule({in(profile.tunnel), like(source), to(source), tcp(), from_port(ports), no_syn()},
                                 nft::SetNetwork{nft::Side::kDestination, elsewhere}, "sidestep"));
      back.rules.push_back(rule({in(profile.tunnel), like(source), to(elsewhere), tcp(), from_port(ports), no_syn()},
                                nft::SetNetwork{nft::Side::kDestination, source}, "step back"));
    }
    const auto errors = protocol(traits_of(source.address.family).path_errors);
    aside.rules.push_back(rule({in(profile.tunnel), like(source), to(source), errors},
                               nft::SetNetwork{nft::Side::kDestination, elsewhere}, "sidestep path errors"));
    back.rules.push_back(rule({in(profile.tunnel), like(source), to(elsewhere), errors},
                              nft::SetNetwork{nft::Side::kDestination, source}, "step back path errors"));
  }
  chains.push_back(std::move(aside));
  chains.push_back(std::move(back));
}

Route egress_route(const Profile& profile, RouteType type, const Prefix& destination) {
  const auto family = destination.address.family;
  return {.family = family,
          .table = profile.table,
          .destination = destination,
          .metric = type == RouteType::kUnreachable ? kLastMetric : traits_of(family).route_metric,
          .type = type,
          .interface = type == RouteType::kUnicast ? profile.tunnel : IfName{},
          .gateway = {},
          .preferred_source = {},
          .protocol = kOurProtocol,
          .other = {}};
}

/// The way into the tunnel; behind it the end of all ways; and what stays local, for the policy rules that go by the
/// source: marked packets have been told apart before.
void add_egress_routes(const Profile& profile, const ResolvedHost& host, IpFamily family, std::vector<Route>& routes) {
  const auto everything = Prefix::everything(family);
  routes.push_back(egress_route(profile, RouteType::kUnreachable, everything));
  auto local = local_networks(profile, host);
  std::ranges::copy_if(host.other_networks, std::back_inserter(local), [](const Prefix& n) { return !is_private(n); });
  if (steers_own_mail(profile, host, family)) {
    std::ranges::copy(kLinkNetworks, std::back_inserter(local));
  }
  for (const auto& network : local) {
    if (network.address.family == family) {
      routes.push_back(egress_route(profile, RouteType::kThrow, network));
    }
  }
  if (has_sources(profile, family) || has_own_address(profile, family)) {
    routes.push_back(egress_route(profile, RouteType::kUnicast, everything));
  }
}

/// The mark is the switch. The mail is sent the same way by its source and port too: should another program take the
/// firewall's rules away (`nft flush ruleset`), mark and guard among them, this is what keeps it from the uplink.
void add_policy_rules(const Profile& profile, const ResolvedHost& host, IpFamily family,
                      std::vector<PolicyRule>& rules) {
  const auto add = [&](const std::optional<Mark>& mark, std::vector<UnknownAttribute> selectors) {
    rules.push_back({.family = family,
                     .priority = profile.priority,
                     .action = kLookUpTable,
                     .table = profile.table,
                     .mark = mark,
                     .protocol = kOurProtocol,
                     .other = std::move(selectors)});
  };
  const bool marks_replies = family == IpFamily::kV6 && contains(mail_families(profile), family);  // see mark_chain
  if (marks_replies || (profile.steering == Steering::kMark && has_sources(profile, family))) {
    add(profile.mark, {});
  }
  for (const auto& source : profile.sources) {
    for (const auto& ports : profile.ports) {
      if (source.address.family == family) {
        add({}, selecting(source, IPPROTO_TCP, ports));
      }
    }
  }
  for (auto& selectors : own_mail_selectors(profile, host, family)) {
    add({}, std::move(selectors));
  }
  // What a flushed firewall no longer refuses: the same containers' mail from addresses of no source.
  for (const auto& link : host.source_links) {
    for (const auto& ports : profile.ports) {
      if (guards_links(profile, family)) {
        add({}, selecting(link, IPPROTO_TCP, ports));
      }
    }
  }
}

/// Loose reverse-path filtering: replies come in by the tunnel, and the main table would answer them by the uplink. (A
/// rule by source answers for replies as well.)
void add_rp_filters(const Profile& profile, const ResolvedHost& host, std::vector<SysctlSpec>& sysctls) {
  const bool all = profile.rp_filter == RpFilterScope::kAll;
  if (all) {
    sysctls.push_back({rp_filter_key("all"), "2"});
    sysctls.push_back({rp_filter_key("default"), "2"});
  }
  sysctls.push_back({rp_filter_key(profile.tunnel.str()), "2"});
  if (all) {
    for (const auto& link : host.source_links) {
      sysctls.push_back({rp_filter_key(link.str()), "2"});
    }
  }
}

/// Is there a firewall that asks for the mark?
bool is_admitted(const Profile& profile, const DesiredState& desired) {
  return std::ranges::any_of(desired.foreign_rules, [&](const ForeignChainRule& foreign) {
    return contains(foreign.rule.matches, marked(profile.mark));
  });
}

}  // namespace

std::vector<Prefix> local_networks(const Profile& profile, const ResolvedHost& host) {
  std::vector<Prefix> networks;
  for (const auto& network : kPrivateNetworks) {
    if (has_part_in(profile, host, network.address.family)) {
      networks.push_back(network);
    }
  }
  for (const auto* own : {&profile.sources, &host.source_networks}) {
    std::ranges::copy_if(*own, std::back_inserter(networks),
                         [](const Prefix& network) { return !is_private(network); });
  }
  return networks;
}

void lower_home(const Profile& profile, const ResolvedHost& host, DesiredState& desired) {
  const bool by_mark = profile.steering == Steering::kMark;
  if (!profile.sources.empty()) {
    desired.chains.push_back(forward_chain(profile, host, by_mark || is_admitted(profile, desired)));
  }
  if (auto marks = mark_chain(profile, host); !marks.rules.empty()) {
    desired.chains.push_back(std::move(marks));
  }
  desired.chains.push_back(address_chain(profile));
  if (guards_own_mail(profile, host)) {
    desired.chains.push_back(output_chain(profile, host));
  }
  if (bypass_for(profile, host) == DockerBypass::kSidestep) {
    add_sidestep(profile, desired.chains);
  }
  for (const auto family : kBothFamilies) {
    if (has_part_in(profile, host, family)) {
      add_egress_routes(profile, host, family, desired.routes);
      add_policy_rules(profile, host, family, desired.rules);
    }
  }
  if (by_mark && has_sources(profile, IpFamily::kV4)) {  // IPv6 has no such filter
    add_rp_filters(profile, host, desired.sysctls);
  }
  add_forwarding(profile, host, desired.sysctls);
}

}  // namespace smtpegress
