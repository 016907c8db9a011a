// The anonymous sets and maps that rules look the connection's state up in: `ct state { established, related } accept`,
// `ct state vmap { established : accept, invalid : drop }`. Firewalls begin their chains with these, so what they hold
// decides what comes further. All other sets stay opaque.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "netlink/attributes.hpp"
#include "smtpegress/nft.hpp"

namespace smtpegress::netlink {

/// One element: a state (kCtNew, ...), and of a map what becomes of such packets.
struct StateElement {
  std::uint32_t state = 0;
  std::optional<nft::Verdict> verdict{};
  auto operator<=>(const StateElement&) const = default;
};

/// From an NFT_MSG_NEWSETELEM message; nothing where there is more to an element than that.
[[nodiscard]] std::optional<std::vector<StateElement>> decode_state_elements(const nlmsghdr* message);

using ChainRule = std::pair<nft::ChainKey, nft::ObservedRule>;

/// Replaces rules that the decoder has left opaque for such a lookup by what they say: a test of the state, or of a map
/// one rule for each state, all of the same handle. What cannot be read stays as it is. To be called between the
/// reading of the rules and of the generation, as the elements have to belong to them.
void read_state_sets(int fd, std::vector<ChainRule>& rules);

}  // namespace smtpegress::netlink
