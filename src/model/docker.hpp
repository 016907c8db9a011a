// Docker's drop of what reaches a container by another interface than its bridge (28.2 and later), and how replies out
// of the tunnel get past it.
#pragma once

#include <string>
#include <vector>

#include "smtpegress/state.hpp"

namespace smtpegress {

/// Where Docker's rules stand (FACTS 27). `legacy_tables` are the names of iptables-legacy's. A chain called
/// DOCKER-USER proves nothing: it stays after a switch.
[[nodiscard]] DockerBackend docker_backend(const nft::Ruleset& ruleset, const std::vector<std::string>& legacy_tables);

/// kException or kSidestep, whichever is to be used; nothing where the address is not preserved, so that nothing drops.
[[nodiscard]] std::optional<DockerBypass> bypass_for(const Profile& profile, const ResolvedHost& host);

/// What was found, what was chosen, and why: one line, for plan and verify.
[[nodiscard]] std::string explain_bypass(const Profile& profile, const ResolvedHost& host);

/// The network that a source's addresses are in while a reply sidesteps that drop: the same place in 240.0.0.0/4, which
/// no host has (RFC 1112, section 4). Precondition: a prefix length of at least 4.
[[nodiscard]] Prefix sidestep_network(const Prefix& source);

}  // namespace smtpegress
