#include "engine/named_sources.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "model/families.hpp"
#include "net/contains.hpp"

namespace smtpegress {
namespace {

constexpr const char* kOperation = "find sources:";

Result<std::vector<Prefix>> networks_on(const NamedSource& named, const ObservedState& observed) {
  const auto refused = [&](std::string_view why) {
    return usage_error(kOperation, named.to_string(),
                       fmt::format("{}, or name the network itself, such as \"10.10.10.0/24\"", why));
  };
  const auto name = IfName::parse(named.name);
  const auto* link = name ? observed.link(*name) : nullptr;
  if (link == nullptr) {
    return refused("is not there; start what makes it");
  }
  std::vector<Prefix> networks;
  for (const auto& address : observed.addresses) {
    const auto network = address.network();
    if (address.link == link->index && !is_link_local(address.local) && !contains(networks, network)) {
      networks.push_back(network);
    }
  }
  if (networks.empty()) {
    return refused("has no address; give it one");
  }
  return networks;
}

}  // namespace

Result<std::vector<Prefix>> networks_of(const NamedSource& named, const ObservedState& observed,
                                        const DockerNetworks& docker) {
  switch (named.kind) {
    case NamedSource::Kind::kDockerNetwork:
      return docker ? docker(named.name) : usage_error(kOperation, named.to_string(), "there is nobody to ask");
    case NamedSource::Kind::kInterface:
      break;
  }
  return networks_on(named, observed);
}

Result<Profile> resolve_named_sources(Kernel& kernel, const DockerNetworks& docker, const Profile& profile) {
  const bool names_interface = contains(profile.named_sources, NamedSource::Kind::kInterface, &NamedSource::kind);
  const auto observed = names_interface ? kernel.observe() : ObservedState{};
  if (!observed) {
    return std::unexpected(observed.error());
  }
  auto resolved = profile;
  for (const auto& named : profile.named_sources) {
    const auto networks = networks_of(named, *observed, docker);
    if (!networks) {
      return std::unexpected(networks.error());
    }
    std::ranges::copy_if(*networks, std::back_inserter(resolved.sources),
                         [&](const Prefix& network) { return !contains(resolved.sources, network); });
  }
  if (!profile.named_sources.empty()) {  // what is refused of a network that is written is so of one that is found
    const auto checked = parse_profile(profile.name, profile.name + ", as found here", profile_to_json(resolved));
    if (!checked) {
      return std::unexpected(checked.error());
    }
  }
  return resolved;
}

}  // namespace smtpegress
