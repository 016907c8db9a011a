// nf_tables' rules, as far as they bear on the mail.
#pragma once

#include <string>
#include <vector>

#include "smtpegress/nft.hpp"

namespace smtpegress::report {

/// Of which hooks.
enum class Passes : std::uint8_t {
  kForwarded,  ///< what this host forwards alone
  kOwnToo,     ///< the host's own packets, too: input and output
};

/// Our own tables whole; of others' the base chains of these hooks and all that they jump to, a bounded number of rules
/// each. A rule is told as nft prints it as far as it is understood, its parts that are not by name in [], and always
/// with its handle; others' comments, which may hold anything, are left out.
[[nodiscard]] std::vector<std::string> ruleset_lines(const nft::Ruleset& ruleset, Passes passes);

/// "Docker", "ufw": whom the rules are of, by the names of tables and chains; sorted, each once.
[[nodiscard]] std::vector<std::string> owners_in(const nft::Ruleset& ruleset);

}  // namespace smtpegress::report
