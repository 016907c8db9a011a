// The parts of lowering (smtpegress/state.hpp), each adding its objects to `desired`.
#pragma once

#include "smtpegress/state.hpp"

namespace smtpegress {

/// After admission: with `steering: rule`, the mail is marked only where a forward firewall has to know it.
void lower_home(const Profile& profile, const ResolvedHost& host, DesiredState& desired);
void lower_vps(const Profile& profile, const ResolvedHost& host, DesiredState& desired);

/// Rules of ours at the head of others' chains, where the flow could be dropped and only there: one `meta mark` accept
/// for the forward hook, and on the home side the exception from Docker's raw drop.
void admit_through_foreign_chains(const Profile& profile, const ResolvedHost& host, const nft::Ruleset& ruleset,
                                  DesiredState& desired);

}  // namespace smtpegress
