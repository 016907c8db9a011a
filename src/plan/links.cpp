#include "plan/links.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "model/host_addresses.hpp"
#include "model/ownership.hpp"
#include "net/contains.hpp"

namespace smtpegress {
namespace {

Finding found(const LinkSpec& link, Presence presence, std::string detail = {}, std::optional<Object> current = {}) {
  return {link, presence, std::move(detail), std::move(current), {}};
}

/// Why it cannot be made now; empty: it can.
std::string lacks(const LinkSpec& link, const ObservedState& observed) {
  const auto* lower = observed.link(link.lower);
  if (lower == nullptr || !lower->up) {
    return fmt::format("its link {} {}", link.lower.str(), lower == nullptr ? "does not exist" : "is down");
  }
  if (link.mtu == 0) {
    const auto address = link.local ? link.local->to_string()
                                    : fmt::format("{} address", link.remote.family == IpFamily::kV4 ? "IPv4" : "IPv6");
    return fmt::format("its link {} has no {}", link.lower.str(), address);
  }
  return {};
}

std::string difference(const LinkSpec& now, const LinkSpec& wanted) {
  if (!now.up) {
    return "is down";
  }
  if (now.mtu != wanted.mtu) {
    return fmt::format("has mtu {}", now.mtu);
  }
  if (now.neighbours != wanted.neighbours) {
    return "has lost the neighbour entry of the far end";
  }
  if (now.addresses != wanted.addresses) {
    return "lacks an address";
  }
  return fmt::format("is {}", to_string(now));
}

}  // namespace

bool is_made_as(const Link& link, std::string_view alias) {
  return link.half_made || link.alias == alias;
}

LinkSpec as_spec(const Link& link, const LinkSpec& wanted, const ObservedState& observed) {
  const auto shape = link.encapsulation.value_or(Encapsulation{});
  const auto* lower = observed.link(shape.link);
  LinkSpec spec{.name = link.name,
                .kind = link.kind,
                .alias = wanted.alias,
                .lower = lower != nullptr ? lower->name : IfName{},
                .local = shape.local,
                .remote = shape.remote.value_or(IpAddress{}),
                .id = shape.id,
                .port = shape.port,
                .source_ports = shape.source_ports,
                .learns = shape.learns,
                .mtu = link.mtu,
                .up = link.up,
                .mac = link.kind == "vxlan" ? link.mac : MacAddress{}};
  std::ranges::copy_if(link.neighbours, std::back_inserter(spec.neighbours),
                       [&](const Neighbour& n) { return contains(wanted.neighbours, n); });
  for (const auto& address : observed.addresses) {
    if (address.link == link.index && contains(wanted.addresses, address.local)) {
      spec.addresses.push_back(address.local);
    }
  }
  std::ranges::sort(spec.addresses);
  return spec;
}

Finding inspect_link(const LinkSpec& desired, const ObservedState& observed) {
  const auto* link = observed.link(desired.name);
  if (link != nullptr && !is_made_as(*link, desired.alias)) {
    LinkSpec theirs;
    theirs.alias = link->alias;
    return found(desired, Presence::kForeign,
                 fmt::format("an interface of that name is there, and is not ours{}",
                             link->kind.empty() ? "" : fmt::format(" (it is a {})", link->kind)),
                 as_spec(*link, theirs, observed));
  }
  for (const auto& other : observed.links) {
    const auto port = other.encapsulation.value_or(Encapsulation{}).port;
    if (port != 0 && port == desired.port && other.name != desired.name) {
      LinkSpec theirs;
      theirs.alias = other.alias;
      return found(desired, Presence::kForeign,
                   fmt::format("is on udp/{} too, where its packets would be dropped", port),
                   as_spec(other, theirs, observed));
    }
  }
  if (auto missing = lacks(desired, observed); !missing.empty()) {
    return found(desired, Presence::kWaiting, std::move(missing));
  }
  if (link == nullptr) {
    return found(desired, Presence::kMissing);
  }
  auto now = as_spec(*link, desired, observed);
  if (now == desired && !link->half_made) {
    return found(desired, Presence::kPresent);
  }
  auto detail = link->half_made ? "was cut short in the making" : difference(now, desired);
  // To be put back as it was, not as it should have been.
  now.neighbours = link->neighbours;
  now.addresses = addresses_of(observed, *link);
  return found(desired, Presence::kChanged, std::move(detail), std::move(now));
}

void add_link_removals(const DesiredState& desired, const DesiredState& owned, const ObservedState& observed,
                       Plan& plan) {
  const auto alias = alias_for(desired.instance);
  for (const auto& link : observed.links) {
    const auto is_it = [&](const LinkSpec& spec) { return spec.name == link.name; };
    const auto made = std::ranges::find_if(owned.links, is_it);
    // One that is half made has no alias yet that says whose it is: its name does.
    const bool ours = link.half_made ? made != owned.links.end() : link.alias == alias;
    if (ours && std::ranges::none_of(desired.links, is_it)) {
      auto wanted = made != owned.links.end() ? *made : LinkSpec{};
      wanted.alias = alias;
      wanted.neighbours = link.neighbours;
      plan.changes.push_back({Verb::kRemove,
                              as_spec(link, wanted, observed),
                              {},
                              desired.table ? "of an earlier profile" : "made by enable"});
    }
  }
}

}  // namespace smtpegress
