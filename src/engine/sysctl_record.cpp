#include "engine/sysctl_record.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "engine/forwarding_users.hpp"
#include "model/families.hpp"
#include "net/contains.hpp"

namespace smtpegress {
namespace {

/// Empty where forwarding can be switched off again.
std::string who_forwards(IpFamily family, const std::vector<std::string>& before, const nft::Ruleset& ruleset) {
  if (docker_forwards(ruleset, family)) {
    return "Docker is set up here and needs it";
  }
  std::vector<std::string> since;
  std::ranges::set_difference(source_translations(ruleset, family), before, std::back_inserter(since));
  return since.empty() ? std::string() : "made since enable, and needs it: " + since.front();
}

std::string conf_of(IpFamily family) {
  return family == IpFamily::kV4 ? "net/ipv4/conf/" : "net/ipv6/conf/";
}

bool is_side_effect(const SavedSysctl& sysctl) {
  return is_side_effect(sysctl, IpFamily::kV4) || is_side_effect(sysctl, IpFamily::kV6);
}

bool is_accept_ra(const std::string& key) {
  return key.ends_with("/accept_ra");
}

/// Empty where the value goes back.
std::string why_it_stays(const SavedSysctl& sysctl, const std::string& value, const OtherInstances& others,
                         const InstanceRecord& record, const nft::Ruleset& ruleset) {
  if (value == sysctl.ours && sysctl.previous == sysctl.ours) {
    return {};  // unchanged so far; a side effect of ip_forward may yet change it
  }
  const auto stays = [&](const std::string& why) {
    return fmt::format("{} stays {}: {}", sysctl_name(sysctl.key), value, why);
  };
  if (const auto* holder = holder_of(others.records, sysctl.key); holder != nullptr) {
    return stays(fmt::format("instance {} needs it", holder->profile.name));
  }
  if (!others.damaged.empty()) {
    return stays(fmt::format("instance {} may need it, and its state file is damaged", others.damaged.front()));
  }
  if (is_side_effect(sysctl) && record.phase != Phase::kEnabled) {
    return {};  // a command was cut short between ip_forward and this
  }
  if (value != sysctl.ours && value != sysctl.previous) {
    return stays(fmt::format("somebody set it since enable (it was {}, then ours {})", sysctl.previous, sysctl.ours));
  }
  if (const auto family = switched_by(sysctl.key); family && sysctl.previous == "0" && value != "0") {
    const auto who = who_forwards(*family, record.translations, ruleset);
    return who.empty() ? std::string() : stays(who);
  }
  return {};
}

}  // namespace

std::optional<IpFamily> switched_by(std::string_view key) {
  for (const auto family : kBothFamilies) {
    if (key == traits_of(family).forwarding) {
      return family;
    }
  }
  return std::nullopt;
}

bool is_side_effect(const SavedSysctl& sysctl, IpFamily family) {
  return sysctl.key.starts_with(conf_of(family)) && !switched_by(sysctl.key) &&
         (sysctl.key.ends_with("/forwarding") || sysctl.key.ends_with("/accept_redirects"));
}

const InstanceRecord* holder_of(const std::vector<InstanceRecord>& records, std::string_view key) {
  const auto holder = std::ranges::find_if(
      records, [&](const InstanceRecord& record) { return contains(record.sysctls, key, &SavedSysctl::key); });
  return holder == records.end() ? nullptr : &*holder;
}

Result<SysctlValues> read_sysctls(Kernel& kernel, const std::vector<SysctlSpec>& wanted) {
  SysctlValues values;
  for (const auto& sysctl : wanted) {
    if (values.contains(sysctl.key)) {
      continue;
    }
    auto value = kernel.read_sysctl(sysctl.key);
    if (value) {
      values[sysctl.key] = *std::move(value);
    } else if (value.error().errnum == ENOENT) {
      values[sysctl.key] = std::nullopt;
    } else {
      return std::unexpected(value.error());
    }
  }
  return values;
}

std::vector<SavedSysctl> set_meanwhile(const std::vector<SavedSysctl>& saved, const std::vector<SysctlSpec>& wanted,
                                       const SysctlValues& current, const std::vector<InstanceRecord>& others) {
  std::vector<SavedSysctl> found;
  for (const auto& sysctl : wanted) {
    const auto* holder = holder_of(others, sysctl.key);
    auto held = std::ranges::find(saved, sysctl.key, &SavedSysctl::key);
    if (held == saved.end()) {
      if (holder == nullptr) {
        continue;
      }
      held = std::ranges::find(holder->sysctls, sysctl.key, &SavedSysctl::key);
    }
    const auto value = current.find(sysctl.key);
    if (value != current.end() && value->second && *value->second != sysctl.value && *value->second != held->ours) {
      found.push_back({sysctl.key, *value->second, sysctl.value});
    }
  }
  return found;
}

std::vector<SavedSysctl> adopt(const std::vector<SavedSysctl>& found, std::vector<SavedSysctl>& saved) {
  std::vector<SavedSysctl> adopted;
  for (auto& sysctl : saved) {
    const auto newer = std::ranges::find(found, sysctl.key, &SavedSysctl::key);
    if (newer != found.end() && newer->previous != sysctl.previous) {
      sysctl.previous = newer->previous;
      adopted.push_back(sysctl);
    }
  }
  return adopted;
}

std::vector<SavedSysctl> merge_saved(std::vector<SavedSysctl> saved, const std::vector<SysctlSpec>& wanted,
                                     const SysctlValues& current, const std::vector<InstanceRecord>& others) {
  // An interface that appears while conf/default holds our value is born with it: without us it would have had
  // default's previous one. Which are born later shows in that an earlier round has saved the rest.
  const auto of_default = std::ranges::find(saved, "net/ipv4/conf/default/rp_filter", &SavedSysctl::key);
  const auto inherited = of_default == saved.end() ? std::nullopt : std::optional(*of_default);
  for (const auto& sysctl : wanted) {
    if (const auto held = std::ranges::find(saved, sysctl.key, &SavedSysctl::key); held != saved.end()) {
      held->ours = sysctl.value;
      continue;
    }
    if (const auto* holder = holder_of(others, sysctl.key); holder != nullptr) {
      const auto held = std::ranges::find(holder->sysctls, sysctl.key, &SavedSysctl::key);
      saved.push_back({sysctl.key, held->previous, sysctl.value});
      continue;
    }
    if (const auto value = current.find(sysctl.key); value != current.end() && value->second) {
      const bool born_with_ours = inherited && *value->second == inherited->ours;
      saved.push_back({sysctl.key, born_with_ours ? inherited->previous : *value->second, sysctl.value});
    }
  }
  return saved;
}

Result<std::vector<SavedSysctl>> forwarding_side_effects(Kernel& kernel, IpFamily family,
                                                         const std::vector<Link>& links,
                                                         const std::vector<InstanceRecord>& others) {
  if (const auto* holder = holder_of(others, traits_of(family).forwarding); holder != nullptr) {
    auto found_by_it = holder->sysctls;  // what stands there now is the effect already
    std::erase_if(found_by_it, [&](const SavedSysctl& sysctl) { return !is_side_effect(sysctl, family); });
    return found_by_it;
  }
  const auto conf = conf_of(family);
  std::vector<SysctlSpec> keys{{conf + "default/forwarding", "1"}};
  for (const auto& link : links) {
    keys.emplace_back(conf + link.name.str() + "/forwarding", "1");
  }
  std::vector<SysctlSpec> refusals;
  if (family == IpFamily::kV4) {  // of IPv6's values none but forwarding is touched
    refusals.emplace_back(conf + "all/accept_redirects", "0");
  }
  std::vector<SavedSysctl> saved;
  const auto forwarding = read_sysctls(kernel, keys);
  const auto redirects = read_sysctls(kernel, refusals);
  if (!forwarding || !redirects) {
    return std::unexpected(forwarding ? redirects.error() : forwarding.error());
  }
  for (const auto& [key, value] : *forwarding) {
    if (value == "1") {
      saved.emplace_back(key, "1", "1");
    }
  }
  for (const auto& [key, value] : *redirects) {
    if (value == "0") {
      saved.emplace_back(key, "0", "0");
    }
  }
  return saved;
}

Result<void> put_back_side_effects(Kernel& kernel, const std::vector<SavedSysctl>& saved) {
  Result<void> result;
  const auto write = [&](const std::string& key, const std::string& value) {
    if (auto written = kernel.write_sysctl(key, value); !written && result) {
      result = std::move(written);
    }
  };
  std::vector<SavedSysctl> changed;
  for (const auto& sysctl : saved) {
    const auto value = is_side_effect(sysctl) ? kernel.read_sysctl(sysctl.key) : sysctl.previous;
    if (value && *value != sysctl.previous) {
      changed.push_back(sysctl);
    }
  }
  // One IPv6 interface that forwards is enough for the kernel to forget what all others have learned of routers, but
  // for those with accept_ra=2 (rt6_purge_dflt_routers, net/ipv6/route.c).
  const bool forgets = std::ranges::any_of(
      changed, [](const SavedSysctl& s) { return is_side_effect(s, IpFamily::kV6) && s.previous != "0"; });
  for (const auto& sysctl : saved) {
    if (forgets && is_accept_ra(sysctl.key)) {
      write(sysctl.key, sysctl.ours);
    }
  }
  for (const auto& sysctl : changed) {
    write(sysctl.key, sysctl.previous);
  }
  for (const auto& sysctl : saved) {
    if (forgets && is_accept_ra(sysctl.key)) {
      write(sysctl.key, sysctl.previous);
    }
  }
  return result;
}

bool all_hold(const std::vector<SysctlSpec>& targets, const SysctlValues& current) {
  return std::ranges::all_of(targets, [&](const SysctlSpec& target) {
    const auto found = current.find(target.key);
    return found == current.end() || !found->second || *found->second == target.value;
  });
}

Restoration restoration(const InstanceRecord& record, const SysctlValues& current, const OtherInstances& others,
                        const nft::Ruleset& ruleset) {
  Restoration result;
  for (const auto& sysctl : record.sysctls) {
    const auto found = current.find(sysctl.key);
    if (found == current.end() || !found->second) {
      continue;  // its interface is gone, and the value with it
    }
    if (auto why = why_it_stays(sysctl, *found->second, others, record, ruleset); why.empty()) {
      (is_accept_ra(sysctl.key) ? result.last : result.targets).push_back({sysctl.key, sysctl.previous});
    } else {
      result.notes.emplace_back(std::move(why));
    }
  }
  std::ranges::stable_partition(result.targets, [](const SysctlSpec& s) { return switched_by(s.key).has_value(); });
  return result;
}

}  // namespace smtpegress
