// What there is to choose from, for propose().
#pragma once

#include <string>
#include <vector>

#include "setup/propose.hpp"

namespace smtpegress::setup {

/// Of JSON, what a profile's `sources` may have as an item.
struct SourceCandidate {
  Candidate candidate;
  std::string stack;  ///< the mail stack it is of; empty: not known
  std::string note;   ///< what to mind; empty: nothing
};

/// WireGuard interfaces. With a home's descriptor only those that have that home as peer, where there is one.
[[nodiscard]] std::vector<Candidate> tunnel_candidates(const Finds& finds, const Wishes& wishes);

/// Networks of mail stacks in Docker; where there is none, Incus's bridges and a Mox of the host's own.
/// `tunnel` is the interface that was chosen.
[[nodiscard]] std::vector<SourceCandidate> home_sources(const Finds& finds, const IfName& tunnel);

/// Where there are none of them: why, and what to do.
[[nodiscard]] std::string why_no_home_source(const Finds& finds, const IfName& tunnel);

/// What the tunnel's peers may send from, but for the tunnel's own addresses and the internet: for each peer.
[[nodiscard]] std::vector<std::vector<Prefix>> networks_behind(const Finds& finds, const IfName& tunnel);

/// Interfaces other than the tunnel with a default route: those of IPv4 first, and of each family that of the lowest
/// metric.
[[nodiscard]] std::vector<Candidate> wan_candidates(const Finds& finds, const IfName& tunnel);

/// IPv4 addresses of an interface that the internet can send to.
[[nodiscard]] std::vector<Candidate> public_addresses(const Finds& finds, const IfName& wan);

}  // namespace smtpegress::setup
