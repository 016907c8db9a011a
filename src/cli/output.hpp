// What the commands print: text for people, JSON for programs. JSON documents all have "version" (1, raised when a
// member is removed or changes its meaning; new members may come), "command", "ok" and "exit"; see json_output.cpp.
#pragma once

#include <string>
#include <vector>

#include "cli/options.hpp"
#include "cli/profile_files.hpp"
#include "smtpegress/engine.hpp"

namespace smtpegress::cli {

std::string enable_text(const ApplyReport& report, Verbosity verbosity);
std::string disable_text(const ApplyReport& report, Verbosity verbosity);
std::string nothing_enabled_text();  ///< of a disable that names none
std::string plan_text(const PlanReport& report);
std::string status_text(const StatusReport& report);
std::string verify_text(const VerifyReport& report);

struct ProfileLine {
  ProfileFile file;
  Profile profile;      ///< name and description alone where it is not complete ("home" names no network)
  std::string problem;  ///< why it cannot be used as it is; empty: it can
  bool enabled = false;
};
std::string profiles_text(const std::vector<ProfileLine>& profiles);

/// A line for each mistake and, but where only errors are asked for, for each file without one.
std::string check_text(const std::vector<CheckedFile>& files, Verbosity verbosity);

std::string apply_json(const Options& options, const ApplyReport& report, int exit_code);
std::string nothing_enabled_json(const Options& options);  ///< a disable's, without instance and side
std::string plan_json(const Options& options, const PlanReport& report, int exit_code);
std::string status_json(const Options& options, const StatusReport& report, int exit_code);
std::string verify_json(const Options& options, const VerifyReport& report, int exit_code);
std::string profiles_json(const Options& options, const std::vector<ProfileLine>& profiles);
std::string check_json(const Options& options, const std::vector<CheckedFile>& files, int exit_code);
std::string error_json(const Options& options, const Error& error, int exit_code);

[[nodiscard]] std::string_view presence_text(Presence presence);
[[nodiscard]] std::string_view verb_text(Verb verb);

}  // namespace smtpegress::cli
