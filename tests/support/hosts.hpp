// Hosts as the program meets them, and the profiles to hold them against.
#pragma once

#include <string>
#include <string_view>

#include "smtpegress/profile.hpp"
#include "support/fake_kernel.hpp"

namespace smtpegress::test {

inline constexpr std::string_view kBridge = "br-mailu";
inline constexpr std::string_view kHandshakePeer = "peer-key=";
inline constexpr std::int64_t kNow = 1'700'000'000;  // seconds since the epoch; the tests' clock stands still

[[nodiscard]] IfName ifname(std::string_view text);
[[nodiscard]] IpAddress address(std::string_view text);
[[nodiscard]] Prefix prefix(std::string_view text);

/// A profile as it is shipped, with `settings` as `--set` would.
[[nodiscard]] Profile shipped_profile(const std::string& name, const ProfileOverrides& settings = {});
/// mailu-home and mailu-vps: the two of the scripts, 192.168.203.0/24 through wg0.
[[nodiscard]] Profile home_profile(const ProfileOverrides& settings = {});
[[nodiscard]] Profile vps_profile(const ProfileOverrides& settings = {});

/// Adds an interface that is up, with the sysctls that the kernel gives a new one.
void add_link(FakeHost& host, std::string_view name, std::string_view kind = {}, std::string_view cidr = {});
/// With an address, and a peer that is allowed `allowed_ips` and answered just now.
void add_wireguard(FakeHost& host, std::string_view name, std::string_view cidr, std::string_view allowed_ips);
/// The interface and all that hangs on it.
void remove_link(FakeHost& host, std::string_view name);
void set_link_down(FakeHost& host, std::string_view name);
void add_default_route(FakeHost& host, std::string_view gateway, std::string_view interface, std::uint32_t metric = 0);

/// Somebody's policy rule `from SOURCE lookup TABLE`, in its place among the others.
void add_rule_from(FakeHost& host, std::uint32_t priority, std::string_view source, TableId table);

/// "1" of ip_forward and of every interface's forwarding, as switching it on makes it.
void forward(FakeHost& host);

/// An uplink eth0 behind 192.168.1.1; nothing else, forwarding off.
[[nodiscard]] FakeHost plain_host();
/// The mail stack's bridge 192.168.203.0/24 and the tunnel wg0, without a firewall: containers but no Docker.
[[nodiscard]] FakeHost bare_home();
/// The same, but for redirects that are refused and a tunnel that forwards, while ip_forward is off: switching it there
/// and back would lose both.
[[nodiscard]] FakeHost hardened_home();
/// The same under Docker 28's firewall: FORWARD DROP, DOCKER-USER, the raw drop, MASQUERADE.
[[nodiscard]] FakeHost docker_home();
/// Public address 203.0.113.10 on eth0, tunnel wg0, FORWARD DROP, a generic MASQUERADE; forwarding off.
[[nodiscard]] FakeHost vps();

/// What the old shell scripts leave after their `enable`.
void add_home_scripts(FakeHost& host);
void add_vps_scripts(FakeHost& host, std::string_view public_ip = "203.0.113.10");

[[nodiscard]] PolicyRule script_policy_rule();
[[nodiscard]] Route script_route();

[[nodiscard]] nft::ObservedChain& chain(FakeHost& host, std::string_view table, std::string_view name,
                                        nft::Family family = nft::Family::kIp);
[[nodiscard]] Flow mail_flow(std::string_view source, std::string_view destination, std::uint16_t port,
                             std::string_view seen_as);

}  // namespace smtpegress::test
