// Objects of ours and what was observed, put side by side.
#pragma once

#include "smtpegress/plan.hpp"

namespace smtpegress {

/// The rule as it stands in its chain, by its handle, or where it has none by what it says; null where it does not.
[[nodiscard]] const nft::ObservedRule* find_rule(const ForeignChainRule& rule, const nft::ObservedChain& chain);

/// A chain of our table as it stands. One without a hook, which none of ours is, gets the default one.
[[nodiscard]] OwnChain as_own(const nft::ObservedChain& chain);

}  // namespace smtpegress
