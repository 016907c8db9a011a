// What is asked of an observed host (smtpegress/kernel.hpp).
#include <algorithm>

#include "model/families.hpp"
#include "net/contains.hpp"
#include "smtpegress/state.hpp"

namespace smtpegress {

const Link* ObservedState::link(const IfName& name) const {
  const auto found = std::ranges::find(links, name, &Link::name);
  return found == links.end() ? nullptr : &*found;
}

const Link* ObservedState::link(int index) const {
  const auto found = std::ranges::find(links, index, &Link::index);
  return found == links.end() ? nullptr : &*found;
}

std::vector<Prefix> ObservedState::networks_on(const Link& link) const {
  std::vector<Prefix> networks;
  for (const auto& address : addresses) {
    if (address.link == link.index && !is_link_local(address.local) && !contains(networks, address.network())) {
      networks.push_back(address.network());
    }
  }
  return networks;
}

const Route* ObservedState::default_route(IpFamily family) const {
  const Route* best = nullptr;
  for (const auto& route : routes) {
    if (route.family == family && route.table == kMainTable && route.destination.is_default() &&
        route.type == RouteType::kUnicast && !route.interface.empty() &&
        (best == nullptr || route.metric < best->metric)) {
      best = &route;
    }
  }
  return best;
}

}  // namespace smtpegress
