// What the checks of routes ask the kernel, and how they tell the answer.
#pragma once

#include <optional>
#include <string>

#include "engine/verify_checks.hpp"

namespace smtpegress {

constexpr std::uint16_t kHttps = 443;         // a port that is not mail's: stands for everything else
constexpr std::uint16_t kEphemeral = 40'000;  // some client's port

/// The answer, or nothing where the question itself failed; then the check has been told so.
[[nodiscard]] std::optional<RouteAnswer> look_up(const Inquiry& ask, const std::string& id, const std::string& title,
                                                 const RouteQuery& query);

/// Is it reverse-path filtering that refuses such a packet? EXDEV is that, which IPv6 has not; EINVAL that of some
/// kernels, and a blackhole route (ip_route_input_slow, net/ipv4/route.c).
[[nodiscard]] bool may_be_filtered(const Inquiry& ask, const RouteAnswer& answer, const RouteQuery& query);

[[nodiscard]] std::string answer_text(const Inquiry& ask, const RouteAnswer& answer, const RouteQuery& query);
/// The command that asks the kernel the same.
[[nodiscard]] std::string as_command(const RouteQuery& query);
/// What to do about a rule that another program put ahead of ours.
[[nodiscard]] std::string mend_rule_ahead(const Profile& profile, const PolicyRule& rule);
[[nodiscard]] std::string mend_wrong_route(const Inquiry& ask, const RouteAnswer& answer, const RouteQuery& query);

}  // namespace smtpegress
