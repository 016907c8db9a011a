// What the tunnel's counters tell of a probe: whether its packets went into the tunnel, and whether any came out.
#pragma once

#include <optional>

#include "engine/verify/checks.hpp"
#include "smtpegress/probe.hpp"

namespace smtpegress {

/// Home: a conversation that never touched the tunnel, the first of them. Null: there is none, or the counters do not
/// tell. Whatever else goes through the tunnel meanwhile hides it, and never makes it.
[[nodiscard]] const ProbeSighting* answered_past_tunnel(const Inquiry& ask, const ProbeReport& report);

/// The check that the counters make, `probe-leak` or `probe-tunnel`; nothing where they have nothing to tell.
[[nodiscard]] std::optional<Check> check_by_counters(const Inquiry& ask, const ProbeReport& report);

}  // namespace smtpegress
