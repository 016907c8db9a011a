// Least privilege: what a run cannot do, a bug in it cannot do either.
#pragma once

#include "smtpegress/error.hpp"

namespace smtpegress::cli {

/// Gives up every capability but CAP_NET_ADMIN, all this program needs beside its own files: nf_tables, routes, rules,
/// connection tracking and net.* sysctls (net_ctl_permissions, net/sysctl_net.c) ask for no other. And no program that
/// it started, if it started one, could gain any (no_new_privs). Without CAP_NET_ADMIN the kernel will say so, by name
/// of what it refuses.
Result<void> keep_only_net_admin();

/// The same, and what it takes to send a packet as somebody else would: to enter the network namespace of a process
/// (CAP_SYS_ADMIN, CAP_SYS_PTRACE), and to open a socket as another user (CAP_SETUID).
Result<void> keep_only_what_knocks();

}  // namespace smtpegress::cli
