#include "model/tenants.hpp"

#include <algorithm>
#include <random>
#include <set>
#include <tuple>
#include <utility>

#include "model/families.hpp"

namespace smtpegress {
namespace {

/// What rules tell addresses apart by.
std::vector<Prefix> networks_named(const nft::Ruleset& ruleset) {
  std::vector<Prefix> networks;
  for (const auto& chain : ruleset.chains) {
    for (const auto& observed : chain.rules) {
      for (const auto& match : observed.rule.matches) {
        if (const auto* address = std::get_if<nft::MatchAddress>(&match); address != nullptr) {
          networks.push_back(address->prefix);
        }
      }
    }
  }
  std::ranges::sort(networks);
  const auto repeated = std::ranges::unique(networks);
  networks.erase(repeated.begin(), repeated.end());
  return networks;
}

/// What mail leaves as and the answers come to: as networks of one address each.
std::vector<Prefix> translated(const ResolvedHost& host) {
  std::vector<Prefix> networks;
  for (const auto& addresses : host.tenants_snat_to) {
    for (const auto family : kBothFamilies) {
      if (addresses[family]) {
        networks.push_back(Prefix::of(*addresses[family]));
      }
    }
  }
  std::ranges::sort(networks);
  const auto repeated = std::ranges::unique(networks);
  networks.erase(repeated.begin(), repeated.end());
  return networks;
}

/// Which of the networks that rules name have to do with each of others, as one number: that of networks treated alike
/// is the same.
class Treatments {
 public:
  /// `networks` are sorted and do not overlap, so those that one network contains stand side by side.
  Treatments(std::vector<Prefix> networks, const std::vector<Prefix>& named)
      : networks_(std::move(networks)), numbers_(numbers(networks_, named)) {}

  /// Of one of the networks.
  [[nodiscard]] std::uint64_t of(const Prefix& network) const {
    return numbers_.at(static_cast<std::size_t>(std::ranges::lower_bound(networks_, network) - networks_.begin()));
  }

 private:
  static std::vector<std::uint64_t> numbers(const std::vector<Prefix>& networks, const std::vector<Prefix>& named);

  std::vector<Prefix> networks_;
  std::vector<std::uint64_t> numbers_;
};

std::vector<std::uint64_t> Treatments::numbers(const std::vector<Prefix>& networks, const std::vector<Prefix>& named) {
  std::vector<std::uint64_t> changes(networks.size() + 1, 0);
  std::mt19937_64 numbers;  // seeded as ever: a coincidence would always be the same, and takes 2^-64
  for (const auto& other : named) {
    const auto within = [&](const Prefix& network) { return network.overlaps(other); };
    auto begin = std::ranges::lower_bound(networks, other.address, {}, &Prefix::address);
    if (begin != networks.begin() && within(*std::prev(begin))) {
      --begin;  // the one that `other` is a part of
    }
    const auto end = std::find_if_not(begin, networks.end(), within);
    const auto number = numbers();
    changes.at(static_cast<std::size_t>(begin - networks.begin())) ^= number;
    changes.at(static_cast<std::size_t>(end - networks.begin())) ^= number;
  }
  std::uint64_t sum = 0;
  for (auto& change : changes) {
    sum ^= change;
    change = sum;
  }
  return changes;
}

}  // namespace

const IfName& tunnel_of(const Profile& profile, const Tenant& tenant) {
  return tenant.tunnel ? *tenant.tunnel : profile.tunnel;
}

const std::optional<IpAddress>& public_address_of(const Profile& profile, const Tenant& tenant, IpFamily family) {
  const auto& own = family == IpFamily::kV4 ? tenant.public_ip : tenant.public_ip6;
  return own ? own : profile.public_address(family);
}

std::vector<IfName> tunnels_of(const Profile& profile) {
  if (profile.tenants.empty()) {
    return {profile.tunnel};
  }
  std::vector<IfName> tunnels;
  tunnels.reserve(profile.tenants.size());
  for (const auto& tenant : profile.tenants) {
    tunnels.push_back(tunnel_of(profile, tenant));
  }
  std::ranges::sort(tunnels);
  const auto repeated = std::ranges::unique(tunnels);
  tunnels.erase(repeated.begin(), repeated.end());
  return tunnels;
}

bool has_sources(const Tenant& tenant, IpFamily family) {
  return std::ranges::any_of(tenant.sources, [&](const Prefix& source) { return source.address.family == family; });
}

std::vector<MailSource> mail_sources(const Profile& profile, const ResolvedHost& host) {
  std::vector<MailSource> sources;
  for (std::size_t i = 0; i < profile.tenants.size(); ++i) {
    const auto& tenant = profile.tenants[i];
    for (const auto& network : tenant.sources) {
      sources.push_back(
          {network, tunnel_of(profile, tenant),
           i < host.tenants_snat_to.size() ? host.tenants_snat_to[i][network.address.family] : std::nullopt});
    }
  }
  if (profile.tenants.empty()) {
    for (const auto& network : profile.sources) {
      sources.push_back({network, profile.tunnel, host.snat_to[network.address.family]});
    }
  }
  return sources;
}

NetworkIndex::NetworkIndex(const std::vector<Prefix>& networks) {
  entries_.reserve(networks.size());
  for (std::size_t i = 0; i < networks.size(); ++i) {
    entries_.push_back({networks[i], i});
  }
  std::ranges::sort(entries_);
}

std::optional<std::size_t> NetworkIndex::overlapping(const Prefix& network) const {
  // As none overlaps another, it is the first behind the network's beginning, or the last before it.
  const auto behind =
      std::ranges::lower_bound(entries_, network.address, {}, [](const Entry& entry) { return entry.network.address; });
  if (behind != entries_.end() && behind->network.overlaps(network)) {
    return behind->place;
  }
  if (behind != entries_.begin() && std::prev(behind)->network.overlaps(network)) {
    return std::prev(behind)->place;
  }
  return std::nullopt;
}

Sample sample_of(const Profile& profile, const ResolvedHost& host, const nft::Ruleset& ruleset) {
  Sample sample{profile, host};
  if (profile.tenants.empty()) {
    return sample;
  }
  auto sorted = profile.sources;
  std::ranges::sort(sorted);
  const auto named = networks_named(ruleset);
  const Treatments own(std::move(sorted), named);
  const Treatments public_ones(translated(host), named);
  std::set<std::tuple<IfName, IpFamily, std::uint64_t, std::uint64_t>> seen;
  sample.profile.tenants.clear();
  sample.profile.sources.clear();
  sample.host.tenants_snat_to.clear();
  for (std::size_t i = 0; i < profile.tenants.size(); ++i) {
    auto tenant = profile.tenants[i];
    std::erase_if(tenant.sources, [&](const Prefix& source) {
      const auto family = source.address.family;
      const auto address = i < host.tenants_snat_to.size() ? host.tenants_snat_to[i][family] : std::nullopt;
      return !seen.emplace(tunnel_of(profile, tenant), family, own.of(source),
                           address ? public_ones.of(Prefix::of(*address)) : 0)
                  .second;
    });
    if (!tenant.sources.empty()) {
      sample.profile.sources.insert(sample.profile.sources.end(), tenant.sources.begin(), tenant.sources.end());
      sample.profile.tenants.push_back(std::move(tenant));
      if (i < host.tenants_snat_to.size()) {
        sample.host.tenants_snat_to.push_back(host.tenants_snat_to[i]);
      }
    }
  }
  return sample;
}

}  // namespace smtpegress
