// Which policy rule would take a packet of the mail flow? The kernel's route lookup tells where one packet goes, but
// not by which rule, and nothing about the other packets of a network.
#pragma once

#include <optional>

#include "model/packet_walk.hpp"
#include "smtpegress/state.hpp"

namespace smtpegress {

struct RuleAhead {
  PolicyRule rule;
  Holds takes = Holds::kMaybe;  ///< never kNo
};

/// The first rule, of those ahead of `ours` in the kernel's order, that surely takes some of the packets: it sends them
/// to a table that has a way to the internet, or refuses them, or jumps past `ours`. Else the first that may. Nothing
/// where `ours` does not stand.
[[nodiscard]] std::optional<RuleAhead> find_rule_ahead(const ObservedState& observed, const PolicyRule& ours,
                                                       const PacketFacts& packet);

}  // namespace smtpegress
