#include <algorithm>
#include <limits>

#include "model/docker.hpp"
#include "model/lower.hpp"
#include "model/ownership.hpp"
#include "model/rules.hpp"
#include "net/contains.hpp"

namespace smtpegress {
namespace {

using namespace rules;

// Behind every other default route there could be in the table.
constexpr std::uint32_t kLastMetric = std::numeric_limits<std::uint32_t>::max();

/// Packets to the sources' own networks are not mail on its way out: the next container's port 25, on the same bridge.
void add_stays_local(const Profile& profile, const ResolvedHost& host, OwnChain& chain) {
  for (const auto* networks : {&profile.sources, &host.source_networks}) {
    for (const auto& network : *networks) {
      chain.rules.push_back({{ipv4(), to(network)}, {leave_chain()}, "stays local"});
    }
  }
}

/// tcp/<ports> of the sources gets the mark (the chain is not called "mark": nft could not read that back). After DNAT
/// (priority dstnat + 10), so that what a published port sends back into a source's own network is seen with its real
/// destination and left alone. Not what comes out of the tunnel: no packet of the sources does, and a forged one would
/// run in a circle.
OwnChain mark_chain(const Profile& profile, const ResolvedHost& host) {
  OwnChain chain{{own_table_key(profile.name), "mark-mail"},
                 {nft::ChainType::kFilter, nft::Hook::kPrerouting, kAfterDnatPriority, nft::Policy::kAccept},
                 {}};
  add_stays_local(profile, host, chain);
  for (const auto& source : profile.sources) {
    for (const auto& ports : profile.ports) {
      chain.rules.push_back(rule({in(profile.tunnel, nft::Sense::kIsNot), ipv4(), from(source), tcp(), to_port(ports)},
                                 nft::SetMark{profile.mark}, "mark"));
    }
  }
  return chain;
}

/// What the forward firewall's one stateless `meta mark` accept admits, and nothing else: the mail, where it has no
/// mark yet, its replies, and the path's errors (FACTS 11, 34).
void add_admission_marks(const Profile& profile, OwnChain& chain) {
  const nft::SetMark mark{profile.mark};
  for (const auto& source : profile.sources) {
    for (const auto& ports : profile.ports) {
      if (profile.steering == Steering::kRule) {
        chain.rules.push_back(
            rule({out(profile.tunnel), ipv4(), from(source), tcp(), to_port(ports)}, mark, "admit mail"));
      }
      chain.rules.push_back(
          rule({in(profile.tunnel), ipv4(), to(source), tcp(), from_port(ports), state(nft::kCtEstablished), reply()},
               mark, "admit replies"));
    }
    chain.rules.push_back(rule({in(profile.tunnel), ipv4(), to(source), protocol(IPPROTO_ICMP), state(nft::kCtRelated)},
                               mark, "admit path errors"));
  }
}

/// Admission, then the guard: what no one may send past the tunnel. It stands without tunnel, route or rule. Bridged
/// packets come by here too (br_netfilter), hence "stays local".
OwnChain forward_chain(const Profile& profile, const ResolvedHost& host, bool marks_admission) {
  OwnChain chain{{own_table_key(profile.name), "forward"},
                 {nft::ChainType::kFilter, nft::Hook::kForward, kManglePriority, nft::Policy::kAccept},
                 {}};
  if (marks_admission) {
    add_admission_marks(profile, chain);
  }
  add_stays_local(profile, host, chain);
  for (const auto& source : profile.sources) {
    for (const auto& ports : profile.ports) {
      chain.rules.push_back(rule({out(profile.tunnel, nft::Sense::kIsNot), ipv4(), from(source), tcp(), to_port(ports)},
                                 nft::Reject{}, "guard"));
    }
  }
  // The sources are IPv4; the same containers' IPv6 has no tunnel to go through, and must not go around it.
  for (const auto& link : host.source_links) {
    for (const auto& ports : profile.ports) {
      chain.rules.push_back(
          rule({in(link), out(link, nft::Sense::kIsNot), ipv6(), tcp(), to_port(ports)}, nft::Reject{}, "guard ipv6"));
    }
  }
  return chain;
}

/// Preserved, by the identity mapping: later nat chains, Docker's MASQUERADE among them, are skipped (FACTS 10). Or the
/// tunnel's, whatever it is at the time.
OwnChain address_chain(const Profile& profile) {
  const bool preserve = profile.nat == HomeNat::kPreserve;
  OwnChain chain{{own_table_key(profile.name), preserve ? "keep-address" : "tunnel-address"},
                 {nft::ChainType::kNat, nft::Hook::kPostrouting, kBeforeSnatPriority, nft::Policy::kAccept},
                 {}};
  for (const auto& source : profile.sources) {
    for (const auto& ports : profile.ports) {
      std::vector<nft::Match> mail{out(profile.tunnel), ipv4(), from(source), tcp(), to_port(ports)};
      chain.rules.push_back(preserve ? rule(std::move(mail), nft::Snat{std::nullopt}, "nat bypass")
                                     : rule(std::move(mail), nft::Masquerade{}, "masquerade"));
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
      aside.rules.push_back(rule({in(profile.tunnel), ipv4(), to(source), tcp(), from_port(ports), no_syn()},
                                 nft::SetNetwork{nft::Side::kDestination, elsewhere}, "sidestep"));
      back.rules.push_back(rule({in(profile.tunnel), ipv4(), to(elsewhere), tcp(), from_port(ports), no_syn()},
                                nft::SetNetwork{nft::Side::kDestination, source}, "step back"));
    }
  }
  chains.push_back(std::move(aside));
  chains.push_back(std::move(back));
}

Route egress_route(const Profile& profile, RouteType type, const Prefix& destination = {}) {
  return {.family = IpFamily::kV4,
          .table = profile.table,
          .destination = destination,
          .metric = type == RouteType::kUnreachable ? kLastMetric : 0,
          .type = type,
          .interface = type == RouteType::kUnicast ? profile.tunnel : IfName{},
          .gateway = {},
          .preferred_source = {},
          .protocol = kOurProtocol,
          .other = {}};
}

/// The way into the tunnel; behind it the end of all ways; and what stays local, for the policy rules that go by the
/// source: marked packets have been told apart before.
std::vector<Route> egress_routes(const Profile& profile, const ResolvedHost& host) {
  std::vector<Route> routes{egress_route(profile, RouteType::kUnreachable)};
  for (const auto* networks : {&profile.sources, &host.source_networks}) {
    for (const auto& network : *networks) {
      routes.push_back(egress_route(profile, RouteType::kThrow, network));
    }
  }
  routes.push_back(egress_route(profile, RouteType::kUnicast));
  return routes;
}

/// The mark is the switch. The mail is sent the same way by its source and port too: should another program take the
/// firewall's rules away (`nft flush ruleset`), mark and guard among them, this is what keeps it from the uplink.
std::vector<PolicyRule> policy_rules(const Profile& profile) {
  PolicyRule by_mark{.family = IpFamily::kV4,
                     .priority = profile.priority,
                     .action = kLookUpTable,
                     .table = profile.table,
                     .mark = profile.mark,
                     .protocol = kOurProtocol,
                     .other = {}};
  std::vector<PolicyRule> rules;
  if (profile.steering == Steering::kMark) {
    rules.push_back(by_mark);
  }
  by_mark.mark.reset();
  for (const auto& source : profile.sources) {
    for (const auto& ports : profile.ports) {
      auto by_source = by_mark;
      by_source.other = selecting(source, IPPROTO_TCP, ports);
      rules.push_back(std::move(by_source));
    }
  }
  return rules;
}

std::string rp_filter_key(std::string_view interface) {
  return "net/ipv4/conf/" + std::string(interface) + "/rp_filter";
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

void lower_home(const Profile& profile, const ResolvedHost& host, DesiredState& desired) {
  const bool by_mark = profile.steering == Steering::kMark;
  desired.chains = {forward_chain(profile, host, by_mark || is_admitted(profile, desired))};
  if (by_mark) {
    desired.chains.push_back(mark_chain(profile, host));
  }
  desired.chains.push_back(address_chain(profile));
  if (bypass_for(profile, host) == DockerBypass::kSidestep) {
    add_sidestep(profile, desired.chains);
  }
  desired.routes = egress_routes(profile, host);
  if (by_mark) {
    add_rp_filters(profile, host, desired.sysctls);
  }
  desired.sysctls.push_back({"net/ipv4/ip_forward", "1"});
  desired.rules = policy_rules(profile);
}

}  // namespace smtpegress
