// The profile's keys of what the DNS is to say of the mail.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "model/profile_keys.hpp"

namespace smtpegress {

inline constexpr std::string_view kMailNameKey = "mail_name";
inline constexpr std::string_view kMailDomainsKey = "mail_domains";
inline constexpr std::string_view kBlocklistsKey = "blocklists";

[[nodiscard]] Refusals read_mail_name(const nlohmann::json& value, Profile& profile);
[[nodiscard]] Refusals read_mail_domains(const nlohmann::json& value, Profile& profile);
[[nodiscard]] Refusals read_blocklists(const nlohmann::json& value, Profile& profile);

/// Of the keys above, those that hold several names.
[[nodiscard]] bool is_list_of_names(std::string_view key);
/// As the readers take them; what is not set is left out.
void add_dns(const DnsExpectations& dns, nlohmann::json& document);

}  // namespace smtpegress
