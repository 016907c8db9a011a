// A golden case's observed.json: one of the hosts of hosts.hpp, and what happened to it since.
//
//   { "host": "docker-home" | "bare-home" | "vps" | "plain",
//     "then": [ {"remove-link": "wg0"}, {"link": ["eth0", "", "10.0.0.5/24"]}, {"default-route": ["10.0.0.1", "eth0"]},
//               {"iptables": ["*filter", "-I FORWARD -j REJECT"]}, {"scripts": "home"}, {"enable": {"table": "200"}},
//               {"flush": "mark-mail"}, {"delete-policy-rule": 10025}, {"delete-route": "unreachable default"},
//               {"sysctl": {"net/ipv4/ip_forward": "0"}} ] }
#pragma once

#include <string>

#include "support/engine_host.hpp"

namespace smtpegress::test {

[[nodiscard]] FakeHost observed_host(const std::string& json);

/// The steps of "then", in order; "enable" enables `profile` with other settings, as an earlier run did.
void let_happen(const std::string& json, const Profile& profile, EngineHost& box);

}  // namespace smtpegress::test
