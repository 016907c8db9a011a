// Flows that were open before the path changed keep their old address mapping, and would hang until they time out
// (FACTS 7). They are dropped from connection tracking, so that their next packet starts anew; no other flow is
// touched.
#pragma once

#include <cstddef>

#include "smtpegress/kernel.hpp"
#include "smtpegress/state.hpp"

namespace smtpegress {

enum class PathChange : std::uint8_t { kOntoTunnel, kOffTunnel };

/// Is it one of the mail's flows, with the mapping of the path that is no more?
[[nodiscard]] bool is_stale(const Flow& flow, const Profile& profile, const ResolvedHost& host, PathChange change);

/// How many were dropped.
Result<std::size_t> drop_stale_flows(Kernel& kernel, const Profile& profile, const ResolvedHost& host,
                                     PathChange change);

/// Those that a former profile sent by the tunnel and `profile` no longer does. Returns how many.
Result<std::size_t> drop_abandoned_flows(Kernel& kernel, const Profile& former, const ResolvedHost& former_host,
                                         const Profile& profile);

}  // namespace smtpegress
