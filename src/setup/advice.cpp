#include "setup/advice.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "model/covered.hpp"
#include "model/docker.hpp"
#include "model/lower.hpp"
#include "net/contains.hpp"
#include "net/list_of.hpp"

namespace smtpegress::setup {
namespace {

std::vector<std::string> hooks(const std::string& instance) {
  return {fmt::format("PostUp = smtp-egress enable {} --tunnel %i", instance),
          fmt::format("PreDown = smtp-egress disable {}", instance)};
}

std::vector<Prefix> everything_for(const std::vector<Prefix>& networks) {
  std::vector<Prefix> everything;
  for (const auto family : kBothFamilies) {
    if (std::ranges::any_of(networks, [&](const Prefix& p) { return p.address.family == family; })) {
      everything.push_back(Prefix::everything(family));
    }
  }
  return everything;
}

void append(std::vector<std::string>& lines, const std::vector<std::string>& more) {
  lines.insert(lines.end(), more.begin(), more.end());
}

}  // namespace

WgAdvice advise(const Descriptor& end, const std::vector<Prefix>& home_addresses) {
  if (end.public_key.empty() && end.peers.empty()) {
    return {};
  }
  const bool is_home = end.side == Side::kHome;
  auto allowed = home_addresses;
  std::ranges::copy_if(end.mail_from, std::back_inserter(allowed),
                       [&](const Prefix& network) { return !contains(home_addresses, network); });
  WgAdvice advice;
  advice.home = {"[Interface]", "Table = off"};
  if (is_home) {
    append(advice.home, hooks(end.instance));
  }
  append(advice.home, {"[Peer]", "AllowedIPs = " + list_of(everything_for(end.mail_from)), "PersistentKeepalive = 25"});
  if (!is_home) {
    advice.vps = {"[Interface]"};
    append(advice.vps, hooks(end.instance));
  }
  append(advice.vps, {"[Peer]", "AllowedIPs = " + list_of(allowed)});
  if (!end.public_key.empty()) {
    auto& lines = is_home ? advice.vps : advice.home;
    lines.insert(std::ranges::find(lines, "[Peer]") + 1, "PublicKey = " + end.public_key);
  }
  return advice;
}

std::vector<std::string> firewall_notes(const Profile& profile, const ResolvedHost& host,
                                        const ObservedState& observed) {
  std::vector<std::string> notes;
  if (profile.side == Side::kHome && host.docker != DockerBackend::kNone) {
    notes.push_back(explain_bypass(profile, host));
  }
  for (const auto& table : closed_tables(profile, host, observed.ruleset)) {
    notes.push_back(open_by_hand(table, profile));
  }
  return notes;
}

WgConfWants wants_of(const Descriptor& end) {
  return {.side = end.side,
          .tunnel = end.tunnel,
          .instance = end.instance,
          .peer_key = {},
          .through = end.side == Side::kHome ? everything_for(end.mail_from) : end.mail_from};
}

std::vector<WgConfMistake> check_running(const Descriptor& end) {
  if (end.public_key.empty() && end.peers.empty()) {
    return {};
  }
  std::vector<Prefix> missing;
  const auto wants = wants_of(end);
  std::ranges::copy_if(wants.through, std::back_inserter(missing), [&](const Prefix& wanted) {
    return std::ranges::none_of(end.peers, [&](const auto& peer) { return covered(wanted, peer.allowed_ips); });
  });
  if (missing.empty()) {
    return {};
  }
  std::vector<Prefix> whole;
  for (const auto& peer : end.peers) {
    whole.insert(whole.end(), peer.allowed_ips.begin(), peer.allowed_ips.end());
  }
  whole.insert(whole.end(), missing.begin(), missing.end());
  return {{.what = fmt::format("{} as it runs lets no {} through", end.tunnel, list_of(missing)),
           .mend = fmt::format("AllowedIPs = {} in {}.conf, then `wg-quick down {}` and up", list_of(whole), end.tunnel,
                               end.tunnel)}};
}

}  // namespace smtpegress::setup
