#include <fmt/format.h>

#include "engine/flows.hpp"
#include "engine/survey.hpp"
#include "engine/sysctl_record.hpp"
#include "engine/transaction.hpp"

namespace smtpegress {
namespace {

constexpr int kMaxRounds = 20;  // as in enable

Result<SysctlValues> read_saved(Kernel& kernel, const std::vector<SavedSysctl>& saved) {
  std::vector<SysctlSpec> keys;
  keys.reserve(saved.size());
  for (const auto& sysctl : saved) {
    keys.push_back({sysctl.key, sysctl.ours});
  }
  return read_sysctls(kernel, keys);
}

/// One disable, from the first look to the last.
class Disabling {
 public:
  Disabling(Kernel& kernel, StateStore& store, InstanceRecord record)
      : kernel_(kernel), store_(store), record_(std::move(record)), transaction_(kernel) {}

  Result<ApplyReport> run() {
    report_.profile = record_.profile;
    const auto before = record_;
    auto result = go();
    if (result) {
      return result;
    }
    auto error = result.error();
    transaction_.roll_back_after(error);
    if (record_ != before) {
      if (auto saved = store_.save(before); !saved) {
        error.hint += "; " + saved.error().message();
      }
    }
    return std::unexpected(std::move(error));
  }

 private:
  Result<ApplyReport> go() {
    const auto owned = owned_by(record_);
    DesiredState nothing;
    nothing.instance = record_.profile.name;
    for (int round = 0; round < kMaxRounds; ++round) {
      auto observed = kernel_.observe();
      if (!observed) {
        return std::unexpected(observed.error());
      }
      transaction_.settle(observed->ruleset);
      auto values = read_saved(kernel_, record_.sysctls);
      if (!values) {
        return std::unexpected(values.error());
      }
      if (round == 0) {
        if (auto begun = begin(*observed, *values, nothing); !begun) {
          return std::unexpected(begun.error());
        }
      }
      const auto plan = make_plan(nothing, owned, *observed, *values);
      if (plan.empty()) {
        return finish();
      }
      if (record_.phase != Phase::kDisabling) {
        record_.phase = Phase::kDisabling;
        if (auto saved = store_.save(record_); !saved) {
          return std::unexpected(saved.error());
        }
      }
      auto made = transaction_.run(plan, observed->ruleset);
      if (!made && made.error().kind != ErrorKind::kStale) {
        return std::unexpected(made.error());
      }
    }
    return std::unexpected(
        Error{.kind = ErrorKind::kKernel,
              .operation = "disable",
              .object = record_.profile.name,
              .errnum = 0,
              .kernel_text = {},
              .hint = fmt::format("another program kept changing the same objects, {} times over", kMaxRounds)});
  }

  /// Decides once what goes back to what; later rounds must not take our own writes for somebody else's.
  Result<void> begin(const ObservedState& observed, const SysctlValues& values, DesiredState& nothing) {
    report_.host = resolve_host(record_.profile, observed).value_or(record_.host);
    auto others = other_records(store_, record_.profile.name);
    if (!others) {
      return std::unexpected(others.error());
    }
    auto restore = restoration(record_.sysctls, values, *others, observed.ruleset);
    nothing.sysctls = std::move(restore.targets);
    report_.notes = std::move(restore.notes);
    return {};
  }

  Result<ApplyReport> finish() {
    report_.changes = transaction_.done();
    if (!report_.changes.empty()) {
      if (auto dropped = drop_stale_flows(kernel_, record_.profile, report_.host, PathChange::kOffTunnel); dropped) {
        report_.flows_dropped = *dropped;
      } else {
        report_.notes.push_back("open flows of the tunnel's path could not be dropped: " + dropped.error().message());
      }
    }
    if (auto removed = store_.remove(record_.profile.name); !removed) {
      return std::unexpected(removed.error());
    }
    return report_;
  }

  Kernel& kernel_;
  StateStore& store_;
  InstanceRecord record_;
  Transaction transaction_;
  ApplyReport report_;
};

}  // namespace

Result<ApplyReport> Engine::disable(const std::string& name, const std::optional<Profile>& fallback) {
  const auto lock = store_.lock();
  if (!lock) {
    return std::unexpected(lock.error());
  }
  auto record = store_.load(name);
  if (!record) {
    return std::unexpected(record.error());
  }
  const bool was_enabled = record->has_value();
  if (!was_enabled && !fallback) {
    return usage_error("disable", name, "is neither enabled nor a known profile; `smtp-egress profiles` lists those");
  }
  auto report =
      Disabling(kernel_, store_, was_enabled ? **std::move(record) : InstanceRecord{*fallback, {}, Phase::kEnabled, {}})
          .run();
  if (report) {
    report->was_enabled = was_enabled || !report->changes.empty();
  }
  return report;
}

}  // namespace smtpegress
