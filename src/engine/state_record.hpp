// What is remembered of an instance between runs: the profile as it was applied and the sysctls' previous values. Never
// what the kernel holds: that is read from the kernel.
#pragma once

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

/// Written before anything is touched (phase kEnabling or kDisabling), so that a crash leaves enough to undo from.
struct InstanceRecord {
  Profile profile;
  ResolvedHost host;  ///< what the profile's open keys were found to be at the last enable
  Phase phase = Phase::kEnabling;
  std::vector<SavedSysctl> sysctls;
  /// Those that this one takes the place of, while it does: what they made may still stand. Empty once it is done.
  std::vector<Profile> former{};
  /// Others' source translations that stood when this or another instance switched ip_forward on.
  std::vector<std::string> translations{};
  auto operator<=>(const InstanceRecord&) const = default;
};

/// A record, and when it was written.
struct WrittenRecord {
  InstanceRecord record;
  std::string boot;  ///< the kernel's boot id: what was written before a reboot is about a kernel that is gone
};

/// JSON whose first member is the checksum of all text behind it; read_record reads it back to an equal one.
[[nodiscard]] std::string record_to_json(const InstanceRecord& record, std::string_view boot);

/// The checksum is there and fits.
[[nodiscard]] bool is_intact(std::string_view text);

/// `path` is for messages. Does not look at the checksum. kDamaged where a part is missing or wrong, or names a sysctl
/// that is not ours; kUsage where it is of another version of this program.
Result<WrittenRecord> read_record(const std::string& name, const std::string& path, std::string_view text);

/// The error for a state file that cannot be believed, and what to do about it.
[[nodiscard]] std::unexpected<Error> damaged_record(const std::string& name, const std::string& path,
                                                    std::string_view what);

}  // namespace smtpegress
