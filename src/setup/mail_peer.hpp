// Which of a tunnel's peers is the mail's other end, and what its AllowedIPs lack. WireGuard gives a network to one
// peer alone, so no two peers' AllowedIPs are ever put together.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "model/covered.hpp"
#include "setup/descriptor.hpp"

namespace smtpegress::setup {

/// By its key, where one has that; else the first that covers one of what has to pass, else the only one. Null: it
/// cannot be known. `key` is public; empty: not known.
template <class Peer>
[[nodiscard]] const Peer* mail_peer(const std::vector<Peer>& peers, const std::string& key,
                                    const std::vector<Prefix>& through) {
  const auto by_key = std::ranges::find(peers, key, &Peer::public_key);
  if (!key.empty() && by_key != peers.end()) {
    return &*by_key;
  }
  const auto covers = [&](const Peer& peer) {
    return std::ranges::any_of(through, [&](const Prefix& wanted) { return covered(wanted, peer.allowed_ips); });
  };
  if (const auto first = std::ranges::find_if(peers, covers); first != peers.end()) {
    return &*first;
  }
  return peers.size() == 1 ? &peers.front() : nullptr;
}

/// One peer's AllowedIPs held against what has to pass.
struct AllowedIps {
  std::vector<Prefix> missing;
  std::vector<Prefix> whole;  ///< as they should be: what is there, and what is missing
};
[[nodiscard]] AllowedIps allowed_ips_for(const std::vector<Prefix>& through, const std::vector<Prefix>& allowed);

/// The same of an end's mail_peer().
struct MailPeer {
  const DescribedPeer* peer = nullptr;  ///< null: it cannot be known
  std::vector<Prefix> missing;
  std::string line;  ///< its AllowedIPs as they should be, and in which [Peer] where there are several
};
[[nodiscard]] MailPeer judge_peer(const Descriptor& end, const std::string& key, const std::vector<Prefix>& through);

/// Families that the networks are of, IPv4 first.
[[nodiscard]] std::vector<IpFamily> families_in(const std::vector<Prefix>& networks);

/// What home's peer has to let through for mail from these networks: all of each family.
[[nodiscard]] std::vector<Prefix> everything_for(const std::vector<Prefix>& networks);

}  // namespace smtpegress::setup
