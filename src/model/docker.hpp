// Docker's drop of what reaches a container by another interface than its bridge (28.2 and later), and how replies out
// of the tunnel get past it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "smtpegress/state.hpp"

namespace smtpegress {

/// The tables of Docker's nftables backend, in families ip and ip6; rules of others' are lost at its next change
/// (FACTS 26).
inline constexpr std::string_view kDockerBridges = "docker-bridges";

/// Where Docker's rules stand (FACTS 27). `legacy_tables` are the names of iptables-legacy's. A chain called
/// DOCKER-USER proves nothing: it stays after a switch.
[[nodiscard]] DockerBackend docker_backend(const nft::Ruleset& ruleset, const std::vector<std::string>& legacy_tables);

[[nodiscard]] std::string describe(DockerBackend backend);  ///< "Docker's rules in iptables-nft's tables"

/// kException or kSidestep, whichever is to be used; nothing where the address is not preserved, so that nothing drops.
[[nodiscard]] std::optional<DockerBypass> bypass_for(const Profile& profile, const ResolvedHost& host);

/// What was found, what was chosen, and why: one line, for plan and verify.
[[nodiscard]] std::string explain_bypass(const Profile& profile, const ResolvedHost& host);

/// The network that a source's addresses are in while a reply sidesteps that drop: the same place in a /4 that no host
/// has (model/families.hpp says which). Precondition: a prefix length of at least 4.
[[nodiscard]] Prefix sidestep_network(const Prefix& source);

}  // namespace smtpegress
