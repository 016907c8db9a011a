#include "engine/survey.hpp"

#include <algorithm>
#include <iterator>

#include "engine/sysctl_record.hpp"
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

DesiredState owned_by(const InstanceRecord& record) {
  auto owned = lower(record.profile, ResolvedHost{}, ObservedState{});
  for (const auto& profile : record.former) {
    const auto made = lower(profile, ResolvedHost{}, ObservedState{});
    std::ranges::remove_copy_if(made.routes, std::back_inserter(owned.routes), [&](const Route& route) {
      return std::ranges::find(owned.routes, route) != owned.routes.end();
    });
    std::ranges::remove_copy_if(made.rules, std::back_inserter(owned.rules), [&](const PolicyRule& rule) {
      return std::ranges::find(owned.rules, rule) != owned.rules.end();
    });
  }
  return owned;
}

Result<std::vector<InstanceRecord>> other_records(const StateStore& store, const std::string& name) {
  const auto names = store.list();
  if (!names) {
    return std::unexpected(names.error());
  }
  std::vector<InstanceRecord> records;
  for (const auto& other : *names) {
    if (other == name) {
      continue;
    }
    auto record = store.load(other);
    if (!record) {
      return std::unexpected(record.error());
    }
    if (*record) {
      records.push_back(**std::move(record));
    }
  }
  return records;
}

}  // namespace smtpegress
