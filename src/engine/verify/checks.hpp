// The single checks of verify. Each adds one or more Check to the list; none changes anything, and none but check_probe
// and check_deliverability sends a packet.
#pragma once

#include <chrono>
#include <vector>

#include "engine/view.hpp"

namespace smtpegress {

/// What checks saw and their words alone do not tell, for the picture of the path.
struct Sightings {
  std::string far_end;     ///< of the tunnel: its address on the outside
  std::string spoke_with;  ///< "mx.example.org (192.0.2.25)", a server that a probe talked to, and its greeting
  std::string seen_as;     ///< whom that saw
};

/// What every check may look at.
struct Inquiry {
  Kernel& kernel;
  const DockerNetworks& docker;
  const EnabledView& view;
  std::int64_t now;  ///< seconds since the epoch
  std::vector<Check>& checks;
  Sightings& sightings;

  void passed(std::string id, std::string title, std::string detail, PathScope where = {}) const;
  void failed(std::string id, std::string title, std::string detail, std::string mend, PathScope where = {}) const;
  void skipped(std::string id, std::string title, std::string detail) const;
};

void check_objects(const Inquiry& ask);         ///< every object of ours is in the kernel as it should be
void check_named_sources(const Inquiry& ask);   ///< names still stand for the networks that were enabled
void check_tunnel(const Inquiry& ask);          ///< there, up; WireGuard: recent handshake, AllowedIPs
void check_inner(const Inquiry& ask);           ///< the inner tunnel's own packets
void check_routes(const Inquiry& ask);          ///< lookups with and without the mark; the way back to the sources
void check_host_senders(const Inquiry& ask);    ///< home: the same of mail that this host itself sends
void check_sysctls(const Inquiry& ask);         ///< effective rp_filter, forwarding
void check_path(const Inquiry& ask);            ///< nothing ahead of our rules drops or rewrites the flow
void check_public_address(const Inquiry& ask);  ///< VPS

// The same for a VPS's tenants, in place of the three for one home.
void check_tenant_tunnels(const Inquiry& ask);
void check_tenant_routes(const Inquiry& ask);
void check_tenant_addresses(const Inquiry& ask);

void check_unsourced(const Inquiry& ask);  ///< home: what becomes of mail from addresses of no source

/// Real conversations with these servers, each of which has a port.
void check_probe(const Inquiry& ask, Prober& prober, const std::vector<MailServer>& servers,
                 std::chrono::milliseconds patience);

/// What the DNS says of the mail's public address and domains; the wish has a resolver, whose settings are checked.
void check_deliverability(const Inquiry& ask, const DnsWish& wish);

/// rp_filter in force is the larger of `all` and the interface's own (FACTS 18).
[[nodiscard]] long effective_rp_filter(const Inquiry& ask, const std::string& interface);

/// Does the kernel forward what comes in by this interface? Where it does not, it answers every route lookup for such a
/// packet with "no route to host", whatever the routes say.
[[nodiscard]] bool forwards_from(const Inquiry& ask, IpFamily family, const IfName& interface);

}  // namespace smtpegress
