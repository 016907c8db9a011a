// The parts of lowering (smtpegress/state.hpp), each adding its objects to `desired`.
#pragma once

#include "smtpegress/state.hpp"

namespace smtpegress {

/// After admission: with `steering: rule`, the mail is marked only where a forward firewall has to know it.
void lower_home(const Profile& profile, const ResolvedHost& host, DesiredState& desired);
void lower_vps(const Profile& profile, const ResolvedHost& host, DesiredState& desired);

/// At home, what is sent there is not mail on its way out: the next container's port 25, on the same bridge; a mail
/// server in the home's own network. By number and not by what this host is connected to now, so that nothing has to
/// follow when networks come and go. Of this host's own mail, kLinkNetworks besides.
[[nodiscard]] std::vector<Prefix> local_networks(const Profile& profile, const ResolvedHost& host);

// What this host itself sends (lower_host_senders.cpp).

/// Is there anything that add_own_guard() would guard?
[[nodiscard]] bool guards_own_mail(const Profile& profile, const ResolvedHost& host);
/// Has this host mail of its own to steer, or to refuse, in this family?
[[nodiscard]] bool steers_own_mail(const Profile& profile, const ResolvedHost& host, IpFamily family);
/// The guard, behind what says which mail stays local: own mail by anything but the tunnel is refused.
void add_own_guard(const Profile& profile, const ResolvedHost& host, OwnChain& output);
/// Of the policy rules by which it is looked up in the egress table (PolicyRule::other).
[[nodiscard]] std::vector<std::vector<UnknownAttribute>> own_mail_selectors(const Profile& profile,
                                                                            const ResolvedHost& host, IpFamily family);

/// Forwarding of each family that has sources; ahead of IPv6's, what keeps the host's own way out (accept_ra).
void add_forwarding(const Profile& profile, const ResolvedHost& host, std::vector<SysctlSpec>& sysctls);

/// Rules of ours at the head of others' chains, where the flow could be dropped and only there: one `meta mark` accept
/// for the forward hook, and on the home side the exception from Docker's raw drop.
void admit_through_foreign_chains(const Profile& profile, const ResolvedHost& host, const nft::Ruleset& ruleset,
                                  DesiredState& desired);

/// Tables that surely drop the flow, and into which no rule of ours can be put (NFT_TABLE_F_OWNER, as firewalld 2 has
/// it).
[[nodiscard]] std::vector<nft::TableKey> closed_tables(const Profile& profile, const ResolvedHost& host,
                                                       const nft::Ruleset& ruleset);
/// What a person has to do about one of them.
[[nodiscard]] std::string open_by_hand(const nft::TableKey& table, const Profile& profile);

}  // namespace smtpegress
