// What the home host itself sends: which policy rules take it into the egress table, and what guards it. No mark: the
// route's lookup is what chooses the address that a connection is from (FACTS 20, 21), and what is marked on its way
// out has one already.
#include <algorithm>

#include "model/families.hpp"
#include "model/host_senders.hpp"
#include "model/lower.hpp"
#include "model/rules.hpp"
#include "net/contains.hpp"

namespace smtpegress {
namespace {

using namespace rules;
using Who = HostSender::Who;

const auto kLoopback = IfName::parse("lo").value();

/// What this host itself sends as its tunnel's address belongs to the mail that leaves as that: when the kernel forgets
/// a masqueraded connection (its address went for a moment, or it timed out), the next reply is this host's own to
/// refuse, and the refusal is a packet to tcp/25.
std::vector<Prefix> masqueraded_as(const Profile& profile, const ResolvedHost& host) {
  std::vector<Prefix> addresses;
  for (const auto family : kBothFamilies) {
    const auto& address = host.snat_to[family];
    if (profile.nat == HomeNat::kMasquerade && has_sources(profile, family) && address) {
      addresses.push_back(Prefix::of(*address));
    }
  }
  return addresses;
}

/// The same of this host's own mail: what the kernel sends for a socket that is closed has no user any more, but has
/// the address.
std::vector<Prefix> guarded_addresses(const Profile& profile, const ResolvedHost& host) {
  auto addresses = masqueraded_as(profile, host);
  for (const auto& address : own_addresses(profile)) {
    if (!contains(addresses, Prefix::of(address))) {
      addresses.push_back(Prefix::of(address));
    }
  }
  return addresses;
}

/// Whose mail it takes a rule to tell. Where everybody's is meant, a user's rule would say nothing more; and the
/// kernel, told to delete everybody's, would take a user's for it.
std::vector<HostSender> told_apart(const Profile& profile) {
  auto senders = profile.host_senders;
  if (contains(senders, Who::kEverybody, &HostSender::who)) {
    std::erase_if(senders, [](const HostSender& sender) { return sender.who == Who::kUser; });
  }
  return senders;
}

std::vector<nft::Match> off_host(std::vector<nft::Match> matches) {
  matches.insert(matches.begin(), out(kLoopback, nft::Sense::kIsNot));
  return matches;
}

}  // namespace

bool guards_own_mail(const Profile& profile, const ResolvedHost& host) {
  return !guarded_addresses(profile, host).empty();
}

bool steers_own_mail(const Profile& profile, const ResolvedHost& host, IpFamily family) {
  return has_own_address(profile, family) || (names_users(profile) && (family == IpFamily::kV4 || host.has_ipv6));
}

void add_own_guard(const Profile& profile, const ResolvedHost& host, OwnChain& output) {
  auto& chain = output.rules;
  const auto addresses = guarded_addresses(profile, host);
  for (const auto& address : addresses) {
    for (const auto& ports : profile.ports) {
      chain.push_back(rule({out(profile.tunnel, nft::Sense::kIsNot), out(kLoopback, nft::Sense::kIsNot), like(address),
                            from(address), tcp(), to_port(ports)},
                           nft::Reject{}, "guard"));
    }
  }
  if (!names_users(profile)) {
    return;
  }
  // Users: as their mail's address by the tunnel, or not at all. The VPS knows no other address.
  for (const auto& address : addresses) {
    chain.push_back({{out(profile.tunnel), like(address), from(address)}, {leave_chain()}, "by the tunnel"});
  }
  for (const auto& sender : told_apart(profile)) {
    for (const auto& ports : profile.ports) {
      if (sender.who == Who::kUser) {
        chain.push_back(rule(off_host({by_user(sender.uid), tcp(), to_port(ports)}), nft::Reject{}, "guard"));
      } else if (sender.who == Who::kEverybody) {
        chain.push_back(rule(off_host({tcp(), to_port(ports)}), nft::Reject{}, "guard"));
      }
    }
  }
}

std::vector<std::vector<UnknownAttribute>> own_mail_selectors(const Profile& profile, const ResolvedHost& host,
                                                              IpFamily family) {
  std::vector<std::vector<UnknownAttribute>> all;
  const auto add = [&](const auto& what) {
    for (const auto& ports : profile.ports) {
      all.push_back(selecting(what, IPPROTO_TCP, ports));
    }
  };
  // By address as well: what the kernel sends for a closed socket is nobody's; and a reply's way back, which strict
  // rp_filter looks up, is by its address.
  for (const auto& address : guarded_addresses(profile, host)) {
    if (address.address.family == family) {
      add(address);
    }
  }
  if (!steers_own_mail(profile, host, family)) {
    return all;
  }
  for (const auto& sender : told_apart(profile)) {
    if (sender.who == Who::kUser) {
      add(UidRange{sender.uid, sender.uid});
    } else if (sender.who == Who::kEverybody) {
      add(kLoopback);  // `iif lo`: what comes in by no interface
    }
  }
  return all;
}

}  // namespace smtpegress
