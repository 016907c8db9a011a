#include "engine/sysctl_record.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "engine/forwarding_users.hpp"
#include "net/contains.hpp"

namespace smtpegress {
namespace {

/// Empty where forwarding can be switched off again.
std::string who_forwards(const std::vector<std::string>& before, const nft::Ruleset& ruleset) {
  if (docker_forwards(ruleset)) {
    return "Docker is set up here and needs it";
  }
  std::vector<std::string> since;
  std::ranges::set_difference(source_translations(ruleset), before, std::back_inserter(since));
  return since.empty() ? std::string() : "made since enable, and needs it: " + since.front();
}

/// Not what we set: switching ip_forward sets it.
bool is_side_effect(const SavedSysctl& sysctl) {
  return sysctl.key.ends_with("/forwarding") || sysctl.key.ends_with("/accept_redirects");
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
  if (sysctl.key == kIpForward && sysctl.previous == "0" && value != "0") {
    const auto who = who_forwards(record.translations, ruleset);
    return who.empty() ? std::string() : stays(who);
  }
  return {};
}

}  // namespace

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

Result<std::vector<SavedSysctl>> forwarding_side_effects(Kernel& kernel, const std::vector<Link>& links,
                                                         const std::vector<InstanceRecord>& others) {
  if (const auto* holder = holder_of(others, kIpForward); holder != nullptr) {
    auto found_by_it = holder->sysctls;  // what stands there now is the effect already
    std::erase_if(found_by_it, [](const SavedSysctl& sysctl) { return !is_side_effect(sysctl); });
    return found_by_it;
  }
  std::vector<SysctlSpec> keys{{"net/ipv4/conf/default/forwarding", "1"}};
  for (const auto& link : links) {
    keys.emplace_back("net/ipv4/conf/" + link.name.str() + "/forwarding", "1");
  }
  std::vector<SavedSysctl> saved;
  const auto forwarding = read_sysctls(kernel, keys);
  const auto redirects = read_sysctls(kernel, {{"net/ipv4/conf/all/accept_redirects", "0"}});
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
  for (const auto& sysctl : saved) {
    const auto value = is_side_effect(sysctl) ? kernel.read_sysctl(sysctl.key) : sysctl.previous;
    if (value && *value != sysctl.previous) {
      if (auto written = kernel.write_sysctl(sysctl.key, sysctl.previous); !written && result) {
        result = std::move(written);
      }
    }
  }
  return result;
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
      result.targets.push_back({sysctl.key, sysctl.previous});
    } else {
      result.notes.emplace_back(std::move(why));
    }
  }
  std::ranges::stable_partition(result.targets, [](const SysctlSpec& s) { return s.key == kIpForward; });
  return result;
}

}  // namespace smtpegress
