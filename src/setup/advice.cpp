#include "setup/advice.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "model/docker.hpp"
#include "model/lower.hpp"
#include "net/contains.hpp"
#include "net/list_of.hpp"
#include "setup/mail_peer.hpp"

namespace smtpegress::setup {
namespace {

std::vector<std::string> hooks(const std::string& instance) {
  return {fmt::format("PostUp = smtp-egress enable {} --tunnel %i", instance),
          fmt::format("PreDown = smtp-egress disable {}", instance)};
}

void append(std::vector<std::string>& lines, const std::vector<std::string>& more) {
  lines.insert(lines.end(), more.begin(), more.end());
}

}  // namespace

WgAdvice advise(const Descriptor& end, const std::vector<Prefix>& home_addresses) {
  if (!is_wireguard(end)) {
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

WgConfWants wants_of(const Descriptor& end, std::string peer_key) {
  return {.side = end.side,
          .tunnel = end.tunnel,
          .instance = end.instance,
          .peer_key = std::move(peer_key),
          .through = end.side == Side::kHome ? everything_for(end.mail_from) : end.mail_from};
}

std::vector<WgConfMistake> check_running(const Descriptor& end, const WgConfWants& wants) {
  if (!is_wireguard(end)) {
    return {};
  }
  const auto [peer, missing, line] = judge_peer(end, wants.peer_key, wants.through);
  if (missing.empty()) {
    return {};
  }
  return {{.what = fmt::format("{} as it runs lets no {} through", end.tunnel, list_of(missing)),
           .mend = fmt::format("{} in {}.conf, then `wg-quick down {}` and up", line, end.tunnel, end.tunnel)}};
}

}  // namespace smtpegress::setup
