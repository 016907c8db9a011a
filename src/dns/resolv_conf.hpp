// Whom this host asks.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "smtpegress/error.hpp"

namespace smtpegress::dns {

/// The addresses of the lines "nameserver ADDRESS", a link-local one's with its "%IF"; the first three, as
/// resolv.conf(5) has it.
[[nodiscard]] std::vector<std::string> nameservers_in(std::string_view resolv_conf);
/// "192.0.2.53", "192.0.2.53@5353", "2001:db8::53", "fe80::1%eth0"; kUsage for another thing.
Result<std::string> parse_resolver(std::string_view text);

}  // namespace smtpegress::dns
