// What is remembered between runs, a file per instance in the state directory: the profile as it was applied and the
// sysctls' previous values. Never what the kernel holds: that is read from the kernel.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/file.hpp"
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
  auto operator<=>(const InstanceRecord&) const = default;
};

/// Held while a command changes the host; released on destruction, and by the kernel when the process dies.
class StateLock {
 public:
  explicit StateLock(FileDescriptor file) : file_(std::move(file)) {}

 private:
  FileDescriptor file_;
};

class StateStore {
 public:
  explicit StateStore(std::string directory) : directory_(std::move(directory)) {}

  /// One command at a time per state directory. Makes the directory (0700) if need be. Waits for at most 10 s, then
  /// kUsage with the holder's name, as for a directory that others may write to: nothing has been touched.
  Result<StateLock> lock();

  Result<std::optional<InstanceRecord>> load(const std::string& name) const;
  /// Replaced in one step: written beside, flushed to disk, renamed.
  Result<void> save(const InstanceRecord& record);
  Result<void> remove(const std::string& name);
  /// Names of all instances with a record, sorted. An absent directory is none.
  Result<std::vector<std::string>> list() const;

  [[nodiscard]] const std::string& directory() const noexcept { return directory_; }

 private:
  [[nodiscard]] std::string path_of(const std::string& name) const { return directory_ + "/" + name + ".json"; }
  std::string directory_;
};

}  // namespace smtpegress
