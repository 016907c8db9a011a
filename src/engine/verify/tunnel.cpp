#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "engine/verify/checks.hpp"
#include "engine/verify/endpoint.hpp"
#include "engine/verify/lookups.hpp"
#include "model/covered.hpp"
#include "model/families.hpp"
#include "model/host_senders.hpp"
#include "model/inner.hpp"

namespace smtpegress {
namespace {

void check_handshake(const Inquiry& ask, const WireGuardPeer& peer) {
  const auto title = "the tunnel's last handshake is recent";
  const auto mend = fmt::format(
      "`wg show {}` here and at the other end: keys, endpoint, its udp port in both firewalls; "
      "PersistentKeepalive = 25 on the home side",
      carrier_of(ask.view.profile).str());
  if (peer.last_handshake == 0) {
    ask.failed("handshake", title, fmt::format("peer {} has never answered", peer.public_key), mend);
    return;
  }
  const auto age = std::max<std::int64_t>(ask.now - peer.last_handshake, 0);
  if (age > kStaleHandshake && peer.keepalive == 0 && ask.view.profile.side == Side::kVps) {
    // Only an end that sends keepalives keeps renewing the session; the VPS learns nothing from an idle tunnel.
    ask.skipped("handshake", title, fmt::format("{} s ago, and this end sends no keepalive: idle, or gone", age));
  } else if (age > kStaleHandshake) {
    ask.failed("handshake", title, fmt::format("peer {} last answered {} s ago", peer.public_key, age), mend);
  } else {
    ask.passed("handshake", title, fmt::format("{} s ago", age));
  }
}

/// The tunnel's own packets need a way as well.
void check_endpoint(const Inquiry& ask, const WireGuardDevice& device, const WireGuardPeer& peer) {
  if (const auto endpoint = endpoint_of(peer)) {
    ask.sightings.far_end = endpoint->address.to_string();
  }
  const auto title = "the tunnel's other end can be reached";
  if (auto way = way_to_endpoint(ask, carrier_of(ask.view.profile), device, peer); way && way->open) {
    ask.passed("endpoint", title, std::move(way->detail));
  } else if (way) {
    ask.failed("endpoint", title, std::move(way->detail), std::move(way->mend));
  }
}

/// The destinations that must be allowed through: everything on the home side, the sources on the VPS's; with an inner
/// tunnel only its far end.
std::vector<Prefix> wanted_through(const Profile& profile) {
  if (profile.inner) {
    return {Prefix::of(profile.inner->remote)};
  }
  if (profile.side == Side::kVps) {
    return profile.sources;
  }
  std::vector<Prefix> wanted;
  for (const auto family : mail_families(profile)) {
    wanted.push_back(Prefix::everything(family));
  }
  return wanted;
}

bool told(const Inquiry& ask) {
  return std::ranges::any_of(ask.checks, [](const Check& c) { return c.id == "handshake"; });
}

/// What a person is to be asked for, of one destination that has to be allowed.
std::string title_of_allowed(const Profile& profile, const Prefix& wanted) {
  if (profile.inner) {
    return fmt::format("AllowedIPs let the inner tunnel's packets to {} through", wanted.to_string());
  }
  return profile.side == Side::kHome
             ? fmt::format("AllowedIPs let mail to anywhere{} into the tunnel", traits_of(wanted.address.family).over)
             : fmt::format("AllowedIPs let {} in and its replies out", wanted.to_string());
}

std::string mend_allowed(const Profile& profile, const Prefix& wanted) {
  const auto what = fmt::format("in {}.conf: AllowedIPs = …, {}", carrier_of(profile).str(), wanted.to_string());
  constexpr std::string_view kApply = "; then `wg syncconf` or wg-quick down and up";
  if (profile.inner) {
    return fmt::format("{}{}", what, kApply);
  }
  return fmt::format(
      "{}{}{}. Where AllowedIPs are not yours to set, key `inner` makes a tunnel that needs no more than "
      "the two ends' own addresses",
      what, profile.side == Side::kHome ? " and Table = off" : "", kApply);
}

void check_wireguard(const Inquiry& ask) {
  const auto& profile = ask.view.profile;
  const auto& tunnel = carrier_of(profile);
  const auto device = ask.kernel.wireguard(tunnel);
  if (!device) {
    if (device.error().errnum == ENODEV) {
      ask.skipped("handshake", "the tunnel's last handshake is recent",
                  fmt::format("{} is not a WireGuard interface", tunnel.str()));
    } else {
      ask.failed("handshake", "the tunnel's last handshake is recent", device.error().message(),
                 mend_silent_wireguard(device.error()));
    }
    return;
  }
  for (const auto& wanted : wanted_through(profile)) {
    const auto title = title_of_allowed(profile, wanted);
    const auto peer =
        std::ranges::find_if(device->peers, [&](const WireGuardPeer& p) { return covered(wanted, p.allowed_ips); });
    if (peer == device->peers.end()) {
      std::string seen;
      for (const auto& candidate : device->peers) {
        for (const auto& prefix : candidate.allowed_ips) {
          seen += (seen.empty() ? "" : ", ") + prefix.to_string();
        }
      }
      ask.failed("allowed-ips", title,
                 fmt::format("no peer of {} covers {}; it has {}", tunnel.str(), wanted.to_string(),
                             seen.empty() ? "none" : seen),
                 mend_allowed(profile, wanted));
      continue;
    }
    ask.passed("allowed-ips", title, fmt::format("peer {}", peer->public_key));
    if (!told(ask)) {
      check_handshake(ask, *peer);
      check_endpoint(ask, *device, *peer);
    }
  }
  if (!told(ask) && device->peers.size() == 1) {
    check_handshake(ask, device->peers.front());
    check_endpoint(ask, *device, device->peers.front());
  }
}

bool has_address(const Inquiry& ask, IpFamily family) {
  const auto& observed = ask.view.seen.observed;
  const auto* tunnel = observed.link(ask.view.profile.tunnel);
  return tunnel != nullptr && std::ranges::any_of(observed.addresses, [&](const InterfaceAddress& address) {
           return address.link == tunnel->index && address.local.family == family && !stays_on_link(address.local);
         });
}

/// With nat: masquerade. The kernel drops what it finds no address for. (IPv6's are gone once an interface was down.)
void check_address_to_leave_as(const Inquiry& ask) {
  const auto& profile = ask.view.profile;
  for (const auto family : families_of(profile)) {
    const bool needed = profile.side == Side::kHome && profile.nat == HomeNat::kMasquerade;
    if (needed && !profile.inner && !has_address(ask, family)) {
      const auto name = traits_of(family).name;
      ask.failed("tunnel", fmt::format("the tunnel has an {} address for the mail to leave as", name),
                 fmt::format("{} has none", profile.tunnel.str()),
                 fmt::format("in {0}.conf: Address = …, an {1} address; then wg-quick down and up",
                             profile.tunnel.str(), name));
    }
  }
}

}  // namespace

void check_tunnel(const Inquiry& ask) {
  const auto& tunnel = ask.view.profile.tunnel;
  const auto title = fmt::format("the tunnel {} is up", tunnel.str());
  const auto* link = ask.view.seen.observed.link(tunnel);
  if (link == nullptr) {
    ask.failed("tunnel", title, fmt::format("{} does not exist", tunnel.str()),
               ask.view.profile.inner ? fmt::format("`{}`", enable_command(ask.view.profile))
                                      : fmt::format("`wg-quick up {}`", tunnel.str()));
    if (ask.view.profile.inner) {
      check_wireguard(ask);
    }
    return;
  }
  if (!link->up) {
    ask.failed("tunnel", title, fmt::format("{} is down", tunnel.str()),
               fmt::format("`ip link set {} up`", tunnel.str()));
  } else {
    ask.passed("tunnel", title, fmt::format("mtu {}", link->mtu));
  }
  check_address_to_leave_as(ask);
  check_wireguard(ask);
}

}  // namespace smtpegress
