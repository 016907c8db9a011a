#include <fmt/format.h>

#include <map>
#include <string>

#include "model/families.hpp"
#include "model/resolve_vps.hpp"
#include "model/tenants.hpp"

namespace smtpegress {
namespace {

Result<IpAddress> resolve_tenant(const Profile& profile, const Tenant& tenant, IpFamily family, const IfName& wan,
                                 const WanAddresses& there, std::map<IpAddress, IpAddress>& mapped) {
  const auto& traits = traits_of(family);
  const auto& wanted = public_address_of(profile, tenant, family);
  const auto refused = [&](std::string hint) {
    return usage_error("apply profile to this host:", fmt::format("tenant '{}'", tenant.name), std::move(hint));
  };
  const auto address = address_to_leave_as(wanted, there);
  if (!address && !wanted) {
    return refused(
        fmt::format("has {} sources, and {} has no lasting {} address for their mail; give it one, and name "
                    "it in the tenant's {}",
                    traits.name, wan.str(), traits.name, traits.public_key));
  }
  if (!address) {
    return refused(
        fmt::format("its public address {} is not on {}, nor is there a private address the provider could map "
                    "it to; `ip address add {} dev {}`, or another {}",
                    wanted->to_string(), wan.str(), Prefix::of(*wanted).to_string(), wan.str(), traits.public_key));
  }
  if (wanted && address != wanted) {  // mapped: by the provider, to one public address alone
    const auto [known, is_new] = mapped.try_emplace(*address, *wanted);
    if (!is_new && known->second != *wanted) {
      return refused(fmt::format(
          "its public address {0} is not on {1}, where another tenant's {2} is taken to be what the "
          "provider maps {3} to; name as each one's {4} the private address of {1} that is mapped to it",
          wanted->to_string(), wan.str(), known->second.to_string(), address->to_string(), traits.public_key));
    }
  }
  return *address;
}

}  // namespace

Result<std::vector<ByFamily<std::optional<IpAddress>>>> resolve_tenants(const Profile& profile,
                                                                        const ObservedState& observed,
                                                                        const IfName& wan) {
  std::vector<ByFamily<std::optional<IpAddress>>> addresses(profile.tenants.size());
  const auto& link = *observed.link(wan);
  for (const auto family : families_of(profile)) {
    const auto there = wan_addresses(observed, link, family);
    std::map<IpAddress, IpAddress> mapped;  // private to public
    for (std::size_t i = 0; i < profile.tenants.size(); ++i) {
      if (!has_sources(profile.tenants[i], family)) {
        continue;
      }
      auto address = resolve_tenant(profile, profile.tenants[i], family, wan, there, mapped);
      if (!address) {
        return std::unexpected(address.error());
      }
      addresses[i][family] = *address;
    }
  }
  return addresses;
}

}  // namespace smtpegress
