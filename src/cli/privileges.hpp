// Least privilege: what a run cannot do, a bug in it cannot do either.
#pragma once

#include <cstdint>

#include "smtpegress/error.hpp"

namespace smtpegress::cli {

enum class FurtherRights : std::uint8_t {
  kNone,
  /// CAP_SYS_PTRACE, CAP_SYS_ADMIN and CAP_SETUID stay permitted, in effect for nobody: threads of a probe raise them
  /// to enter a container's network namespace and to send as a user (src/probe/rights.hpp).
  kForProbe,
};

/// Gives up every capability but CAP_NET_ADMIN, all this program needs beside its own files: nf_tables, routes, rules,
/// connection tracking and net.* sysctls (net_ctl_permissions, net/sysctl_net.c) ask for no other. And no program that
/// it started, if it started one, could gain any (no_new_privs). Without CAP_NET_ADMIN the kernel will say so, by name
/// of what it refuses.
Result<void> keep_only_net_admin(FurtherRights further = FurtherRights::kNone);

}  // namespace smtpegress::cli
