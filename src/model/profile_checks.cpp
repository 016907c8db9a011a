#include "model/profile_checks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "model/docker.hpp"
#include "model/host_senders.hpp"
#include "model/inner_key.hpp"
#include "model/profile_tenants.hpp"
#include "net/contains.hpp"

namespace smtpegress {
namespace {

constexpr std::size_t kMaxSources = 64;  // a rule each; more belongs into a set

void check_size(std::string_view key, std::size_t size, Mistakes& mistakes) {
  if (size > kMaxSources) {
    mistakes.add(key, {}, fmt::format("has more than {} entries; join adjacent ones", kMaxSources));
  }
}

/// Replies that sidestep Docker's drop of strangers are told apart by fewer bits of their address.
void check_sidestep(const Profile& profile, Mistakes& mistakes) {
  if (profile.docker == DockerBypass::kException || profile.nat != HomeNat::kPreserve || mistakes.concern("docker") ||
      mistakes.concern("nat")) {
    return;
  }
  for (auto a = profile.sources.begin(); a != profile.sources.end(); ++a) {
    for (auto b = a + 1; b != profile.sources.end(); ++b) {
      const auto beside = sidestep_network(*b);
      if (sidestep_network(*a).overlaps(beside) && !a->overlaps(*b)) {  // an overlap is told already
        mistakes.add("sources", b->to_string(),
                     fmt::format("cannot be told from {} while replies sidestep Docker's drop (both become {}); "
                                 "write \"docker\": \"exception\"",
                                 a->to_string(), beside.to_string()));
      }
    }
  }
}

}  // namespace

void Mistakes::add_from(std::string_view origin, std::string_view key, std::string_view value, std::string hint) {
  auto object = fmt::format("{}: key '{}'", origin, key);
  if (!value.empty()) {
    object += fmt::format(": {}", value);
  }
  all_.push_back({std::string(key), usage_error("read profile", std::move(object), std::move(hint)).error()});
}

bool Mistakes::concern(std::string_view key) const {
  return contains(all_, key, &ProfileMistake::key);
}

void check_complete(const Profile& profile, std::optional<Side> side, Mistakes& mistakes) {
  if (side == Side::kVps && !profile.named_sources.empty()) {
    mistakes.add("sources", profile.named_sources.front().to_string(),
                 "is a name that the home host knows; write its networks here, as `smtp-egress verify` tells them "
                 "there");
  }
  if (side == Side::kVps && !profile.host_senders.empty()) {
    const auto& sender = profile.host_senders.front();
    mistakes.add("sources", sender.to_string(),
                 fmt::format("is a sender on the home host; write its address here, as a network of one: \"{}\"",
                             Prefix::of(sender.addresses.front()).to_string()));
  }
  check_tenants(profile, mistakes);
  const bool has_none = profile.sources.empty() && profile.named_sources.empty() && profile.host_senders.empty() &&
                        profile.tenants.empty();
  if (has_none && !mistakes.concern("sources") && !mistakes.concern("tenants")) {
    mistakes.add("sources", {}, "names no network; give the mail stack's, such as --subnet 192.168.203.0/24");
  }
  check_size("sources", profile.sources.size(), mistakes);
  if (profile.host_senders.size() + own_addresses(profile).size() > kMaxSources) {
    mistakes.add("sources", {},
                 fmt::format("has more than {} senders of this host and addresses of theirs; name all at once: "
                             "{{\"user\": \"*\"}}",
                             kMaxSources));
  }
  for (const auto& address : own_addresses(profile)) {
    if (contains(profile.sources, Prefix::of(address))) {
      mistakes.add("sources", address.to_string(),
                   "is this host's own and, as a network, a source beside it; keep the one that it is");
    }
  }
  check_size("ports", profile.ports.size(), mistakes);
  if (profile.ports.empty() && !mistakes.concern("ports")) {
    mistakes.add("ports", {}, "names no port; write [25]");
  }
  if (side == Side::kVps && profile.tenants.empty() && profile.wan == profile.tunnel && !mistakes.concern("tunnel") &&
      !mistakes.concern("wan")) {
    mistakes.add("wan", profile.tunnel.str(), "is the tunnel too; the WAN is the interface that leads to the internet");
  }
  if (side == Side::kHome) {
    check_sidestep(profile, mistakes);
  }
  check_inner(profile, mistakes);
  if (profile.tunnel.str() == "lo") {
    mistakes.add("tunnel", "lo", "cannot be a tunnel; name the WireGuard interface");
  }
}

}  // namespace smtpegress
