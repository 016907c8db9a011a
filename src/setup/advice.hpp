// What to put into the tunnel's configuration at each end.
#pragma once

#include <string>
#include <vector>

#include "setup/descriptor.hpp"
#include "setup/wg_conf.hpp"

namespace smtpegress::setup {

/// Lines of wg0.conf; private keys are never among them. The other end's have this one's public key.
struct WgAdvice {
  std::vector<std::string> home;
  std::vector<std::string> vps;
};

/// `end` is this end, whose hooks are among them; `home_addresses` are the tunnel's at home where they are known. None
/// of a tunnel that is no WireGuard.
[[nodiscard]] WgAdvice advise(const Descriptor& end, const std::vector<Prefix>& home_addresses);

/// Of the home end: how replies get past Docker's drop. Of both: firewalls that have to be opened by hand.
[[nodiscard]] std::vector<std::string> firewall_notes(const Profile& profile, const ResolvedHost& host,
                                                      const ObservedState& observed);

/// What this end's tunnel has to let through. `peer_key` is the other end's; empty: not known.
[[nodiscard]] WgConfWants wants_of(const Descriptor& end, std::string peer_key);

/// Where the tunnel as it runs lacks some of that: a mistake with its mend. A tunnel that is no WireGuard has none.
[[nodiscard]] std::vector<WgConfMistake> check_running(const Descriptor& end, const WgConfWants& wants);

}  // namespace smtpegress::setup
