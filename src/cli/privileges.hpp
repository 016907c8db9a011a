// Least privilege: what a run cannot do, a bug in it cannot do either.
#pragma once

#include "cli/options.hpp"
#include "smtpegress/error.hpp"

namespace smtpegress::cli {

/// What a run needs beside CAP_NET_ADMIN; the default is nothing.
struct FurtherRights {
  /// CAP_SYS_PTRACE, CAP_SYS_ADMIN and CAP_SETUID stay permitted, in effect for nobody: threads of a probe raise them
  /// to enter a container's network namespace and to send as a user (src/probe/rights.hpp).
  bool probe = false;
  /// CAP_DAC_READ_SEARCH stays in effect. Without it root cannot look into a home directory of mode 0700, where a file
  /// that the command line names may well be.
  bool read_any_file = false;
  /// CAP_DAC_OVERRIDE does: the same of a file that is to be written.
  bool write_any_file = false;
};

/// For what these words ask: of others' files root may read, and others' directories it may write to, those alone that
/// the command line names.
[[nodiscard]] FurtherRights rights_for(const Options& options);

/// Gives up every capability but CAP_NET_ADMIN, all this program needs beside its own files: nf_tables, routes, rules,
/// connection tracking and net.* sysctls (net_ctl_permissions, net/sysctl_net.c) ask for no other. And no program that
/// it started, if it started one, could gain any (no_new_privs). Without CAP_NET_ADMIN the kernel will say so, by name
/// of what it refuses.
/// What `further` names stays, as far as it was there.
Result<void> keep_only_net_admin(FurtherRights further);

}  // namespace smtpegress::cli
