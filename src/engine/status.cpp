#include <fmt/format.h>

#include <algorithm>

#include "engine/open_keys.hpp"
#include "engine/remains.hpp"
#include "engine/survey.hpp"
#include "engine/view.hpp"
#include "model/ownership.hpp"

namespace smtpegress {
namespace {

std::unexpected<Error> not_enabled(const std::string& name) {
  return std::unexpected(Error{.kind = ErrorKind::kNotEnabled,
                               .operation = name,
                               .object = "is not enabled",
                               .errnum = 0,
                               .kernel_text = {},
                               .hint = fmt::format("`smtp-egress enable {}` does that", name)});
}

}  // namespace

Result<EnabledView> view_enabled(Kernel& kernel, const StateStore& store, const DockerNetworks& docker,
                                 const std::string& name, const std::optional<Profile>& fallback) {
  auto stored = stored_state(store, name);
  if (!stored) {
    return std::unexpected(stored.error());
  }
  auto& record = stored->record;
  if (!record && !fallback) {
    return stored->damage ? std::unexpected(*stored->damage) : not_enabled(name);
  }
  OtherInstances others;
  if (!record) {
    auto known = other_instances(store, name);
    if (!known) {
      return std::unexpected(known.error());
    }
    others = *std::move(known);
  }
  const auto closed = record ? record->profile : close_profile(kernel, docker, *fallback, record, others);
  if (!closed) {
    return std::unexpected(closed.error());
  }
  const auto& profile = *closed;
  auto seen = survey(kernel, profile, record ? record->sysctls.saved : std::vector<SavedSysctl>{},
                     record ? std::optional(record->host) : std::nullopt);
  if (!seen) {
    return std::unexpected(seen.error());
  }
  EnabledView view{profile, std::move(record), stored->damage ? stored->damage->message() : "", *std::move(seen), {}};
  DesiredState owned;
  if (view.record) {
    owned = owned_by(*view.record);
  } else {
    owned = remains_of(name, !view.damage.empty(), view.profile, others.records, view.seen.observed);
    const bool stands =
        view.seen.observed.ruleset.has(own_table_key(name)) || !owned.rules.empty() || !owned.routes.empty();
    if (view.damage.empty() && !stands) {
      return not_enabled(name);
    }
  }
  const auto plan = make_plan(view.seen.desired, owned, view.seen.observed, view.seen.sysctls);
  view.findings = inspect(view.seen.desired, view.seen.observed, view.seen.sysctls);
  for (const auto& intruder : plan.foreign) {
    const bool told = std::ranges::any_of(view.findings, [&](const Finding& f) { return f.object == intruder.object; });
    if (!told) {
      view.findings.push_back(intruder);
    }
  }
  for (const auto& change : plan.changes) {
    if (change.verb == Verb::kRemove) {
      view.findings.push_back({change.object, Presence::kChanged, "left over: " + change.reason, change.object, {}});
    }
  }
  return view;
}

Result<std::vector<std::string>> Engine::standing() {
  const auto observed = kernel_.observe();
  if (!observed) {
    return std::unexpected(observed.error());
  }
  std::vector<std::string> names;
  for (const auto& table : observed->ruleset.tables) {
    if (is_own_table(table)) {
      names.push_back(table.name.substr(kTablePrefix.size()));
    }
  }
  return names;
}

bool StatusReport::as_it_should_be() const {
  return problem.empty() &&
         std::ranges::all_of(findings, [](const Finding& f) { return f.presence == Presence::kPresent; });
}

Result<StatusReport> Engine::status(const std::string& name, const std::optional<Profile>& fallback) {
  auto view = view_enabled(kernel_, store_, docker_, name, fallback);
  if (!view) {
    return std::unexpected(view.error());
  }
  StatusReport report{view->profile, std::move(view->findings), {}, {}};
  if (view->seen.unresolved) {
    report.problem = view->seen.unresolved->message();
  }
  if (!view->damage.empty()) {
    report.problem += (report.problem.empty() ? "" : "; ") + view->damage;
  } else if (!view->record) {
    report.notes.emplace_back(
        "its state file is gone, so the previous sysctl values are not known; this is the kernel's view");
  } else if (view->record->phase == Phase::kEnabling) {
    report.notes.push_back(
        fmt::format("an enable was cut short: `{}` completes it, `smtp-egress disable {}` takes it back",
                    enable_command(view->profile), name));
  } else if (view->record->phase == Phase::kDisabling) {
    report.notes.push_back(fmt::format("a disable was cut short: `smtp-egress disable {}` completes it", name));
  }
  return report;
}

}  // namespace smtpegress
