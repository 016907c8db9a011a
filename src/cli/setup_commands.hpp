// init and pair: what the program does beside its engine.
#pragma once

#include "cli/options.hpp"
#include "cli/profile_files.hpp"
#include "engine/state_store.hpp"
#include "smtpegress/engine.hpp"
#include "smtpegress/kernel.hpp"

namespace smtpegress::cli {

/// Looks at the host, asks what is left open where somebody is at the terminal, writes the profile and tells the rest.
/// Nothing but that file is written. The exit code, 0.
Result<int> run_init(const Options& options, const ProfileFiles& files, Kernel& kernel, const DockerNetworks& docker);

/// Prints this end's descriptor, or holds it against the other end's: exit code 1 where a check fails.
Result<int> run_pair(const Options& options, const ProfileFiles& files, const StateStore& store, Kernel& kernel,
                     const DockerNetworks& docker);

}  // namespace smtpegress::cli
