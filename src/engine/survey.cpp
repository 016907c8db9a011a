#include "engine/survey.hpp"

#include <algorithm>

#include "engine/sysctl_record.hpp"
#include "model/docker.hpp"
#include "model/legacy_scripts.hpp"

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

}  // namespace

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
  if (profile.side == Side::kHome) {
    result.host.docker = docker_backend(result.observed.ruleset, kernel.legacy_table_names());
  }
  result.legacy = find_legacy_objects(profile, result.host, result.observed);
  result.desired =
      lower(profile, result.host, result.legacy.empty() ? result.observed : without(result.observed, result.legacy));
  auto wanted = result.desired.sysctls;
  for (const auto& saved : further) {
    wanted.push_back({saved.key, saved.ours});
  }
  auto values = read_sysctls(kernel, wanted);
  if (!values) {
    return std::unexpected(values.error());
  }
  result.sysctls = *std::move(values);
  return result;
}

}  // namespace smtpegress
