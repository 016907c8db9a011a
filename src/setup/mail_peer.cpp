#include "setup/mail_peer.hpp"

#include <fmt/format.h>

#include <iterator>

#include "net/list_of.hpp"

namespace smtpegress::setup {

AllowedIps allowed_ips_for(const std::vector<Prefix>& through, const std::vector<Prefix>& allowed) {
  AllowedIps found{.missing = {}, .whole = allowed};
  std::ranges::copy_if(through, std::back_inserter(found.missing),
                       [&](const Prefix& wanted) { return !covered(wanted, allowed); });
  found.whole.insert(found.whole.end(), found.missing.begin(), found.missing.end());
  return found;
}

MailPeer judge_peer(const Descriptor& end, const std::string& key, const std::vector<Prefix>& through) {
  const auto* peer = mail_peer(end.peers, key, through);
  if (peer == nullptr) {
    return {.peer = peer,
            .missing = through,
            .line = fmt::format("AllowedIPs = …, {} in the [Peer] that is the mail's other end", list_of(through))};
  }
  auto [missing, whole] = allowed_ips_for(through, peer->allowed_ips);
  auto line = fmt::format("AllowedIPs = {}", list_of(whole));
  if (end.peers.size() > 1) {
    line += fmt::format(" in the [Peer] with PublicKey = {}", peer->public_key);
  }
  return {.peer = peer, .missing = std::move(missing), .line = std::move(line)};
}

std::vector<IpFamily> families_in(const std::vector<Prefix>& networks) {
  std::vector<IpFamily> families;
  std::ranges::copy_if(kBothFamilies, std::back_inserter(families), [&](IpFamily family) {
    return std::ranges::any_of(networks, [&](const Prefix& p) { return p.address.family == family; });
  });
  return families;
}

std::vector<Prefix> everything_for(const std::vector<Prefix>& networks) {
  std::vector<Prefix> everything;
  std::ranges::transform(families_in(networks), std::back_inserter(everything), Prefix::everything);
  return everything;
}

}  // namespace smtpegress::setup
