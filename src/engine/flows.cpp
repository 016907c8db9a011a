#include "engine/flows.hpp"

#include <algorithm>

#include "model/host_senders.hpp"
#include "model/private_networks.hpp"
#include "net/contains.hpp"

namespace smtpegress {

namespace {

bool is_own(const Profile& profile, const IpAddress& address) {
  return contains(own_addresses(profile), address);
}

bool is_mail_of(const Flow& flow, const Profile& profile) {
  const auto of_sources = [&](const IpAddress& address) {
    return std::ranges::any_of(profile.sources, [&](const Prefix& source) { return source.contains(address); }) ||
           is_own(profile, address);
  };
  // A reply from a source's own address: a published port of the host, sent back to a container (hairpin).
  const bool local = of_sources(flow.destination) || of_sources(flow.reply_source) ||
                     (profile.side == Side::kHome && is_private(flow.reply_source));
  return of_sources(flow.source) && !local &&
         std::ranges::any_of(profile.ports, [&](const PortRange& p) { return p.contains(flow.destination_port); });
}

template <class Predicate>
Result<std::size_t> drop_flows_if(Kernel& kernel, const Profile& profile, Predicate predicate) {
  std::size_t dropped = 0;
  for (const auto family : mail_families(profile)) {
    const auto flows = kernel.tcp_flows_to(family, profile.ports);
    if (!flows) {
      return std::unexpected(flows.error());
    }
    for (const auto& flow : *flows) {
      if (predicate(flow)) {
        if (auto deleted = kernel.delete_flow(flow); !deleted) {
          return std::unexpected(deleted.error());
        }
        ++dropped;
      }
    }
  }
  return dropped;
}

}  // namespace

bool is_stale(const Flow& flow, const Profile& profile, const ResolvedHost& host, PathChange change) {
  if (!is_mail_of(flow, profile)) {
    return false;
  }
  // By the tunnel a flow has the SNAT address; or, at home, keeps its own where that is to be preserved.
  const bool preserved =
      profile.side == Side::kHome && (profile.nat == HomeNat::kPreserve || is_own(profile, flow.source));
  const bool by_tunnel =
      preserved ? flow.reply_destination == flow.source : flow.reply_destination == host.snat_to[flow.source.family];
  return by_tunnel == (change == PathChange::kOffTunnel);
}

Result<std::size_t> drop_stale_flows(Kernel& kernel, const Profile& profile, const ResolvedHost& host,
                                     PathChange change) {
  return drop_flows_if(kernel, profile, [&](const Flow& flow) { return is_stale(flow, profile, host, change); });
}

Result<std::size_t> drop_abandoned_flows(Kernel& kernel, const Profile& former, const ResolvedHost& former_host,
                                         const Profile& profile) {
  return drop_flows_if(kernel, former, [&](const Flow& flow) {
    return !is_mail_of(flow, profile) && is_stale(flow, former, former_host, PathChange::kOffTunnel);
  });
}

}  // namespace smtpegress
