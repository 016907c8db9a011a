#include "engine/flows.hpp"

#include <algorithm>
#include <iterator>

#include "model/families.hpp"
#include "model/private_networks.hpp"
#include "model/tenants.hpp"

namespace smtpegress {

namespace {

/// A profile's networks, made ready for many questions about flows.
class MailFlows {
 public:
  MailFlows(const Profile& profile, const ResolvedHost& host)
      : profile_(profile), sources_(mail_sources(profile, host)), index_(networks_of(sources_)) {}

  /// Whose mail it is; null where it is no mail of the profile's.
  [[nodiscard]] const MailSource* source_of(const Flow& flow) const {
    const auto place = index_.containing(flow.source);
    // A reply from a source's own address: a published port of the host, sent back to a container (hairpin).
    const bool local = index_.containing(flow.destination) || index_.containing(flow.reply_source) ||
                       (profile_.side == Side::kHome && is_private(flow.reply_source));
    const bool is_mail = place && !local && std::ranges::any_of(profile_.ports, [&](const PortRange& ports) {
                           return ports.contains(flow.destination_port);
                         });
    return is_mail ? &sources_[*place] : nullptr;
  }
  [[nodiscard]] bool has(const Flow& flow) const { return source_of(flow) != nullptr; }
  [[nodiscard]] bool has_stale(const Flow& flow, PathChange change) const {
    const auto* source = source_of(flow);
    if (source == nullptr) {
      return false;
    }
    // By the tunnel a flow has the SNAT address; or, at home, keeps its own where that is to be preserved.
    const bool preserved = profile_.side == Side::kHome && profile_.nat == HomeNat::kPreserve;
    const bool by_tunnel =
        preserved ? flow.reply_destination == flow.source : flow.reply_destination == source->snat_to;
    return by_tunnel == (change == PathChange::kOffTunnel);
  }

 private:
  static std::vector<Prefix> networks_of(const std::vector<MailSource>& sources) {
    std::vector<Prefix> networks;
    std::ranges::transform(sources, std::back_inserter(networks), &MailSource::network);
    return networks;
  }

  const Profile& profile_;
  std::vector<MailSource> sources_;
  NetworkIndex index_;
};

template <class Predicate>
Result<std::size_t> drop_flows_if(Kernel& kernel, const Profile& profile, Predicate predicate) {
  std::size_t dropped = 0;
  for (const auto family : families_of(profile)) {
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
  return MailFlows(profile, host).has_stale(flow, change);
}

Result<std::size_t> drop_stale_flows(Kernel& kernel, const Profile& profile, const ResolvedHost& host,
                                     PathChange change) {
  const MailFlows mail(profile, host);
  return drop_flows_if(kernel, profile, [&](const Flow& flow) { return mail.has_stale(flow, change); });
}

Result<std::size_t> drop_abandoned_flows(Kernel& kernel, const Profile& former, const ResolvedHost& former_host,
                                         const Profile& profile) {
  const MailFlows now(profile, {});
  const MailFlows then(former, former_host);
  return drop_flows_if(
      kernel, former, [&](const Flow& flow) { return !now.has(flow) && then.has_stale(flow, PathChange::kOffTunnel); });
}

}  // namespace smtpegress
