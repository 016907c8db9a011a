// Items of a profile's "sources" that are senders on the home host itself: {"user": "mox", "address": "10.0.1.2"}.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "smtpegress/profile.hpp"

namespace smtpegress {

/// Is the item, an object, meant to be one?
[[nodiscard]] bool is_host_sender(const nlohmann::json& item);

/// Adds the item to the profile: to `host_senders` where it says all, else to `named_sources`, to be asked for at
/// enable. kUsage: it is none, or there already; the profile is as it was.
Result<void> add_host_sender(Profile& profile, const nlohmann::json& item);

/// What add_host_sender() reads back.
[[nodiscard]] nlohmann::json document_of(const HostSender& sender);
/// Of one that is named: "address", where it has any.
void add_addresses(const NamedSource& named, nlohmann::json& document);

}  // namespace smtpegress
