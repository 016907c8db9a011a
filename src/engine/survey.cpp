#include "engine/survey.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "engine/sysctl_record.hpp"
#include "model/docker.hpp"
#include "model/families.hpp"
#include "model/legacy_scripts.hpp"
#include "model/sysctl_keys.hpp"
#include "net/contains.hpp"

namespace smtpegress {
namespace {

/// Without the rules that shall go: what a chain drops once they are gone decides where ours are needed.
ObservedState without(ObservedState observed, const std::vector<Object>& objects) {
  for (const auto& object : objects) {
    if (const auto* rule = std::get_if<ForeignChainRule>(&object)) {
      const auto chain = std::ranges::find(observed.ruleset.chains, rule->chain, &nft::ObservedChain::key);
      std::erase_if(chain->rules, [&](const nft::ObservedRule& r) { return r.handle == rule->handle; });
    }
  }
  return observed;
}

/// Interfaces that have learned of a router by its advertisements, which the kernel itself takes in (accept_ra is 0
/// where a program does), or whose accept_ra was set for that by an earlier enable.
Result<void> note_advertised_links(Kernel& kernel, const Profile& profile, const std::vector<SavedSysctl>& further,
                                   const std::optional<ResolvedHost>& remembered, Survey& seen) {
  auto& noted = seen.host.advertised_links;
  noted.clear();
  if (!has_sources(profile, IpFamily::kV6)) {
    return {};
  }
  for (const auto& link : seen.observed.links) {
    const auto key = accept_ra_key(link.name.str());
    const bool set_by_us =
        contains(further, key, &SavedSysctl::key) || (remembered && contains(remembered->advertised_links, link.name));
    const bool has_learned = std::ranges::any_of(seen.observed.routes, [&](const Route& route) {
      return route.family == IpFamily::kV6 && route.protocol == kRouterProtocol && route.interface == link.name;
    });
    if (set_by_us || has_learned) {
      const auto values = read_sysctls(kernel, {{key, "2"}});
      if (!values) {
        return std::unexpected(values.error());
      }
      if (const auto& value = values->at(key); value && *value != "0") {
        noted.push_back(link.name);
      }
    }
  }
  return {};
}

/// What the mail left as goes on being guarded while the tunnel has lost it for a moment: that is when the kernel
/// forgets the connections.
void keep_addresses(const ResolvedHost& remembered, ResolvedHost& host) {
  for (const auto family : kBothFamilies) {
    if (!host.snat_to[family]) {
      host.snat_to[family] = remembered.snat_to[family];
    }
  }
}

/// A mail stack that is down has no bridge (`docker compose down`). Nothing is gone that was made for it, and the same
/// bridge comes back with it; one under another name is found, and takes its place.
bool keep_links(const ResolvedHost& remembered, const ObservedState& observed, ResolvedHost& host) {
  const bool are_gone =
      std::ranges::all_of(remembered.source_links, [&](const IfName& link) { return observed.link(link) == nullptr; });
  if (!host.source_links.empty() || remembered.source_links.empty() || !are_gone) {
    return false;
  }
  host.source_links = remembered.source_links;
  host.source_networks = remembered.source_networks;
  host.other_networks = remembered.other_networks;
  return true;
}

/// Unless an earlier enable has switched it.
void leave_forwarding_off(const Profile& profile, const std::vector<SavedSysctl>& further, Survey& seen) {
  for (const auto family : families_of(profile)) {
    const std::string key(traits_of(family).forwarding);
    const bool has_network = std::ranges::any_of(profile.sources, [&](const Prefix& source) {
      return source.address.family == family && is_here(source, seen.observed);
    });
    if (has_network || contains(further, key, &SavedSysctl::key) || seen.sysctls.at(key) != "0") {
      continue;
    }
    seen.left_off.push_back(key);
    std::erase_if(seen.desired.sysctls, [&](const SysctlSpec& sysctl) {
      return sysctl.key == key || (family == IpFamily::kV6 && is_accept_ra(sysctl.key));
    });
  }
}

}  // namespace

std::string waits_for_network(const std::string& key) {
  return fmt::format(
      "{} stays 0 as long as no network of the sources is here: Docker, Podman and Incus switch it on themselves; "
      "after anything else, enable once more",
      sysctl_name(key));
}

bool is_here(const Prefix& source, const ObservedState& observed) {
  return std::ranges::any_of(observed.addresses,
                             [&](const InterfaceAddress& address) { return source.overlaps(address.network()); }) ||
         std::ranges::any_of(observed.routes, [&](const Route& route) {
           return route.table == kMainTable && !route.destination.is_internet() && source.overlaps(route.destination);
         });
}

Result<Survey> survey(Kernel& kernel, const Profile& profile, const std::vector<SavedSysctl>& further,
                      const std::optional<ResolvedHost>& remembered) {
  Survey result;
  auto observed = kernel.observe();
  if (!observed) {
    return std::unexpected(observed.error());
  }
  result.observed = *std::move(observed);
  auto host = resolve_host(profile, result.observed);
  if (!host && !remembered) {
    return std::unexpected(host.error());
  }
  if (!host) {
    result.unresolved = host.error();
  }
  result.host = host ? *std::move(host) : *remembered;
  if (remembered && profile.nat == HomeNat::kMasquerade) {
    keep_addresses(*remembered, result.host);
  }
  const bool kept = remembered && keep_links(*remembered, result.observed, result.host);
  if (profile.side == Side::kHome) {
    result.host.docker = docker_backend(result.observed.ruleset, kernel.legacy_table_names());
  }
  if (auto noted = note_advertised_links(kernel, profile, further, remembered, result); !noted) {
    return std::unexpected(noted.error());
  }
  result.legacy = find_legacy_objects(profile, result.host, result.observed);
  result.desired =
      lower(profile, result.host, result.legacy.empty() ? result.observed : without(result.observed, result.legacy));
  if (kept) {  // of an interface that is gone there is nothing to be set
    std::erase_if(result.desired.sysctls, [&](const SysctlSpec& sysctl) {
      return std::ranges::any_of(result.host.source_links,
                                 [&](const IfName& link) { return sysctl.key == rp_filter_key(link.str()); });
    });
  }
  auto wanted = result.desired.sysctls;
  const auto others = as_we_set_them(further);
  wanted.insert(wanted.end(), others.begin(), others.end());
  auto values = read_sysctls(kernel, wanted);
  if (!values) {
    return std::unexpected(values.error());
  }
  result.sysctls = *std::move(values);
  if (profile.side == Side::kHome) {
    leave_forwarding_off(profile, further, result);
  }
  return result;
}

Result<Survey> survey_to_enable(Kernel& kernel, const Profile& profile, const std::optional<InstanceRecord>& before,
                                const std::vector<SavedSysctl>& further) {
  const bool same_tunnel = before && before->profile.tunnel == profile.tunnel;
  auto seen = survey(kernel, profile, further, same_tunnel ? std::optional(before->host) : std::nullopt);
  if (seen && seen->unresolved) {
    return std::unexpected(*seen->unresolved);
  }
  return seen;
}

std::vector<SysctlSpec> add_unwanted_sysctls(const InstanceRecord& record, const OtherInstances& others, Survey& seen) {
  auto unwanted = record;
  auto& wanted = seen.desired.sysctls;
  const auto is_wanted = [&](std::string_view key) { return contains(wanted, key, &SysctlSpec::key); };
  const auto is_effect_no_more = [&](const SavedSysctl& sysctl) {
    return std::ranges::any_of(kBothFamilies, [&](IpFamily family) {
      return is_side_effect(sysctl, family) && !is_wanted(traits_of(family).forwarding);
    });
  };
  std::erase_if(unwanted.sysctls.saved, [&](const SavedSysctl& sysctl) {
    return is_wanted(sysctl.key) || (sysctl.previous == sysctl.ours && !is_effect_no_more(sysctl));
  });
  auto restore = restoration(unwanted, seen.sysctls, others, seen.observed.ruleset);
  auto& targets = restore.targets;
  wanted.insert(wanted.end(), targets.begin(), targets.end());
  if (all_hold(targets, seen.sysctls)) {
    wanted.insert(wanted.end(), restore.last.begin(), restore.last.end());
  }
  targets.insert(targets.end(), restore.last.begin(), restore.last.end());
  return targets;
}

}  // namespace smtpegress
