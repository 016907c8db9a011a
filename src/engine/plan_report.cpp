// What enable would do, and why: it looks as enable does, and changes nothing.
#include "engine/open_keys.hpp"
#include "engine/refusals.hpp"
#include "engine/remains.hpp"
#include "engine/survey.hpp"
#include "model/docker.hpp"
#include "model/lower.hpp"

namespace smtpegress {

Result<PlanReport> Engine::plan(const Profile& wanted, LegacyScripts legacy) {
  const auto stored = stored_state(store_, wanted.name);
  if (!stored) {
    return std::unexpected(stored.error());
  }
  const auto others = other_instances(store_, wanted.name);
  if (!others) {
    return std::unexpected(others.error());
  }
  const auto& record = stored->record;
  const auto closed = close_profile(kernel_, docker_, wanted, record, *others);
  if (!closed) {
    return std::unexpected(closed.error());
  }
  const auto& profile = *closed;
  if (auto apart = refuse_collision(profile, *others); !apart) {
    return std::unexpected(apart.error());
  }
  auto seen = survey_to_enable(kernel_, profile, record, record ? record->sysctls.saved : std::vector<SavedSysctl>{});
  if (!seen) {
    return std::unexpected(seen.error());
  }
  if (record) {
    add_unwanted_sysctls(*record, *others, *seen);
  }
  const auto owned =
      record ? owned_by(*record)
             : remains_of(profile.name, stored->damage.has_value(), profile, others->records, seen->observed);
  PlanReport report{profile, make_plan(seen->desired, owned, seen->observed, seen->sysctls, seen->legacy),
                    seen->legacy};
  if (profile.side == Side::kHome) {
    report.notes.push_back("docker: " + explain_bypass(profile, seen->host));
  }
  if (!profile.named_sources.empty()) {
    std::string networks;
    for (const auto& source : profile.sources) {
      networks += " " + source.to_string();
    }
    for (const auto& sender : profile.host_senders) {
      networks += " " + sender.to_string();
    }
    report.notes.push_back("sources:" + networks + ", found by name");
  }
  for (const auto& table : closed_tables(profile, seen->host, seen->observed.ruleset)) {
    report.notes.push_back(open_by_hand(table, profile));
  }
  for (const auto& key : seen->left_off) {
    report.notes.push_back(waits_for_network(key));
  }
  if (legacy == LegacyScripts::kTakeOver) {
    report.legacy.clear();
  }
  return report;
}

}  // namespace smtpegress
