// Where records (state_record.hpp) are kept: a file per instance in the state directory.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/state_record.hpp"
#include "net/file.hpp"

namespace smtpegress {

/// Held while a command changes the host; released on destruction, and by the kernel when the process dies.
class StateLock {
 public:
  explicit StateLock(FileDescriptor file) : file_(std::move(file)) {}

 private:
  FileDescriptor file_;
};

/// The running kernel's boot id (/proc/sys/kernel/random/boot_id) and this process's network namespace's cookie
/// (SO_NETNS_COOKIE, unique until reboot); empty where it cannot be read.
[[nodiscard]] Whereabouts right_here();

class StateStore {
 public:
  explicit StateStore(std::string directory, Whereabouts here = right_here())
      : directory_(std::move(directory)), here_(std::move(here)) {}

  /// One command at a time per state directory. Makes the directory (0700) if need be. Waits for at most 10 s, then
  /// kUsage with the holder's name, as for a directory that others may write to: nothing has been touched.
  Result<StateLock> lock();

  /// None where there is no file, or one of an earlier boot: what that is about is gone. kDamaged where it is not as it
  /// was written; kElsewhere where it is about another network namespace.
  Result<std::optional<InstanceRecord>> load(const std::string& name) const;
  /// Replaced in one step: written beside, flushed to disk, renamed.
  Result<void> save(const InstanceRecord& record);
  Result<void> remove(const std::string& name);
  /// A damaged file gets another name, NAME.json.damaged-N, and is kept for a person to look at. Returns its new path.
  Result<std::string> set_aside(const std::string& name);
  /// What instances that are gone have left to others. A file that cannot be believed is none.
  Result<SysctlRecord> load_left() const;
  /// An empty one is none.
  Result<void> save_left(const SysctlRecord& left);

  /// Names of all instances with a state file, sorted, whatever is in it. An absent directory is none.
  Result<std::vector<std::string>> list() const;

  [[nodiscard]] const std::string& directory() const noexcept { return directory_; }

 private:
  [[nodiscard]] std::string path_of(const std::string& name) const { return directory_ + "/" + name + ".json"; }
  /// Not *.json: no instance can have that name.
  [[nodiscard]] std::string path_of_left() const { return directory_ + "/sysctls-left"; }
  Result<void> write(const std::string& path, const std::string& text);

  std::string directory_;
  Whereabouts here_;
};

}  // namespace smtpegress
