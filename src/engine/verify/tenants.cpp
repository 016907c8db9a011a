// What verify asks for each tenant of a VPS: its way back, its tunnel's AllowedIPs and endpoint, its public address.
// Tenants of whom all is well are a line with their number; one that fails is named.
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/verify/checks.hpp"
#include "engine/verify/endpoint.hpp"
#include "engine/verify/lookups.hpp"
#include "model/families.hpp"
#include "model/tenants.hpp"

namespace smtpegress {
namespace {

constexpr std::size_t kNamed = 10;  // failures of one kind that are told one by one

/// One question put for many tenants.
class Question {
 public:
  Question(const Inquiry& ask, std::string id, std::string title)
      : ask_(ask), id_(std::move(id)), title_(std::move(title)) {}

  void passed() { ++passed_; }
  void failed(const Tenant& tenant, const std::string& detail, std::string mend) {
    if (++failed_ <= kNamed) {
      ask_.failed(id_, title_, fmt::format("tenant {}: {}", tenant.name, detail), std::move(mend));
    }
  }
  /// Call last. What was asked of each: one "network", several "networks". Says nothing where nothing was asked.
  void tell(std::string_view one, std::string_view several) const {
    if (failed_ > kNamed) {
      ask_.failed(id_, title_, fmt::format("and {} more", failed_ - kNamed), "as above");
    }
    if (failed_ == 0 && passed_ != 0) {
      ask_.passed(id_, title_, fmt::format("{} {}", passed_, passed_ == 1 ? one : several));
    }
  }

 private:
  const Inquiry& ask_;
  std::string id_;
  std::string title_;
  std::size_t passed_ = 0;
  std::size_t failed_ = 0;
};

std::vector<IpAddress> addresses_on(const ObservedState& observed, const Link* link) {
  std::vector<IpAddress> addresses;
  for (const auto& address : observed.addresses) {
    if (link == nullptr || address.link == link->index) {
      addresses.push_back(address.local);
    }
  }
  std::ranges::sort(addresses);
  return addresses;
}

/// Where does the kernel lead such a packet of the tenant's?
void put(const Inquiry& ask, Question& question, const Tenant& tenant, const std::string& packets,
         const RouteQuery& query, const IfName& wanted, const std::string& otherwise) {
  const auto answer = ask.kernel.look_up_route(query);
  if (!answer) {
    question.failed(tenant, fmt::format("{}: {}", packets, answer.error().message()),
                    "see `ip link`; then verify again");
  } else if (answer->errnum == 0 && answer->interface == wanted) {
    question.passed();
  } else {
    question.failed(tenant, fmt::format("{}: {}, not {}", packets, answer_text(ask, *answer, query), wanted.str()),
                    mend_stray(ask, *answer, query, otherwise));
  }
}

/// Is every tunnel there, and up?
void check_tunnels(const Inquiry& ask) {
  const auto tunnels = tunnels_of(ask.view.profile);
  std::size_t up = 0;
  for (const auto& tunnel : tunnels) {
    const auto* link = ask.view.seen.observed.link(tunnel);
    if (link != nullptr && link->up) {
      ++up;
      continue;
    }
    ask.failed("tunnel", fmt::format("the tunnel {} is up", tunnel.str()),
               fmt::format("{} {}", tunnel.str(), link == nullptr ? "does not exist" : "is down"),
               link == nullptr ? fmt::format("`wg-quick up {}`", tunnel.str())
                               : fmt::format("`ip link set {} up`", tunnel.str()));
  }
  if (up == tunnels.size()) {
    ask.passed("tunnel", "the tenants' tunnels are up", fmt::format("{} of them", up));
  }
}

/// A WireGuard's peers, to be found by what they are allowed.
class Peers {
 public:
  explicit Peers(WireGuardDevice device) : device_(std::move(device)) {
    for (const auto& peer : device_.peers) {
      for (const auto& prefix : peer.allowed_ips) {
        by_prefix_.emplace(prefix, &peer);
      }
    }
  }
  [[nodiscard]] const WireGuardDevice& device() const { return device_; }
  Peers(const Peers&) = delete;  // what it finds are places in its own list
  Peers& operator=(const Peers&) = delete;
  ~Peers() = default;
  /// Whose AllowedIPs have the whole network in one piece; null where nobody's.
  [[nodiscard]] const WireGuardPeer* covering(const Prefix& network) const {
    for (int length = network.length; length >= 0; --length) {
      const auto found = by_prefix_.find(Prefix::around(network.address, static_cast<std::uint8_t>(length)));
      if (found != by_prefix_.end()) {
        return found->second;
      }
    }
    return nullptr;
  }

 private:
  WireGuardDevice device_;
  std::map<Prefix, const WireGuardPeer*> by_prefix_;
};

/// By tunnel; of one that is no WireGuard, nothing.
std::map<IfName, std::optional<Peers>> peers_of_all(const Inquiry& ask) {
  std::map<IfName, std::optional<Peers>> all;
  for (const auto& tunnel : tunnels_of(ask.view.profile)) {
    auto device = ask.kernel.wireguard(tunnel);
    auto& peers = all[tunnel];
    if (device) {
      peers.emplace(*std::move(device));
    } else if (device.error().errnum != ENODEV) {
      ask.failed("allowed-ips", "AllowedIPs let the tenants' mail in and its replies out", device.error().message(),
                 mend_silent_wireguard(device.error()));
    }
  }
  return all;
}

/// Do the tunnel's own packets reach that home?
void put_endpoint(const Inquiry& ask, Question& question, const Tenant& tenant, const IfName& tunnel,
                  const WireGuardDevice& device, const WireGuardPeer& peer) {
  if (auto way = way_to_endpoint(ask, tunnel, device, peer); way && way->open) {
    question.passed();
  } else if (way) {
    question.failed(tenant, way->detail, std::move(way->mend));
  }
}

void check_peers(const Inquiry& ask) {
  const auto& profile = ask.view.profile;
  const auto all = peers_of_all(ask);
  if (std::ranges::none_of(all, [](const auto& entry) { return entry.second.has_value(); })) {
    ask.skipped("handshake", "the tenants' last handshakes are recent", "no tunnel is a WireGuard interface");
    return;
  }
  Question allowed(ask, "allowed-ips", "AllowedIPs let the tenants' mail in and its replies out");
  Question reached(ask, "endpoint", "the tenants' homes can be reached");
  std::set<const WireGuardPeer*> asked;  // a home may be several tenants
  std::size_t silent = 0;
  std::string names;
  for (const auto& tenant : profile.tenants) {
    const auto& tunnel = tunnel_of(profile, tenant);
    const auto& peers = all.at(tunnel);
    bool answers = true;
    for (const auto& source : peers ? tenant.sources : std::vector<Prefix>{}) {
      const auto* peer = peers->covering(source);
      if (peer == nullptr) {
        allowed.failed(tenant, fmt::format("no peer of {} covers {}", tunnel.str(), source.to_string()),
                       fmt::format("in {}.conf, at that home's peer: AllowedIPs = …, {}; then `wg syncconf`",
                                   tunnel.str(), source.to_string()));
        continue;
      }
      allowed.passed();
      if (asked.insert(peer).second) {
        put_endpoint(ask, reached, tenant, tunnel, peers->device(), *peer);
      }
      answers = answers && peer->last_handshake != 0 && ask.now - peer->last_handshake <= kStaleHandshake;
    }
    if (!answers && ++silent <= kNamed) {
      names += (names.empty() ? "" : ", ") + tenant.name;
    }
  }
  allowed.tell("network", "networks");
  reached.tell("endpoint", "endpoints");
  const auto title = "the tenants' last handshakes are recent";
  if (silent == 0) {
    ask.passed("handshake", title, fmt::format("{} tenants", profile.tenants.size()));
  } else {  // a home that is off, or idle, is no fault of this host's
    ask.skipped("handshake", title,
                fmt::format("{} of {} tenants have not answered for {} s: {}{}", silent, profile.tenants.size(),
                            kStaleHandshake, names, silent > kNamed ? ", …" : ""));
  }
}

}  // namespace

void check_tenant_tunnels(const Inquiry& ask) {
  check_tunnels(ask);
  check_peers(ask);
}

void check_tenant_routes(const Inquiry& ask) {
  const auto& profile = ask.view.profile;
  const auto& wan = ask.view.seen.host.wan;
  const auto port = profile.ports.front().first;
  const auto local = addresses_on(ask.view.seen.observed, nullptr);
  const auto is_local = [&](const IpAddress& address) { return std::ranges::binary_search(local, address); };
  const ByFamily<bool> forwards{forwards_from(ask, IpFamily::kV4, wan), forwards_from(ask, IpFamily::kV6, wan)};
  Question back(ask, "route-back", "replies are routed into each tenant's own tunnel");
  Question out(ask, "route-out", fmt::format("the internet is reached by {}", wan.str()));
  std::map<std::pair<IfName, IpFamily>, bool> ways_out;
  for (const auto& tenant : profile.tenants) {
    const auto& tunnel = tunnel_of(profile, tenant);
    for (const auto& source : tenant.sources) {
      const auto family = source.address.family;
      const auto somewhere = traits_of(family).somewhere;
      const auto container = some_host_in(source, is_local).value_or(source.address);
      const auto reply_from = forwards[family] ? std::optional(somewhere) : std::nullopt;
      put(ask, back, tenant, fmt::format("replies to {}", source.to_string()),
          {.destination = container,
           .source = reply_from,
           .incoming = reply_from ? wan : IfName{},
           .mark = 0,
           .ip_protocol = IPPROTO_TCP,
           .source_port = port,
           .destination_port = kEphemeral},
          tunnel,
          fmt::format("`ip route add {} dev {}`; wg-quick does it where AllowedIPs has it and Table is not off",
                      source.to_string(), tunnel.str()));
      if (!ways_out.try_emplace({tunnel, family}, true).second) {
        continue;
      }
      const bool from_tunnel = forwards_from(ask, family, tunnel);
      put(ask, out, tenant, fmt::format("out of {}{}", tunnel.str(), traits_of(family).over),
          {.destination = somewhere,
           .source = from_tunnel ? std::optional(container) : std::nullopt,
           .incoming = from_tunnel ? tunnel : IfName{},
           .mark = 0,
           .ip_protocol = IPPROTO_TCP,
           .source_port = kEphemeral,
           .destination_port = port},
          wan,
          fmt::format("`{} --wan IF` with the interface that leads to the internet", enable_command(profile, {"wan"})));
    }
  }
  back.tell("network", "networks");
  out.tell("tunnel", "tunnels");
}

void check_tenant_addresses(const Inquiry& ask) {
  const auto& host = ask.view.seen.host;
  const auto& profile = ask.view.profile;
  const auto* wan = ask.view.seen.observed.link(host.wan);
  const auto there = wan != nullptr ? addresses_on(ask.view.seen.observed, wan) : std::vector<IpAddress>{};
  Question question(ask, "public-address", "the tenants' public addresses are this host's");
  for (std::size_t i = 0; i < profile.tenants.size() && i < host.tenants_snat_to.size(); ++i) {
    for (const auto family : kBothFamilies) {
      const auto& snat_to = host.tenants_snat_to[i][family];
      if (!snat_to) {
        continue;
      }
      if (std::ranges::binary_search(there, *snat_to)) {
        question.passed();
      } else {
        question.failed(profile.tenants[i], fmt::format("{} is not on {}", snat_to->to_string(), host.wan.str()),
                        fmt::format("`ip address add {} dev {}`, or another {} for that tenant",
                                    Prefix::of(*snat_to).to_string(), host.wan.str(), traits_of(family).public_key));
      }
    }
  }
  question.tell("address", "addresses");
}

}  // namespace smtpegress
