#include "engine/refusals.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "model/host_senders.hpp"
#include "model/tenants.hpp"
#include "net/contains.hpp"

namespace smtpegress {
namespace {

bool share_mail(const Profile& a, const Profile& b) {
  const NetworkIndex sources(a.sources);
  const auto shares_ports = [&](const PortRange& ports) {
    return std::ranges::any_of(b.ports, [&](const PortRange& other) { return ports.overlaps(other); });
  };
  const auto is_own_of = [](const Profile& profile, const Profile& other) {
    return std::ranges::any_of(own_addresses(profile), [&](const IpAddress& address) {
      return contains(own_addresses(other), address) || contains(other.sources, Prefix::of(address));
    });
  };
  const bool share_user = std::ranges::any_of(a.host_senders, [&](const HostSender& left) {
    return std::ranges::any_of(b.host_senders, [&](const HostSender& right) {
      return left.who != HostSender::Who::kAddress && left.who == right.who && left.uid == right.uid;
    });
  });
  const bool share_address = a.side == b.side && (is_own_of(a, b) || is_own_of(b, a));
  const bool share_source =
      std::ranges::any_of(b.sources, [&](const Prefix& source) { return sources.overlapping(source).has_value(); });
  return (share_source || share_address || share_user) && std::ranges::any_of(a.ports, shares_ports);
}

/// What a person calls it, and which settings choose another.
std::pair<std::string_view, std::string_view> words_for(const Object& object) {
  if (std::holds_alternative<PolicyRule>(object)) {
    return {"policy rule", "priority=…, --set table=… or --set mark=… (auto: what is free)"};
  }
  if (std::holds_alternative<LinkSpec>(object)) {
    return {"interface", "tunnel=… or --set inner.port=…"};
  }
  return std::holds_alternative<Route>(object) ? std::pair("route", "table=…") : std::pair("rule", "mark=…");
}

}  // namespace

Error in_the_way(const Finding& finding) {
  const auto& object = finding.current.value_or(finding.object);
  const auto [name, settings] = words_for(object);
  const auto* route = std::get_if<Route>(&object);
  const bool in_main = route != nullptr && route->table == kMainTable;  // there is no other to choose
  return Error{.kind = ErrorKind::kUsage,
               .operation = "enable: in the way is",
               .object = fmt::format("{} {}", name, describe(object)),
               .errnum = 0,
               .kernel_text = {},
               .hint = fmt::format("{}; remove it{}. Nothing was changed", finding.detail,
                                   in_main ? "" : fmt::format(", or choose another with --set {}", settings))};
}

Error scripts_in_the_way(const std::vector<Object>& legacy) {
  return Error{
      .kind = ErrorKind::kUsage,
      .operation = "enable:",
      .object = "the shell scripts' set-up is active on this host",
      .errnum = 0,
      .kernel_text = {},
      .hint = fmt::format("{} objects, such as {}; `smtp-egress enable … --take-over` replaces them without a gap, "
                          "`smtp-egress plan … --take-over` shows how. Nothing was changed",
                          legacy.size(), describe(legacy.front()))};
}

Result<void> refuse_collision(const Profile& profile, const OtherInstances& others) {
  if (!others.damaged.empty()) {
    const auto& other = others.damaged.front();
    return usage_error("enable:", fmt::format("instance {}", other),
                       fmt::format("has a damaged state file, so that what it uses is not known; `smtp-egress disable "
                                   "{}` first. Nothing was changed",
                                   other));
  }
  for (const auto& record : others.records) {
    const auto& other = record.profile;
    std::string what;
    std::string mend;
    if (share_mail(profile, other)) {
      what = "the same sources and ports";
      mend = "give each instance its own, or disable that one first";
    } else if (profile.side == Side::kHome && other.side == Side::kHome) {
      if (profile.table == other.table) {
        what = fmt::format("table {} too", profile.table.value);
        mend = "choose another with --set table=…";
      } else if (profile.priority == other.priority) {
        what = fmt::format("priority {} too", profile.priority.value);
        mend = "choose another with --set priority=…";
      } else if (profile.mark.is_taken_for(other.mark)) {
        what = fmt::format("mark {}, which {} cannot be told from", other.mark.to_string(), profile.mark.to_string());
        mend = "choose another with --set mark=…";
      }
    }
    if (!what.empty()) {
      return usage_error("enable:", fmt::format("instance {}", other.name),
                         fmt::format("has {}; {}. Nothing was changed", what, mend));
    }
  }
  return {};
}

}  // namespace smtpegress
