// Who on this host would stop working if a family's forwarding were switched off again.
#pragma once

#include <string>
#include <vector>

#include "smtpegress/nft.hpp"

namespace smtpegress {

/// Docker's networks stop working when forwarding is switched off under it, and its nftables backend then refuses to
/// start (FACTS 28). DOCKER-USER alone proves nothing: it outlives Docker (FACTS 27).
[[nodiscard]] bool docker_forwards(const nft::Ruleset& ruleset, IpFamily family);

/// Others' rules that translate the source of forwarded packets, a line each ("ip nat POSTROUTING: … masquerade"):
/// Podman, libvirt, Incus and a person's own routing each make one. Those that stood before forwarding was switched on
/// can do without.
[[nodiscard]] std::vector<std::string> source_translations(const nft::Ruleset& ruleset, IpFamily family);

}  // namespace smtpegress
