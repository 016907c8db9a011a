// `report`: one text for a bug report. What the other commands tell, and what they looked at, masked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/options.hpp"
#include "cli/profile_files.hpp"
#include "engine/state_store.hpp"
#include "report/section.hpp"
#include "smtpegress/engine.hpp"
#include "smtpegress/kernel.hpp"
#include "smtpegress/observed_parts.hpp"

namespace smtpegress::cli {

/// Whom a report asks.
struct Informants {
  Engine& engine;
  Kernel& kernel;
  const StateStore& store;
  const ProfileFiles& files;
  ObserveParts observe;
  std::int64_t now = 0;                     ///< seconds since the epoch
  std::vector<std::string> own_names = {};  ///< this host's
};

/// Of whom a report is.
struct Subject {
  std::string name{};                 ///< the instance's; empty: nothing is enabled or configured here
  std::string profile{};              ///< the same, or the path of its profile as a person gave it
  std::optional<Profile> known_as{};  ///< as it is enabled, else as its profile says; absent: neither can be read
  std::optional<Error> problem{};     ///< why no name is known, where that could not be found out
};

struct SupportReport {
  Subject subject;
  std::vector<report::Section> sections;  ///< masked
};

/// Each section for itself: where one cannot be had it says why, and the others are there. kPermission where the kernel
/// does not let itself be looked at. No packet is sent, and nothing changed.
Result<SupportReport> collect_report(const Informants& ask, Subject subject);

std::string report_text(const SupportReport& report);
std::string report_json(const Options& options, const SupportReport& report, int exit_code);

/// Collects, and prints to stdout or writes to the file that was named. The exit code, 0: of a report that was made,
/// whatever stands in it.
Result<int> run_report(const Options& options, const Informants& ask, Subject subject);

}  // namespace smtpegress::cli
