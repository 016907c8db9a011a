// Whose rule it is: by the names that programs give their tables and chains. For a person to know where to turn, and
// for nothing else: what is ours is told by ownership.hpp.
#pragma once

#include <string>

#include "smtpegress/nft.hpp"

namespace smtpegress {

/// "ours (guard)", "Docker's drop of strangers", "ufw", "the administrator's, in Docker's chain for others"; "others'"
/// of one that nothing is known of. `rule` is null of a chain's policy and of a rule that is gone.
[[nodiscard]] std::string owner_of(const nft::Ruleset& ruleset, const nft::ChainKey& chain, const nft::Rule* rule);

}  // namespace smtpegress
