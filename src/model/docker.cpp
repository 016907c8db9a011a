#include "model/docker.hpp"

#include <fmt/format.h>

#include "model/families.hpp"
#include "net/contains.hpp"

namespace smtpegress {

std::string describe(DockerBackend backend) {
  switch (backend) {
    case DockerBackend::kNone:
      return "no rules of Docker's";
    case DockerBackend::kIptables:
      return "Docker's rules in iptables-nft's tables";
    case DockerBackend::kNftables:
      return fmt::format("Docker's nftables backend (table ip {})", kDockerBridges);
    case DockerBackend::kLegacy:
      return "a raw table of iptables-legacy";
  }
  return "";
}

DockerBackend docker_backend(const nft::Ruleset& ruleset, const std::vector<std::string>& legacy_tables) {
  if (ruleset.has({nft::Family::kIp, std::string(kDockerBridges)})) {
    return DockerBackend::kNftables;
  }
  // To look into legacy's tables makes them, empty; a raw chain of iptables-nft's is where Docker's drop is, then.
  if (contains(legacy_tables, "raw") && ruleset.find({{nft::Family::kIp, "raw"}, "PREROUTING"}) == nullptr) {
    return DockerBackend::kLegacy;
  }
  const bool in_iptables = ruleset.find({{nft::Family::kIp, "nat"}, "DOCKER"}) != nullptr ||
                           ruleset.find({{nft::Family::kIp, "filter"}, "DOCKER-USER"}) != nullptr;
  return in_iptables ? DockerBackend::kIptables : DockerBackend::kNone;
}

std::optional<DockerBypass> bypass_for(const Profile& profile, const ResolvedHost& host) {
  if (profile.side != Side::kHome || profile.nat != HomeNat::kPreserve || profile.sources.empty()) {
    return std::nullopt;
  }
  if (profile.docker != DockerBypass::kAuto) {
    return profile.docker;
  }
  const bool closed_to_us = host.docker == DockerBackend::kNftables || host.docker == DockerBackend::kLegacy;
  return closed_to_us ? DockerBypass::kSidestep : DockerBypass::kException;
}

std::string explain_bypass(const Profile& profile, const ResolvedHost& host) {
  const auto bypass = bypass_for(profile, host);
  if (profile.sources.empty()) {
    return "this host itself sends the mail, so replies are to itself: none of Docker's chains is on their way";
  }
  if (!bypass) {
    return "the mail leaves as the tunnel's address (nat: masquerade), so replies are not to a container's address "
           "when they arrive, and Docker drops none; none of its chains is touched for them";
  }
  const auto found = fmt::format("{}found {}", profile.docker == DockerBypass::kAuto ? "" : "as the profile says; ",
                                 describe(host.docker));
  return found + (*bypass == DockerBypass::kSidestep
                      ? "; replies sidestep the raw drop, as no rule of ours can stand ahead of it"
                      : "; where ip raw PREROUTING stands, a tagged exception at its head lets replies past the drop");
}

Prefix sidestep_network(const Prefix& source) {
  constexpr std::uint8_t kRest = 0x0f;  // of the first byte, behind a /4
  auto network = source;
  auto& first = network.address.bytes[0];
  first = static_cast<std::uint8_t>(traits_of(source.address.family).aside.bytes[0] | (first & kRest));
  return network;
}

}  // namespace smtpegress
