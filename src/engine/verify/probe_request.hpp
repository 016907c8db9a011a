// A probe of an instance: who is to talk to whom, so that it goes the way that the mail goes, and what becomes of it.
#pragma once

#include "engine/verify/checks.hpp"
#include "smtpegress/probe.hpp"

namespace smtpegress {

/// A request, and how many further senders there are: more are not asked.
struct BoundedRequest {
  ProbeRequest request;
  std::size_t senders_left_out = 0;
};

/// Of an enabled instance. At home the mail stack's containers, or this host's own address in their network, and this
/// host's own senders; on the VPS its public addresses.
[[nodiscard]] BoundedRequest probe_request(const Inquiry& ask, std::vector<MailServer> servers,
                                           std::chrono::milliseconds patience);

/// Home: the VPS's public address, as the tunnel knows it: the endpoint of the peer that the mail goes to.
[[nodiscard]] ByFamily<std::optional<IpAddress>> far_ends(const Inquiry& ask);

/// As what the world ought to see that sender; nothing where that is not known here.
[[nodiscard]] std::optional<IpAddress> public_address(const Inquiry& ask, const ProbeRequest& request,
                                                      const ProbeSender& sender);

/// The servers to talk to, each with a port: those of `wish`, else the profile's. None: no probe is wanted. kUsage
/// where one is wanted and nobody named, too many are, or one on a port whose tcp does not take the tunnel.
Result<std::vector<MailServer>> servers_to_probe(const Profile& profile, const ProbeWish& wish);

/// Home: is mail from that address, a container's in a source, such that neither the guard nor the policy rules would
/// keep it off the uplink? Nothing is sent as that one.
[[nodiscard]] bool is_exposed(const Inquiry& ask, const IpAddress& from);

/// Home: what stands between the mail and the uplink, for each of those who were there to send.
void check_leak(const Inquiry& ask, const ProbeRequest& request, const ProbeReport& report);

}  // namespace smtpegress
