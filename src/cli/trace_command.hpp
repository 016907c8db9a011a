// trace, as a person runs it: until the time is up, or Ctrl-C.
#pragma once

#include "cli/knock.hpp"
#include "cli/options.hpp"
#include "smtpegress/engine.hpp"

namespace smtpegress::cli {

/// Tells each way as soon as its first packet has gone it, and the sum at the end. The exit code: 1 where a packet went
/// wrong, or none was seen.
Result<int> run_trace(const Options& options, Engine& engine, const std::string& name,
                      const std::optional<Profile>& fallback, const KnockQuestions& before_knocking);

}  // namespace smtpegress::cli
