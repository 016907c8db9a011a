#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "model/families.hpp"
#include "model/resolve_vps.hpp"
#include "model/tenants.hpp"

namespace smtpegress {
namespace {

/// What the WAN interface has, looked at once for all tenants.
struct WanAddresses {
  std::vector<IpAddress> sorted;
  std::optional<IpAddress> lasting;  ///< for who names none
  std::optional<IpAddress> mapped;   ///< for who names one that the provider maps
};

WanAddresses wan_addresses(const ObservedState& observed, const Link& link, IpFamily family) {
  auto all = addresses_of(observed, link, family);
  const auto mapped = std::ranges::find_if(all, may_be_mapped);
  WanAddresses found{
      {}, lasting_address(observed, link, family), mapped == all.end() ? std::nullopt : std::optional(*mapped)};
  std::ranges::sort(all);
  found.sorted = std::move(all);
  return found;
}

Result<IpAddress> resolve_tenant(const Profile& profile, const Tenant& tenant, IpFamily family, const IfName& wan,
                                 const WanAddresses& there) {
  const auto& traits = traits_of(family);
  const auto& wanted = public_address_of(profile, tenant, family);
  const auto refused = [&](std::string hint) {
    return usage_error("apply profile to this host:", fmt::format("tenant '{}'", tenant.name), std::move(hint));
  };
  if (!wanted) {
    if (there.lasting) {
      return *there.lasting;
    }
    return refused(
        fmt::format("has {} sources, and {} has no lasting {} address for their mail; give it one, and name "
                    "it in the tenant's {}",
                    traits.name, wan.str(), traits.name, traits.public_key));
  }
  if (std::ranges::binary_search(there.sorted, *wanted)) {
    return *wanted;
  }
  if (there.mapped) {
    return *there.mapped;
  }
  return refused(
      fmt::format("its public address {} is not on {}, nor is there a private address the provider could map "
                  "it to; `ip address add {} dev {}`, or another {}",
                  wanted->to_string(), wan.str(), Prefix::of(*wanted).to_string(), wan.str(), traits.public_key));
}

}  // namespace

Result<std::vector<ByFamily<std::optional<IpAddress>>>> resolve_tenants(const Profile& profile,
                                                                        const ObservedState& observed,
                                                                        const IfName& wan) {
  std::vector<ByFamily<std::optional<IpAddress>>> addresses(profile.tenants.size());
  const auto& link = *observed.link(wan);
  for (const auto family : families_of(profile)) {
    const auto there = wan_addresses(observed, link, family);
    for (std::size_t i = 0; i < profile.tenants.size(); ++i) {
      if (!has_sources(profile.tenants[i], family)) {
        continue;
      }
      auto address = resolve_tenant(profile, profile.tenants[i], family, wan, there);
      if (!address) {
        return std::unexpected(address.error());
      }
      addresses[i][family] = *address;
    }
  }
  return addresses;
}

}  // namespace smtpegress
