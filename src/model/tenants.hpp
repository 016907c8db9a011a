// Tenants: several homes that share one VPS.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "smtpegress/state.hpp"

namespace smtpegress {

[[nodiscard]] const IfName& tunnel_of(const Profile& profile, const Tenant& tenant);
/// As what the world shall see the tenant's mail; nothing: as the WAN's own address.
[[nodiscard]] const std::optional<IpAddress>& public_address_of(const Profile& profile, const Tenant& tenant,
                                                                IpFamily family);
/// Those that mail comes out of or goes into: each once, of a profile with tenants sorted.
[[nodiscard]] std::vector<IfName> tunnels_of(const Profile& profile);

[[nodiscard]] bool has_sources(const Tenant& tenant, IpFamily family);

/// A network of the mail stack's, and what its mail goes by.
struct MailSource {
  Prefix network;
  IfName tunnel;
  std::optional<IpAddress> snat_to{};  ///< as what it leaves; absent where that is not known, or is its own
};
/// One for each source, in the profile's order; of a profile with tenants, tenant by tenant.
[[nodiscard]] std::vector<MailSource> mail_sources(const Profile& profile, const ResolvedHost& host);

/// Networks of which none overlaps another, to be searched by binary search: 10,000 tenants against 10,000 addresses.
class NetworkIndex {
 public:
  explicit NetworkIndex(const std::vector<Prefix>& networks);

  /// The place, in the list it was made from, of one that overlaps `network`; nothing where none does.
  [[nodiscard]] std::optional<std::size_t> overlapping(const Prefix& network) const;
  [[nodiscard]] std::optional<std::size_t> containing(const IpAddress& address) const {
    return overlapping(Prefix::of(address));
  }

 private:
  struct Entry {
    Prefix network;
    std::size_t place = 0;
    auto operator<=>(const Entry&) const = default;
  };
  std::vector<Entry> entries_;  ///< sorted
};

/// A profile and its host with but a few of its tenants.
struct Sample {
  Profile profile;
  ResolvedHost host;
};
/// One source for each way in which rules of `ruleset` may treat tenants' networks differently: two networks that no
/// rule's address tells apart, nor the public addresses of their mail, behind one tunnel, come through a firewall
/// alike. So that 10,000 need not all be sent through every chain. A profile without tenants is as it was.
[[nodiscard]] Sample sample_of(const Profile& profile, const ResolvedHost& host, const nft::Ruleset& ruleset);

/// Sets, maps and rules: constant in number, but for one of each for every length that the tenants' prefixes have.
void lower_tenants(const Profile& profile, const ResolvedHost& host, DesiredState& desired);

}  // namespace smtpegress
