// Who on this host would stop working if ip_forward went back to 0.
#pragma once

#include <string>
#include <vector>

#include "smtpegress/nft.hpp"

namespace smtpegress {

/// Docker's networks stop working when forwarding is switched off under it, and its nftables backend then refuses to
/// start (FACTS 28). DOCKER-USER alone proves nothing: it outlives Docker (FACTS 27).
[[nodiscard]] bool docker_forwards(const nft::Ruleset& ruleset);

/// Others' rules that translate the source of forwarded packets, a line each ("ip nat POSTROUTING: … masquerade"):
/// Podman, libvirt, Incus and a person's own routing each make one. Those that stood before ip_forward was switched on
/// can do without.
[[nodiscard]] std::vector<std::string> source_translations(const nft::Ruleset& ruleset);

}  // namespace smtpegress
