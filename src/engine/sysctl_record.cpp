#include "engine/sysctl_record.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "engine/forwarding_users.hpp"
#include "model/families.hpp"
#include "model/sysctl_keys.hpp"
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

/// Why a value stays; empty where it goes back.
struct Reason {
  std::string text;
  bool for_forgotten = false;  ///< only as nobody knows what an instance without a record needs
};

Reason why_it_stays(const SavedSysctl& sysctl, const std::string& value, const OtherInstances& others,
                    const InstanceRecord& record, const nft::Ruleset& ruleset) {
  if (value == sysctl.ours && sysctl.previous == sysctl.ours) {
    return {};  // unchanged so far; a side effect of ip_forward may yet change it
  }
  const auto stays = [&](const std::string& why) {
    return fmt::format("{} stays {}: {}", sysctl_name(sysctl.key), value, why);
  };
  const auto holder = std::ranges::find_if(
      others.records, [&](const InstanceRecord& other) { return other.sysctls.find(sysctl.key) != nullptr; });
  if (holder != others.records.end()) {
    return {stays(fmt::format("instance {} needs it", holder->profile.name))};
  }
  if (!others.damaged.empty()) {
    return {stays(fmt::format("instance {} may need it, and its state file is damaged", others.damaged.front())), true};
  }
  if (const auto names = forgotten_instances(record.profile.name, others.records, ruleset); !names.empty()) {
    return {stays(fmt::format("instance {} may need it, and its state file is gone", names.front())), true};
  }
  if (is_side_effect(sysctl) && record.phase != Phase::kEnabled) {
    return {};  // a command was cut short between ip_forward and this
  }
  if (value != sysctl.ours && value != sysctl.previous) {
    return {stays(fmt::format("somebody set it since enable (it was {}, then ours {})", sysctl.previous, sysctl.ours))};
  }
  if (const auto family = switched_by(sysctl.key); family && sysctl.previous == "0" && value != "0") {
    const auto who = who_forwards(*family, record.sysctls.translations, ruleset);
    return who.empty() ? Reason{} : Reason{stays(who)};
  }
  return {};
}

/// Of conf/default's rp_filter: what interfaces made since would have had without us.
struct Inheritance {
  SavedSysctl value;
  std::vector<int> links;  ///< that stood before

  bool made(const std::string& key, const std::string& found, const std::vector<Link>& now) const {
    const auto link = std::ranges::find_if(now, [&](const Link& l) { return key == rp_filter_key(l.name.str()); });
    return found == value.ours && link != now.end() && !contains(links, link->index);
  }
};

std::optional<Inheritance> inheritance(const SysctlRecord& own, const OtherInstances& others) {
  const auto key = rp_filter_key("default");
  for (const auto* record : {&own, others.remembers(key)}) {
    if (const auto* found = record != nullptr ? record->find(key) : nullptr; found != nullptr) {
      return Inheritance{*found, record->links};
    }
  }
  return std::nullopt;
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
  return sysctl.key.starts_with(traits_of(family).conf) && !switched_by(sysctl.key) &&
         (sysctl.key.ends_with("/forwarding") || sysctl.key.ends_with("/accept_redirects"));
}
bool is_side_effect(const SavedSysctl& sysctl) {
  return is_side_effect(sysctl, IpFamily::kV4) || is_side_effect(sysctl, IpFamily::kV6);
}

bool switches_forwarding(const SysctlRecord& record, IpFamily family) {
  return std::ranges::any_of(record.saved, [&](const SavedSysctl& s) {
    return s.key == traits_of(family).forwarding && s.previous != s.ours;
  });
}

std::vector<SysctlSpec> as_we_set_them(const std::vector<SavedSysctl>& saved) {
  std::vector<SysctlSpec> sysctls;
  sysctls.reserve(saved.size());
  for (const auto& sysctl : saved) {
    sysctls.push_back({sysctl.key, sysctl.ours});
  }
  return sysctls;
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

std::vector<SavedSysctl> set_meanwhile(const SysctlRecord& record, const std::vector<SysctlSpec>& wanted,
                                       const SysctlValues& current, const OtherInstances& others) {
  std::vector<SavedSysctl> found;
  for (const auto& sysctl : wanted) {
    const auto* own = record.find(sysctl.key);
    const auto* other = others.remembers(sysctl.key);
    const auto* held = own != nullptr ? own : other != nullptr ? other->find(sysctl.key) : nullptr;
    if (held == nullptr) {
      continue;
    }
    const auto value = current.find(sysctl.key);
    if (value != current.end() && value->second && *value->second != sysctl.value && *value->second != held->ours) {
      found.push_back({sysctl.key, *value->second, sysctl.value});
    }
  }
  return found;
}

std::vector<SavedSysctl> adopt(const std::vector<SavedSysctl>& found, SysctlRecord& record) {
  std::vector<SavedSysctl> adopted;
  for (auto& sysctl : record.saved) {
    const auto newer = std::ranges::find(found, sysctl.key, &SavedSysctl::key);
    if (newer != found.end() && newer->previous != sysctl.previous) {
      sysctl.previous = newer->previous;
      adopted.push_back(sysctl);
    }
  }
  return adopted;
}

SysctlRecord merge_saved(SysctlRecord record, const std::vector<SysctlSpec>& wanted, const SysctlValues& current,
                         const std::vector<Link>& links, const OtherInstances& others) {
  const auto inherited = inheritance(record, others);
  for (const auto& sysctl : wanted) {
    if (const auto held = std::ranges::find(record.saved, sysctl.key, &SavedSysctl::key); held != record.saved.end()) {
      held->ours = sysctl.value;
      continue;
    }
    const bool is_default = sysctl.key == rp_filter_key("default");
    if (const auto* other = others.remembers(sysctl.key); other != nullptr) {
      record.saved.push_back({sysctl.key, other->find(sysctl.key)->previous, sysctl.value});
      if (is_default) {
        record.links = other->links;
      }
      continue;
    }
    if (const auto value = current.find(sysctl.key); value != current.end() && value->second) {
      const bool born_with_ours = inherited && inherited->made(sysctl.key, *value->second, links);
      record.saved.push_back({sysctl.key, born_with_ours ? inherited->value.previous : *value->second, sysctl.value});
      if (is_default) {
        record.links.clear();
        std::ranges::transform(links, std::back_inserter(record.links), &Link::index);
      }
    }
  }
  return record;
}

void take_over(const SysctlRecord& left, SysctlRecord& record) {
  for (const auto& sysctl : left.saved) {
    if (record.find(sysctl.key) != nullptr) {
      continue;
    }
    record.saved.push_back(sysctl);
    if (switched_by(sysctl.key)) {
      record.translations = left.translations;
    }
    if (sysctl.key == rp_filter_key("default")) {
      record.links = left.links;
    }
  }
}

Result<std::vector<SavedSysctl>> forwarding_side_effects(Kernel& kernel, IpFamily family,
                                                         const std::vector<Link>& links) {
  const std::string conf(traits_of(family).conf);
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

void remember_switching(IpFamily family, const std::vector<SavedSysctl>& side_effects,
                        const std::vector<std::string>& translations, SysctlRecord& record) {
  std::erase_if(record.saved, [&](const SavedSysctl& sysctl) { return is_side_effect(sysctl, family); });
  record.saved.insert(record.saved.end(), side_effects.begin(), side_effects.end());
  const auto of_other =
      nft::to_string(nft::TableKey{traits_of(family == IpFamily::kV4 ? IpFamily::kV6 : IpFamily::kV4).tables, {}});
  std::erase_if(record.translations, [&](const std::string& line) { return !line.starts_with(of_other); });
  std::vector<std::string> all;
  std::ranges::set_union(record.translations, translations, std::back_inserter(all));
  record.translations = std::move(all);
}

void remember_switching(IpFamily family, const SysctlRecord& other, SysctlRecord& record) {
  auto side_effects = other.saved;
  std::erase_if(side_effects, [&](const SavedSysctl& sysctl) { return !is_side_effect(sysctl, family); });
  remember_switching(family, side_effects, other.translations, record);
}

Result<void> put_back_side_effects(Kernel& kernel, const std::vector<SavedSysctl>& side_effects,
                                   const SysctlRecord& all) {
  Result<void> result;
  const auto write = [&](const std::string& key, const std::string& value) {
    if (auto written = kernel.write_sysctl(key, value); !written && result) {
      result = std::move(written);
    }
  };
  std::vector<SavedSysctl> changed;
  for (const auto& sysctl : side_effects) {
    if (const auto value = kernel.read_sysctl(sysctl.key); value && *value != sysctl.previous) {
      changed.push_back(sysctl);
    }
  }
  // One IPv6 interface that forwards is enough for the kernel to forget what all others have learned of routers, but
  // for those with accept_ra=2 (rt6_purge_dflt_routers, net/ipv6/route.c).
  std::vector<SysctlSpec> meanwhile;
  const bool forgets = std::ranges::any_of(
      changed, [](const SavedSysctl& s) { return is_side_effect(s, IpFamily::kV6) && s.previous != "0"; });
  for (const auto& sysctl : all.saved) {
    const auto value = forgets && is_accept_ra(sysctl.key) ? kernel.read_sysctl(sysctl.key) : sysctl.ours;
    if (value && *value != sysctl.ours) {
      meanwhile.push_back({sysctl.key, *value});
      write(sysctl.key, sysctl.ours);
    }
  }
  for (const auto& sysctl : changed) {
    write(sysctl.key, sysctl.previous);
  }
  for (const auto& sysctl : meanwhile) {
    write(sysctl.key, sysctl.value);
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
  for (const auto& sysctl : record.sysctls.saved) {
    const auto found = current.find(sysctl.key);
    if (found == current.end() || !found->second) {
      continue;  // its interface is gone, and the value with it
    }
    auto why = why_it_stays(sysctl, *found->second, others, record, ruleset);
    if (why.text.empty()) {
      (is_accept_ra(sysctl.key) ? result.last : result.targets).push_back({sysctl.key, sysctl.previous});
      continue;
    }
    result.notes.emplace_back(std::move(why.text));
    if (why.for_forgotten) {
      result.left.saved.push_back(sysctl);
    }
  }
  if (!result.left.saved.empty()) {
    for (const auto family : kBothFamilies) {
      remember_switching(family, record.sysctls, result.left);
    }
    result.left.links = record.sysctls.links;
  }
  std::ranges::stable_partition(result.targets, [](const SysctlSpec& s) { return switched_by(s.key).has_value(); });
  return result;
}

}  // namespace smtpegress
