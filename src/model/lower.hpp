// The parts of lowering (smtpegress/state.hpp), each adding its objects to `desired`.
#pragma once

#include "smtpegress/state.hpp"

namespace smtpegress {

/// After admission: with `steering: rule`, the mail is marked only where a forward firewall has to know it.
void lower_home(const Profile& profile, const ResolvedHost& host, DesiredState& desired);
void lower_vps(const Profile& profile, const ResolvedHost& host, DesiredState& desired);

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
