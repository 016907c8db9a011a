// What the checks of routes ask the kernel, and how they tell the answer.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "engine/verify/checks.hpp"
#include "model/packet_walk.hpp"
#include "model/rule_walk.hpp"
#include "net/ephemeral_port.hpp"

namespace smtpegress {

constexpr std::uint16_t kHttps = 443;  // a port that is not mail's: stands for everything else

// seconds; REJECT_AFTER_TIME of the WireGuard paper, 180: a session older than that carries nothing, and a peer that
// sends keepalives has long begun a new one. And a little, for a handshake that is just being renewed.
constexpr std::int64_t kStaleHandshake = 180 + 15;

/// What to do where Kernel::wireguard() failed, other than for there being no such interface.
[[nodiscard]] std::string mend_silent_wireguard(const Error& error);

/// An address in the network that could be a container's: neither the network's nor, as `is_local` tells, one of this
/// host's own. Nothing where the first few of it are all the host's, or it is that one address.
[[nodiscard]] std::optional<IpAddress> some_host_in(const Prefix& network,
                                                    const std::function<bool(const IpAddress&)>& is_local);
[[nodiscard]] std::optional<IpAddress> some_host_in(const Inquiry& ask, const Prefix& network);
[[nodiscard]] bool is_own_address(const Inquiry& ask, const IpAddress& address);
/// Does the internet get there? Not to a private, a link-local, a loopback address.
[[nodiscard]] bool is_public(const IpAddress& address);

/// The answer, or nothing where the question itself failed; then the check has been told so.
[[nodiscard]] std::optional<RouteAnswer> look_up(const Inquiry& ask, const std::string& id, const std::string& title,
                                                 const RouteQuery& query);

/// Is it reverse-path filtering that refuses such a packet? EXDEV is that, which IPv6 has not; EINVAL that of some
/// kernels, and a blackhole route (ip_route_input_slow, net/ipv4/route.c).
[[nodiscard]] bool may_be_filtered(const Inquiry& ask, const RouteAnswer& answer, const RouteQuery& query);

[[nodiscard]] std::string answer_text(const Inquiry& ask, const RouteAnswer& answer, const RouteQuery& query);
/// The command that asks the kernel the same.
[[nodiscard]] std::string as_command(const RouteQuery& query);
/// The policy rule of another program's that takes some of these packets before those of ours do of which
/// `is_for_them` holds; one that surely does before one that only may.
[[nodiscard]] std::optional<RuleAhead> find_rule_ahead(const Inquiry& ask, const PacketFacts& packets,
                                                       const std::function<bool(const PolicyRule&)>& is_for_them);
/// What to do about such a rule.
[[nodiscard]] std::string mend_rule_ahead(const Profile& profile, const PolicyRule& rule);
[[nodiscard]] std::string mend_wrong_route(const Inquiry& ask, const RouteAnswer& answer, const RouteQuery& query);
/// On the VPS, where nothing is ours but the wish that the main table leads the right way; `otherwise` where no rule,
/// no filter and no route that refuses is to blame.
[[nodiscard]] std::string mend_stray(const Inquiry& ask, const RouteAnswer& answer, const RouteQuery& query,
                                     const std::string& otherwise);

/// Is what `query` asks for not led into the tunnel? No way at all is no fault of the tunnel's. `whose` ends the
/// detail.
void check_spared(const Inquiry& ask, const std::string& title, const RouteQuery& query, const std::string& whose);

}  // namespace smtpegress
