// verify, with what a person asked it to try beyond looking at this host.
#pragma once

#include "cli/options.hpp"
#include "probe/way_out.hpp"
#include "smtpegress/engine.hpp"

namespace smtpegress::cli {

/// Engine::verify() with a prober, and with a resolver where lookups are asked for; on a terminal, a line tells how far
/// they are. `look_up` is Kernel::look_up_route().
Result<VerifyReport> run_verify(const Options& options, Engine& engine, const probe::RouteLookup& look_up,
                                const std::string& name, const std::optional<Profile>& fallback);

}  // namespace smtpegress::cli
