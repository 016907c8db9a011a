#include "model/host_addresses.hpp"

#include "model/families.hpp"
#include "model/private_networks.hpp"

namespace smtpegress {

std::vector<IpAddress> addresses_of(const ObservedState& observed, const Link& link) {
  std::vector<IpAddress> found;
  for (const auto& address : observed.addresses) {
    if (address.link == link.index && !stays_on_link(address.local)) {
      found.push_back(address.local);
    }
  }
  return found;
}

std::vector<IpAddress> addresses_of(const ObservedState& observed, const Link& link, IpFamily family) {
  auto found = addresses_of(observed, link);
  std::erase_if(found, [&](const IpAddress& address) { return address.family != family; });
  return found;
}

bool is_uplink(const ObservedState& observed, const IfName& interface, IpFamily family) {
  const auto* route = observed.default_route(family);
  if (route == nullptr || route->interface != interface) {
    return false;
  }
  const auto* link = observed.link(interface);
  return route->gateway || (link != nullptr && (link->kind.empty() || link->kind == "ppp"));
}

bool may_be_mapped(const IpAddress& address) {
  return is_private(address) || is_link_local(address);
}

std::optional<IpAddress> lasting_address(const ObservedState& observed, const Link& link, IpFamily family) {
  constexpr std::uint32_t kUnfit = kTemporary | kDadFailed | kDeprecated | kTentative;
  std::optional<IpAddress> best;
  int best_rank = 0;
  for (const auto& address : observed.addresses) {
    const bool usable = family == IpFamily::kV4 || ((address.flags & kUnfit) == 0 && !stays_on_link(address.local));
    if (address.link != link.index || address.local.family != family || !usable) {
      continue;
    }
    const int rank = family == IpFamily::kV4
                         ? 1
                         : (may_be_mapped(address.local) ? 1 : 3) + ((address.flags & kPermanent) != 0 ? 1 : 0);
    if (rank > best_rank) {
      best = address.local;
      best_rank = rank;
    }
  }
  return best;
}

}  // namespace smtpegress
