// nf_tables in memory: applies a batch whole or not at all.
#pragma once

#include <string>

#include "smtpegress/error.hpp"
#include "smtpegress/nft.hpp"

namespace smtpegress::test {

/// The ruleset after the batch, of the next generation. Refuses what the kernel refuses: missing tables and chains
/// (ENOENT), a chain at another hook (EEXIST), deleting a chain that holds rules or is jumped to, or a set that is
/// looked up in (EBUSY), a missing handle, set or element (ENOENT), a map's element with another value (EEXIST).
Result<nft::Ruleset> apply(const nft::Batch& batch, nft::Ruleset ruleset);

/// Tables, chains with hook and policy, rules in order; without handles and counters.
[[nodiscard]] std::string ruleset_text(const nft::Ruleset& ruleset);
[[nodiscard]] std::string chain_text(const nft::ChainKey& key, const std::optional<nft::BaseHook>& hook);
/// A line, and one for each element.
[[nodiscard]] std::string set_text(const nft::ObservedSet& set);
[[nodiscard]] std::string rule_text(const nft::Rule& rule);

}  // namespace smtpegress::test
