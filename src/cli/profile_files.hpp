// Where profiles are found: the administrator's first, then the shipped ones.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "smtpegress/profile.hpp"

namespace smtpegress::cli {

struct ProfileFile {
  std::string name;
  std::string path;
  bool shipped = false;
};

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
  /// The one profile in the administrator's directory, where there is exactly one.
  [[nodiscard]] std::optional<std::string> only_configured() const;

 private:
  std::string config_dir_;
  std::string shipped_dir_;
};

/// "mailu-home" of "mailu-home", of "./mailu-home.json" and of "/etc/smtp-egress/mailu-home.json".
[[nodiscard]] std::string instance_name(const std::string& instance);

}  // namespace smtpegress::cli
