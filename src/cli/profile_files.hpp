// Where profiles are found: the administrator's first, then the shipped ones.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "cli/whole_file.hpp"
#include "smtpegress/profile.hpp"

namespace smtpegress::cli {

struct ProfileFile {
  std::string name;
  std::string path;
  bool shipped = false;
};

/// A file, and all that is wrong with it: empty where enable would take it.
struct CheckedFile {
  std::string path;  ///< as given, where there is no such file
  std::vector<ProfileMistake> mistakes;
};

/// Who called sudo: whoever may use that is root already, and their own files are as good as root's.
[[nodiscard]] std::optional<uid_t> sudo_user();

class ProfileFiles {
 public:
  /// /etc/smtp-egress (SMTP_EGRESS_CONFIG_DIR), then the shipped ones (SMTP_EGRESS_PROFILE_DIR): beside the program in
  /// a build directory, else where it was installed.
  ProfileFiles();

  /// Sorted by name; a shipped profile that an administrator's one of the same name hides is left out.
  [[nodiscard]] std::vector<ProfileFile> list() const;
  /// `instance` is a name, or a path (it has a '/'). Absent: no such profile.
  [[nodiscard]] std::optional<ProfileFile> find(const std::string& instance) const;
  /// Reads and checks it. kUsage names what there is where the profile is unknown.
  Result<Profile> load(const std::string& instance, const ProfileOverrides& overrides) const;
  /// What load would refuse `instance` for, all of it; nothing is changed. A file NAME.json of the current directory
  /// may be named without a '/' too.
  [[nodiscard]] CheckedFile check(const std::string& instance) const;
  /// The paths of all *.json in the administrator's directory, also of those whose name no instance can have. kUsage
  /// where there are none.
  [[nodiscard]] Result<std::vector<std::string>> configured() const;
  /// Where the administrator's profile of that name stands, or would.
  [[nodiscard]] std::string path_of(const std::string& name) const { return config_dir_ + "/" + name + ".json"; }
  /// Writes the administrator's profile of that name: whole, or not at all; the directory is made where there is none.
  /// kUsage: one is there, and is not to be replaced; or others may write to the directory.
  Result<void> write(const std::string& name, std::string_view text, Existing existing) const;
  /// The one profile in the administrator's directory, where there is exactly one.
  [[nodiscard]] std::optional<std::string> only_configured() const;

 private:
  /// Why find has found none.
  [[nodiscard]] Error not_found(const std::string& instance) const;

  std::string config_dir_;
  std::string shipped_dir_;
};

}  // namespace smtpegress::cli
