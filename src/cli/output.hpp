// What the commands print: text for people, JSON for programs. JSON documents all have "version" (1, raised when a
// member is removed or changes its meaning; new members may come), "command", "ok" and "exit"; see json_output.cpp.
#pragma once

#include <string>
#include <vector>

#include "cli/options.hpp"
#include "cli/path_picture.hpp"
#include "cli/profile_files.hpp"
#include "setup/advice.hpp"
#include "setup/pair.hpp"
#include "setup/propose.hpp"
#include "setup/wg_conf.hpp"
#include "smtpegress/engine.hpp"

namespace smtpegress::cli {

std::string enable_text(const ApplyReport& report, Verbosity verbosity);
std::string disable_text(const ApplyReport& report, Verbosity verbosity);
std::string nothing_enabled_text();  ///< of a disable that names none
std::string plan_text(const PlanReport& report);
std::string status_text(const StatusReport& report);
/// A line for each, and its mend below what has failed.
std::string checks_text(const std::vector<Check>& checks);
std::string verify_text(const VerifyReport& report, const Drawing& drawing);

std::string trace_begin_text(const Profile& profile, unsigned seconds);
/// As soon as a way is known. Of what is no mail of the instance's, where all is asked for.
std::string journey_text(const Journey& journey, Verbosity verbosity);
std::string trace_end_text(const TraceReport& report);
std::string trace_json(const Options& options, const TraceReport& report, int exit_code);

struct ProfileLine {
  ProfileFile file;
  std::optional<Profile> profile;  ///< absent: it cannot be read; "home", which names no network, with a stand-in
  std::string problem;             ///< why it cannot be used as it is; empty: it can
  std::optional<bool> enabled;     ///< absent: that may not be looked at
};
std::string profiles_text(const std::vector<ProfileLine>& profiles);

/// A line for each mistake and, but where only errors are asked for, for each file without one.
std::string check_text(const std::vector<CheckedFile>& files, Verbosity verbosity);

/// What init found and made.
struct InitReport {
  setup::Proposal proposal;
  std::string path;      ///< of the profile
  bool written = false;  ///< not where it is only printed
  setup::WgAdvice wireguard;
  std::string conf;                            ///< the tunnel's configuration file; empty: none was read
  std::vector<setup::WgConfMistake> mistakes;  ///< in it, and in the tunnel as it runs
};
std::string init_text(const InitReport& report);
std::string init_json(const Options& options, const InitReport& report, int exit_code);

/// This end and, where it was given, the other.
struct PairReport {
  setup::Descriptor here;
  std::optional<setup::Descriptor> there;
  std::vector<Check> checks;
};
std::string pair_text(const PairReport& report);
std::string pair_json(const Options& options, const PairReport& report, int exit_code);

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
