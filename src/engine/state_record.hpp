// What is remembered of an instance between runs: the profile as it was applied and the sysctls' previous values. Never
// what the kernel holds: that is read from the kernel.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "smtpegress/profile.hpp"
#include "smtpegress/state.hpp"

namespace smtpegress {

enum class Phase : std::uint8_t { kEnabling, kEnabled, kDisabling };

struct SavedSysctl {
  std::string key;
  std::string previous;  ///< before any instance of ours changed it
  std::string ours;      ///< what we wrote; put back only where it still holds this
  auto operator<=>(const SavedSysctl&) const = default;
};

/// What is remembered of the sysctls.
struct SysctlRecord {
  std::vector<SavedSysctl> saved{};
  /// Others' source translations that stood when an instance switched ip_forward on.
  std::vector<std::string> translations{};
  /// Indices of the interfaces that stood when an instance first changed conf/default: those made since were born with
  /// our value.
  std::vector<int> links{};

  [[nodiscard]] const SavedSysctl* find(std::string_view key) const;  ///< null where it is not remembered
  auto operator<=>(const SysctlRecord&) const = default;
};

/// Written before anything is touched (phase kEnabling or kDisabling), so that a crash leaves enough to undo from.
struct InstanceRecord {
  Profile profile;
  ResolvedHost host;  ///< what the profile's open keys were found to be at the last enable
  Phase phase = Phase::kEnabling;
  SysctlRecord sysctls{};
  /// Those that this one takes the place of, while it does: what they made may still stand. Empty once it is done.
  std::vector<Profile> former{};
  auto operator<=>(const InstanceRecord&) const = default;
};

/// Which kernel state a file is about.
struct Whereabouts {
  std::string boot;     ///< the kernel's boot id: what was written before a reboot is about a kernel that is gone
  std::string network;  ///< the network namespace's cookie; empty: not known
  auto operator<=>(const Whereabouts&) const = default;
};

struct WrittenRecord {
  InstanceRecord record;
  Whereabouts about;
};

/// JSON whose first member is the checksum of all text behind it; read_record reads it back to an equal one.
[[nodiscard]] std::string record_to_json(const InstanceRecord& record, const Whereabouts& about);

/// The same for what instances that are gone have left to others: sysctls that stay because some instance whose state
/// file is lost or damaged may need them.
[[nodiscard]] std::string left_to_json(const SysctlRecord& left, const Whereabouts& about);
/// None where the text is damaged or about another kernel state than `here`.
[[nodiscard]] std::optional<SysctlRecord> read_left(std::string_view text, const Whereabouts& here);

/// The checksum is there and fits.
[[nodiscard]] bool is_intact(std::string_view text);

/// `path` is for messages. Does not look at the checksum. kDamaged where a part is missing or wrong, or names a sysctl
/// that is not ours; kUsage where it is of another version of this program.
Result<WrittenRecord> read_record(const std::string& name, const std::string& path, std::string_view text);

/// The error for a state file that cannot be believed, and what to do about it.
[[nodiscard]] std::unexpected<Error> damaged_record(const std::string& name, const std::string& path,
                                                    std::string_view what);

}  // namespace smtpegress
