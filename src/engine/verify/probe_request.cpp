#include "engine/verify/probe_request.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "engine/verify/endpoint.hpp"
#include "engine/verify/lookups.hpp"
#include "model/covered.hpp"
#include "model/families.hpp"
#include "model/host_senders.hpp"
#include "model/inner.hpp"
#include "model/private_networks.hpp"
#include "net/contains.hpp"

namespace smtpegress {
namespace {

constexpr std::size_t kMostServers = 8;  // each is a conversation, and a thread, for every sender
constexpr std::size_t kMostSenders = 8;

/// One of this host's own in that network.
std::optional<IpAddress> own_address_in(const Inquiry& ask, const Prefix& network) {
  const auto& addresses = ask.view.seen.observed.addresses;
  const auto found =
      std::ranges::find_if(addresses, [&](const InterfaceAddress& address) { return network.contains(address.local); });
  return found == addresses.end() ? std::nullopt : std::optional(found->local);
}

/// Of any network of this host's that the source has: they need not be refused alike.
bool is_source_exposed(const Inquiry& ask, const Prefix& source) {
  return std::ranges::any_of(ask.view.seen.observed.addresses, [&](const InterfaceAddress& own) {
    const auto host = source.contains(own.local) ? some_host_in(ask, own.network()) : std::nullopt;
    return host && is_exposed(ask, *host);
  });
}

std::vector<ProbeSender> senders_at_home(const Inquiry& ask) {
  const auto& profile = ask.view.profile;
  std::vector<ProbeSender> senders;
  senders.reserve(profile.sources.size());
  for (const auto& source : profile.sources) {
    senders.push_back({.family = source.address.family,
                       .source = source,
                       .bound = own_address_in(ask, source),
                       .mark = profile.steering == Steering::kMark ? profile.mark.value : 0,
                       .uid = {},
                       .exposed = is_source_exposed(ask, source)});
  }
  for (const auto& sender : profile.host_senders) {
    for (const auto& address : sender.addresses) {
      senders.push_back({.family = address.family,
                         .source = {},
                         .bound = address,
                         .mark = 0,
                         .uid = sender.who == HostSender::Who::kUser ? std::optional(sender.uid) : std::nullopt});
    }
  }
  return senders;
}

/// Bound to what the mail leaves as, of every tenant.
std::vector<ProbeSender> senders_on_the_vps(const Inquiry& ask) {
  std::vector<ProbeSender> senders;
  auto leaves_as = ask.view.seen.host.tenants_snat_to;
  leaves_as.push_back(ask.view.seen.host.snat_to);
  for (const auto& addresses : leaves_as) {
    for (const auto family : families_of(ask.view.profile)) {
      const auto& address = addresses[family];
      if (address && !contains(senders, address, &ProbeSender::bound)) {
        senders.push_back({.family = family, .source = {}, .bound = address, .mark = 0, .uid = {}});
      }
    }
  }
  return senders;
}

/// To whom WireGuard gives that family's mail; null: to nobody. check_tunnel() tells of it where a sole peer is not
/// allowed all of it.
const WireGuardPeer* mail_peer(const WireGuardDevice& device, IpFamily family) {
  const auto& peers = device.peers;
  const auto found = std::ranges::find_if(
      peers, [&](const WireGuardPeer& peer) { return covered(Prefix::everything(family), peer.allowed_ips); });
  if (found != peers.end()) {
    return &*found;
  }
  return peers.size() == 1 ? &peers.front() : nullptr;
}

}  // namespace

ByFamily<std::optional<IpAddress>> far_ends(const Inquiry& ask) {
  ByFamily<std::optional<IpAddress>> far_end;
  const auto& profile = ask.view.profile;
  const auto device = profile.inner ? Result<WireGuardDevice>(WireGuardDevice{}) : ask.kernel.wireguard(profile.tunnel);
  if (!device) {
    return far_end;
  }
  for (const auto family : mail_families(profile)) {
    const auto* peer = mail_peer(*device, family);
    const auto endpoint = peer == nullptr ? std::nullopt : endpoint_of(*peer);
    // What wraps WireGuard in tcp or the like (udp2raw) is its endpoint, on this host itself.
    if (endpoint && endpoint->address.family == family && is_public(endpoint->address)) {
      far_end[family] = endpoint->address;
    }
  }
  return far_end;
}

std::optional<IpAddress> public_address(const Inquiry& ask, const ProbeRequest& request, const ProbeSender& sender) {
  const auto& host = ask.view.seen.host;
  if (ask.view.profile.side == Side::kHome) {
    return request.far_end[sender.family];
  }
  if (host.tenants_snat_to.empty()) {
    return host.public_ip[sender.family];
  }
  return sender.bound && !is_private(*sender.bound) ? sender.bound : std::nullopt;
}

Result<std::vector<MailServer>> servers_to_probe(const Profile& profile, const ProbeWish& wish) {
  auto servers = wish.servers.empty() ? profile.probe : wish.servers;
  if (wish.asked && servers.empty()) {
    return usage_error("verify", "--probe",
                       "name a mail server (--probe mx.example.org), or several in the profile's "
                       "key probe");
  }
  if (servers.size() > kMostServers) {
    return usage_error("verify", "--probe", fmt::format("takes {} mail servers at most", kMostServers));
  }
  for (auto& server : servers) {
    server.port = server.port.value_or(profile.ports.empty() ? 0 : profile.ports.front().first);
    const auto is_for = [&](const PortRange& ports) { return ports.contains(*server.port); };
    if (std::ranges::none_of(profile.ports, is_for)) {
      return usage_error("verify", fmt::format("--probe {}", server.to_string()),
                         fmt::format("tcp/{} is not what {} sends through the tunnel", *server.port, profile.name));
    }
  }
  return servers;
}

BoundedRequest probe_request(const Inquiry& ask, std::vector<MailServer> servers, std::chrono::milliseconds patience) {
  const bool home = ask.view.profile.side == Side::kHome;
  ProbeRequest request{.senders = home ? senders_at_home(ask) : senders_on_the_vps(ask),
                       .servers = std::move(servers),
                       .patience = patience,
                       .tunnel = home ? ask.view.profile.tunnel : IfName{},
                       .far_end = {},
                       .control_port = home ? std::uint16_t{0} : kHttps,
                       .somewhere = {traits_of(IpFamily::kV4).somewhere, traits_of(IpFamily::kV6).somewhere}};
  const auto left_out = request.senders.size() - std::min(request.senders.size(), kMostSenders);
  request.senders.resize(request.senders.size() - left_out);
  if (home) {
    request.far_end = far_ends(ask);  // mail to it takes the tunnel too, and the VPS itself answers
  }
  return {std::move(request), left_out};
}

}  // namespace smtpegress
