// How single values of a profile are read, for keys that are read beside profile_keys.cpp.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "smtpegress/profile.hpp"

namespace smtpegress {

/// As it stands in the profile; what is no UTF-8 replaced.
[[nodiscard]] std::string text_of(const nlohmann::json& value);
/// "is number; write …"; `right` says what.
[[nodiscard]] Error wrong_type(const nlohmann::json& value, std::string_view right);
/// A network that mail can come from: none of the internet at large, link-local or multicast.
Result<Prefix> parse_source(std::string_view text);
Result<IpAddress> parse_public_ip(std::string_view text);   ///< IPv4
Result<IpAddress> parse_public_ip6(std::string_view text);  ///< IPv6

}  // namespace smtpegress
