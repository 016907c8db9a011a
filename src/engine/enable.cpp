#include <fmt/format.h>

#include <algorithm>
#include <ranges>
#include <utility>

#include "engine/flows.hpp"
#include "engine/forwarding_users.hpp"
#include "engine/open_keys.hpp"
#include "engine/refusals.hpp"
#include "engine/remains.hpp"
#include "engine/survey.hpp"
#include "engine/sysctl_record.hpp"
#include "engine/transaction.hpp"
#include "model/families.hpp"
#include "model/lower.hpp"
#include "model/ownership.hpp"
#include "model/sysctl_keys.hpp"
#include "net/contains.hpp"

namespace smtpegress {
namespace {

/// One enable, from the first look to the last.
class Enabling {
 public:
  Enabling(Kernel& kernel, StateStore& store, const DockerNetworks& docker, Profile profile, LegacyScripts legacy)
      : kernel_(kernel),
        store_(store),
        docker_(docker),
        profile_(std::move(profile)),
        legacy_(legacy),
        transaction_(kernel) {}

  Result<ApplyReport> run() {
    if (auto loaded = load(); !loaded) {
      return std::unexpected(loaded.error());
    }
    for (int round = 0; round < kMostRounds; ++round) {
      has_looked_ = false;
      const auto more = once(round == 0);
      if (!more && complete_ && !has_looked_) {
        report_.notes.push_back("everything was made, but could not be looked at once more: " + more.error().message());
        return finish();
      }
      if (!more) {
        return fail(more.error());
      }
      if (!*more) {
        return finish();
      }
    }
    return fail(kept_changing("enable", profile_.name));
  }

 private:
  Result<void> load() {
    auto stored = stored_state(store_, profile_.name);
    if (!stored) {
      return std::unexpected(stored.error());
    }
    before_ = std::move(stored->record);
    damaged_ = stored->damage.has_value();
    auto others = other_instances(store_, profile_.name);
    if (!others) {
      return std::unexpected(others.error());
    }
    others_ = *std::move(others);
    auto closed = close_profile(kernel_, docker_, profile_, before_, others_);
    if (!closed) {
      return std::unexpected(closed.error());
    }
    if (!before_ && profile_.open.any()) {
      report_.notes.push_back("free here, and taken: " + to_text(*closed, profile_.open));
    }
    profile_ = *std::move(closed);
    if (auto apart = refuse_collision(profile_, others_); !apart) {
      return apart;
    }
    record_.profile = profile_;
    if (before_) {
      record_.host = before_->host;
      record_.sysctls = before_->sysctls;
      record_.former = before_->former;
      record_.former.push_back(before_->profile);
      std::erase_if(record_.former, [&](const Profile& former) { return say_the_same(former, profile_); });
      if (!say_the_same(before_->profile, profile_)) {
        note_other_words(before_->profile);
      }
    }
    owned_ = owned_by(record_);
    report_.profile = profile_;
    report_.was_enabled = before_.has_value();
    return {};
  }

  /// A person who left an option out by mistake sees it here.
  void note_other_words(const Profile& before) {
    const auto was = enable_command(before);
    if (was != enable_command(profile_)) {
      report_.notes.push_back(fmt::format("before this it was enabled as `{}`, which is no longer so", was));
    }
  }

  /// An earlier enable of which the state tells nothing: what it left stands to be replaced, and is no intruder.
  void own_remains(const Survey& seen) {
    forgotten_ = damaged_ || seen.observed.ruleset.has(own_table_key(profile_.name));
    const auto remains = remains_of(profile_.name, damaged_, profile_, others_.records, seen.observed);
    owned_.rules.insert(owned_.rules.end(), remains.rules.begin(), remains.rules.end());
    owned_.routes.insert(owned_.routes.end(), remains.routes.begin(), remains.routes.end());
  }

  /// True: changes were made or refused as stale, so look again. False: the host is as it should be.
  Result<bool> once(bool is_first) {
    auto seen = survey_to_enable(kernel_, profile_, before_, record_.sysctls.saved);
    if (!seen) {
      return std::unexpected(seen.error());
    }
    has_looked_ = true;
    transaction_.settle(seen->observed);
    if (is_first && !before_) {
      own_remains(*seen);
    }
    if (!seen->legacy.empty() && legacy_ == LegacyScripts::kRefuse) {
      return std::unexpected(scripts_in_the_way(seen->legacy));
    }
    auto wanted = seen->desired.sysctls;
    for (const auto& link : seen->desired.links) {  // made with it, they go with it
      std::erase_if(wanted, [&](const SysctlSpec& sysctl) { return is_of_interface(sysctl.key, link.name.str()); });
    }
    released_ = add_unwanted_sysctls(record_, others_, *seen);
    const auto plan = make_plan(seen->desired, owned_, seen->observed, seen->sysctls, seen->legacy);
    if (!plan.foreign.empty()) {
      return std::unexpected(in_the_way(plan.foreign.front()));
    }
    report_.host = seen->host;
    record_.host = seen->host;
    report_.waiting = plan.waiting;
    left_off_ = seen->left_off;
    closed_ = closed_tables(profile_, seen->host, seen->observed.ruleset);
    if (auto remembered = remember_sysctls(*seen, wanted); !remembered) {
      return std::unexpected(remembered.error());
    }
    if (plan.empty()) {
      return false;
    }
    if (auto written = write_ahead(); !written) {
      return std::unexpected(written.error());
    }
    complete_ = false;
    auto made = transaction_.run(plan, seen->observed.ruleset);
    complete_ = made.has_value();
    if (!made && made.error().kind != ErrorKind::kStale) {
      return std::unexpected(made.error());
    }
    return true;
  }

  /// What the sysctls are before anything of this round is made.
  Result<void> remember_sysctls(const Survey& seen, const std::vector<SysctlSpec>& wanted) {
    const auto before = record_.sysctls;
    found_ = set_meanwhile(record_.sysctls, wanted, seen.sysctls, others_);
    record_.sysctls = merge_saved(record_.sysctls, wanted, seen.sysctls, seen.observed.links, others_);
    const auto adopted = adopt(found_, record_.sysctls);
    adopted_.insert(adopted_.end(), adopted.begin(), adopted.end());
    for (const auto family : kBothFamilies) {
      const auto key = std::string(traits_of(family).forwarding);
      if (!contains(wanted, key, &SysctlSpec::key) || !switches_forwarding(record_.sysctls, family)) {
        continue;
      }
      if (seen.sysctls.at(key) != "1") {
        if (auto remembered = remember_switching_now(seen, family); !remembered) {
          return remembered;
        }
      } else if (const auto* other = others_.remembers(key); other != nullptr && !switches_forwarding(before, family)) {
        remember_switching(family, *other, record_.sysctls);  // what stands there now is the effect already
      }
    }
    return {};
  }

  Result<void> remember_switching_now(const Survey& seen, IpFamily family) {
    auto side_effects = forwarding_side_effects(kernel_, family, seen.observed.links);
    if (!side_effects) {
      return std::unexpected(side_effects.error());
    }
    auto remembered = *side_effects;
    if (before_ && before_->phase != Phase::kEnabled) {
      // A disable that was cut short may have switched it already, and so undone what is to go back at last.
      for (const auto& known : record_.sysctls.saved) {
        if (is_side_effect(known, family) && !contains(remembered, known.key, &SavedSysctl::key)) {
          remembered.push_back(known);
        }
      }
    }
    remember_switching(family, remembered, source_translations(seen.observed.ruleset, family), record_.sysctls);
    side_effects_[family] = *std::move(side_effects);
    return {};
  }

  Result<void> write_ahead() {
    if (written_ != record_) {
      written_ = record_;
      if (auto saved = save(); !saved) {
        return saved;
      }
    }
    return tell_others();
  }

  /// In the place of a damaged state file not before that is kept under another name.
  Result<void> save() {
    if (damaged_ && moved_to_.empty()) {
      auto moved = store_.set_aside(profile_.name);
      if (!moved) {
        return std::unexpected(moved.error());
      }
      moved_to_ = *std::move(moved);
    }
    return store_.save(record_);
  }

  /// Whichever instance is the last one out puts the values back, so each that holds them has to know them.
  Result<void> tell_others() {
    for (auto& other : others_.records) {
      const auto before = other;
      adopt(found_, other.sysctls);
      for (const auto family : kBothFamilies) {
        if (side_effects_[family] && switches_forwarding(other.sysctls, family)) {
          remember_switching(family, record_.sysctls, other.sysctls);
        }
      }
      if (other != before) {
        others_before_.push_back(before);
        if (auto saved = store_.save(other); !saved) {
          return saved;
        }
      }
    }
    return {};
  }

  Result<ApplyReport> fail(const Error& error) {
    auto told = error;
    if (!transaction_.roll_back_after(told)) {
      told.hint += fmt::format("; `smtp-egress disable {}` takes back the rest", profile_.name);
      return std::unexpected(std::move(told));  // what was written ahead says what may stand
    }
    // The rollback has put forwarding back, and the kernel with it values that were somebody else's.
    for (const auto& side_effects : {side_effects_.v4, side_effects_.v6}) {
      if (auto put_back =
              put_back_side_effects(kernel_, side_effects.value_or(std::vector<SavedSysctl>{}), record_.sysctls);
          !put_back) {
        told.hint += "; not so: " + put_back.error().message();
        return std::unexpected(std::move(told));
      }
    }
    if (!moved_to_.empty()) {
      told.hint += fmt::format("; its state file was damaged, and is {} now", moved_to_);
    }
    if (written_) {
      if (auto put_back = before_ ? store_.save(*before_) : store_.remove(profile_.name); !put_back) {
        told.hint += "; " + put_back.error().message();
      }
    }
    for (const auto& other : others_before_ | std::views::reverse) {
      if (auto put_back = store_.save(other); !put_back) {
        told.hint += "; " + put_back.error().message();
      }
    }
    return std::unexpected(std::move(told));
  }

  /// The desired state is reached, and what is written ahead is enough to undo it: nothing that fails from here on is a
  /// reason to take it back. (After a take-over there is no exact way back: a script's rule holds expressions of
  /// iptables' own, which this program reads but does not write.)
  Result<ApplyReport> finish() {
    report_.changes = transaction_.done();
    for (const auto& sysctl : adopted_) {
      report_.notes.push_back(
          fmt::format("{} had become {} since the last enable: it is {} again, and disable will put {} back",
                      sysctl_name(sysctl.key), sysctl.previous, sysctl.ours, sysctl.previous));
    }
    // Not before they are back, or a crash in between would leave our values to nobody.
    std::erase_if(record_.sysctls.saved,
                  [&](const SavedSysctl& sysctl) { return contains(released_, sysctl.key, &SysctlSpec::key); });
    // Nothing has been dropped yet where the tunnel is waited for: the guard refuses the old flows' packets meanwhile.
    const bool cut_short = before_ && before_->phase != Phase::kEnabled;
    if (!report_.changes.empty() || cut_short) {
      drop_flows();
    }
    record_.phase = Phase::kEnabled;
    record_.former.clear();
    if (!before_ || *before_ != record_ || (written_ && *written_ != record_)) {
      if (auto saved = save(); !saved) {
        report_.notes.push_back("done, but the state file still says that enable is under way: " +
                                saved.error().message());
      }
    }
    if (forgotten_) {
      note_forgotten();
    }
    for (const auto& key : left_off_) {
      report_.notes.push_back(waits_for_network(key));
    }
    report_.needs_a_hand = !closed_.empty();
    for (const auto& table : closed_) {
      report_.notes.push_back(open_by_hand(table, profile_));
    }
    return std::move(report_);
  }

  void note_forgotten() {
    auto note = "its state file was " + (moved_to_.empty() ? "gone" : "damaged, and is now " + moved_to_);
    std::string values;
    for (const auto& sysctl : record_.sysctls.saved) {
      if (sysctl.previous == sysctl.ours && !is_side_effect(sysctl)) {
        values += fmt::format("{}{}={}", values.empty() ? "" : ", ", sysctl_name(sysctl.key), sysctl.ours);
      }
    }
    if (!values.empty()) {
      note += "; what stood before the first enable is not known, so disable will leave " + values;
    }
    report_.notes.push_back(std::move(note));
  }

  void drop_flows() {
    auto dropped = drop_stale_flows(kernel_, profile_, report_.host, PathChange::kOntoTunnel);
    report_.flows_dropped = dropped.value_or(0);
    for (const auto& former : record_.former) {
      if (dropped) {
        dropped = drop_abandoned_flows(kernel_, former, before_->host, profile_);
        report_.flows_dropped += dropped.value_or(0);
      }
    }
    if (!dropped) {
      report_.notes.push_back("open flows of the old path could not be dropped, and may hang until they time out: " +
                              dropped.error().message());
    }
  }

  Kernel& kernel_;
  StateStore& store_;
  const DockerNetworks& docker_;
  Profile profile_;  ///< from load() on with nothing left open
  LegacyScripts legacy_;
  Transaction transaction_;
  std::optional<InstanceRecord> before_;
  bool damaged_ = false;    ///< there is a state file, and it is not as it was written
  bool forgotten_ = false;  ///< an earlier enable's objects stood here, and no state tells what was there before it
  std::string moved_to_;    ///< where the damaged state file was
  OtherInstances others_;
  InstanceRecord record_;
  std::vector<InstanceRecord> others_before_;  ///< those whose record was changed, as they were
  std::vector<SavedSysctl> found_;             ///< set by somebody else since, as this round found it
  std::vector<SavedSysctl> adopted_;           ///< those of them that were news to the record
  std::vector<SysctlSpec> released_;           ///< of an earlier profile: put back, and no longer ours
  std::optional<InstanceRecord> written_;      ///< as it was last written ahead
  ByFamily<std::optional<std::vector<SavedSysctl>>> side_effects_;  ///< of ip_forward, where this command switches it
  DesiredState owned_;
  std::vector<nft::TableKey> closed_;  ///< tables that could drop the mail, and that no rule of ours can be put into
  std::vector<std::string> left_off_;  ///< forwarding that waits for the sources' network
  bool has_looked_ = false;            ///< in this round
  bool complete_ = false;              ///< the last plan was carried out to its end
  ApplyReport report_;
};

}  // namespace

Result<ApplyReport> Engine::enable(const Profile& profile, LegacyScripts legacy) {
  const auto lock = store_.lock();
  if (!lock) {
    return std::unexpected(lock.error());
  }
  return Enabling(kernel_, store_, docker_, profile, legacy).run();
}

}  // namespace smtpegress
