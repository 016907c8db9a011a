// Reads what iptables-save prints, as far as the tests' firewalls need it, into the rules that iptables-nft makes of
// it.
#pragma once

#include <string_view>

#include "smtpegress/nft.hpp"

namespace smtpegress::test {

/// A rule of `-A CHAIN …` without its beginning: "-i wg0 -p tcp --dport 25 -j ACCEPT". Throws std::invalid_argument on
/// an option it does not know: a test must not go on with half a rule.
[[nodiscard]] nft::Rule iptables_rule(std::string_view specification);

/// Adds the tables, chains and rules of an iptables-save text: "*filter", ":FORWARD DROP", "-A …" (at the end), "-I …"
/// (at the head). May be called again to change what an earlier call made.
void add_iptables(nft::Ruleset& ruleset, std::string_view save, nft::Family family = nft::Family::kIp);

}  // namespace smtpegress::test
