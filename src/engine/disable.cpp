#include <fmt/format.h>

#include <algorithm>

#include "engine/flows.hpp"
#include "engine/named_sources.hpp"
#include "engine/remains.hpp"
#include "engine/survey.hpp"
#include "engine/sysctl_record.hpp"
#include "engine/transaction.hpp"
#include "model/sysctl_keys.hpp"
#include "net/contains.hpp"

namespace smtpegress {
namespace {

constexpr std::string_view kSysctlsStay =
    "what the sysctls were before enable is not known, so they stay as they are (net.ipv4.ip_forward, rp_filter)";

constexpr std::string_view kSysctlsOfOthers =
    "what the sysctls were is known from an instance that was disabled before";

/// What is to be disabled, and what there is to go by.
struct Target {
  std::string name;
  std::optional<InstanceRecord> record;  ///< none: the state file is lost, damaged or of an earlier boot
  bool damaged = false;
  std::optional<Profile> file;  ///< the profile of this name, where the record is none
};

InstanceRecord stand_in(const Target& target) {
  InstanceRecord record;
  record.phase = Phase::kEnabled;
  if (target.file) {
    record.profile = *target.file;
  }
  record.profile.name = target.name;
  return record;
}

/// One disable, from the first look to the last.
class Disabling {
 public:
  Disabling(Kernel& kernel, StateStore& store, Target target)
      : kernel_(kernel),
        store_(store),
        target_(std::move(target)),
        record_(target_.record ? *target_.record : stand_in(target_)),
        cut_short_(record_.phase != Phase::kEnabled),
        transaction_(kernel) {}

  Result<ApplyReport> run() {
    report_.profile = record_.profile;
    const auto before = record_;
    auto result = go();
    if (result) {
      return result;
    }
    auto error = result.error();
    if (!transaction_.roll_back_after(error)) {  // the record on disk says that a disable is under way
      error.hint += fmt::format("; `smtp-egress disable {}` once more takes away the rest", target_.name);
      return std::unexpected(std::move(error));
    }
    if (target_.record && record_ != before) {
      if (auto saved = store_.save(before); !saved) {
        error.hint += (error.hint.empty() ? "" : "; ") + saved.error().message();
      }
    }
    return std::unexpected(std::move(error));
  }

 private:
  Result<ApplyReport> go() {
    DesiredState nothing;
    nothing.instance = record_.profile.name;
    DesiredState owned;
    auto others = other_instances(store_, record_.profile.name);
    if (!others) {
      return std::unexpected(others.error());
    }
    others_ = *std::move(others);
    // It goes back with what this one saved, unless it stays for the same reason again.
    take_over(others_.left, record_.sysctls);
    for (int round = 0; round < kMostRounds; ++round) {
      auto observed = kernel_.observe();
      if (!observed) {
        return std::unexpected(observed.error());
      }
      transaction_.settle(*observed);
      auto values = read_sysctls(kernel_, as_we_set_them(record_.sysctls.saved));
      if (!values) {
        return std::unexpected(values.error());
      }
      if (round == 0) {
        begin(*observed, *values, nothing, owned);
      }
      const auto plan = make_plan(nothing, owned, *observed, *values);
      if (plan.empty() && last_.empty()) {
        return finish();
      }
      if (plan.empty()) {
        nothing.sysctls.insert(nothing.sysctls.end(), last_.begin(), last_.end());
        last_.clear();
        continue;
      }
      if (target_.record && record_.phase != Phase::kDisabling) {
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
    return std::unexpected(kept_changing("disable", record_.profile.name));
  }

  /// Decides once what goes, and what goes back to what; later rounds must not take our own writes for somebody else's.
  void begin(const ObservedState& observed, const SysctlValues& values, DesiredState& nothing, DesiredState& owned) {
    report_.host = resolve_host(record_.profile, observed).value_or(record_.host);
    owned = target_.record ? owned_by(record_)
                           : remains_of(target_.name, target_.damaged, target_.file, others_.records, observed);
    auto restore = restoration(record_, values, others_, observed.ruleset);
    nothing.sysctls = std::move(restore.targets);
    last_ = std::move(restore.last);
    report_.notes = std::move(restore.notes);
    left_ = std::move(restore.left);
  }

  Result<ApplyReport> finish() {
    report_.changes = transaction_.done();
    if (!report_.changes.empty() || cut_short_) {
      if (auto dropped = drop_stale_flows(kernel_, record_.profile, report_.host, PathChange::kOffTunnel); dropped) {
        report_.flows_dropped = *dropped;
      } else {
        report_.notes.push_back("open flows of the tunnel's path could not be dropped: " + dropped.error().message());
      }
    }
    if (auto cleared = clear_state(); !cleared) {
      return std::unexpected(cleared.error());
    }
    return report_;
  }

  Result<void> clear_state() {
    if (left_ != others_.left) {
      if (auto saved = store_.save_left(left_); !saved) {
        return saved;
      }
    }
    const auto sysctls = record_.sysctls.saved.empty() ? kSysctlsStay : kSysctlsOfOthers;
    if (!target_.damaged) {
      if (!target_.record && !report_.changes.empty()) {
        report_.notes.push_back(fmt::format("its state file was gone: {}", sysctls));
      }
      return store_.remove(target_.name);
    }
    const auto moved = store_.set_aside(target_.name);
    if (!moved) {
      return std::unexpected(moved.error());
    }
    report_.notes.push_back(fmt::format("its state file was damaged, and is now {}: {}", *moved, sysctls));
    return {};
  }

  Kernel& kernel_;
  StateStore& store_;
  Target target_;
  InstanceRecord record_;
  OtherInstances others_;
  SysctlRecord left_;  ///< what stays for an instance that no record tells of
  bool cut_short_;     ///< the command before this one: it may have changed all, and not come to the flows
  Transaction transaction_;
  std::vector<SysctlSpec> last_;  ///< to go back when all else has
  ApplyReport report_;
};

}  // namespace

Result<ApplyReport> Engine::disable(const std::string& name, const std::optional<Profile>& fallback) {
  const auto lock = store_.lock();
  if (!lock) {
    return std::unexpected(lock.error());
  }
  auto stored = stored_state(store_, name);
  if (!stored) {
    return std::unexpected(stored.error());
  }
  auto instead = fallback;
  if (fallback && !stored->record) {
    // What cannot be found of the sources is not missed: what stands tells by its mark.
    instead = resolve_named_sources(kernel_, docker_, *fallback).value_or(*fallback);
  }
  Target target{name, std::move(stored->record), stored->damage.has_value(), std::move(instead)};
  const bool was_enabled = target.record || target.damaged;
  if (!was_enabled && !fallback) {
    const auto names = standing();
    if (!names) {
      return std::unexpected(names.error());
    }
    if (!contains(*names, name)) {
      return usage_error("disable", name, "is neither enabled nor a known profile; `smtp-egress profiles` lists those");
    }
  }
  auto report = Disabling(kernel_, store_, std::move(target)).run();
  if (report) {
    report->was_enabled = was_enabled || !report->changes.empty();
  }
  return report;
}

}  // namespace smtpegress
