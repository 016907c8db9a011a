#include "engine/named_sources.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "engine/host_users.hpp"
#include "model/profile_document.hpp"
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
  auto networks = observed.networks_on(*link);
  return networks.empty() ? refused("has no address; give it one") : Result<std::vector<Prefix>>(std::move(networks));
}

}  // namespace

Result<std::vector<Prefix>> networks_of(const NamedSource& named, const ObservedState& observed,
                                        const DockerNetworks& docker) {
  switch (named.kind) {
    case NamedSource::Kind::kDockerNetwork:
      return docker ? docker(named.name) : usage_error(kOperation, named.to_string(), "there is nobody to ask");
    case NamedSource::Kind::kInterface:
    case NamedSource::Kind::kUser:  // has none; see find_host_sender()
      break;
  }
  return networks_on(named, observed);
}

Result<Profile> resolve_named_sources(Kernel& kernel, const DockerNetworks& docker, const Profile& profile) {
  if (profile.named_sources.empty()) {
    return profile;
  }
  const bool asks_host = std::ranges::any_of(profile.named_sources, [](const NamedSource& named) {
    return named.kind == NamedSource::Kind::kInterface ||
           (named.kind == NamedSource::Kind::kUser && named.addresses.empty());
  });
  const auto observed = asks_host ? kernel.observe() : ObservedState{};
  if (!observed) {
    return std::unexpected(observed.error());
  }
  auto resolved = profile;
  for (const auto& named : profile.named_sources) {
    if (named.kind == NamedSource::Kind::kUser) {
      auto sender = find_host_sender(named, profile, *observed);
      if (!sender) {
        return std::unexpected(sender.error());
      }
      if (!contains(resolved.host_senders, *sender)) {
        resolved.host_senders.push_back(*std::move(sender));
      }
      continue;
    }
    const auto networks = networks_of(named, *observed, docker);
    if (!networks) {
      return std::unexpected(networks.error());
    }
    std::ranges::copy_if(*networks, std::back_inserter(resolved.sources),
                         [&](const Prefix& network) { return !contains(resolved.sources, network); });
  }
  // Read once more: what is refused of a network that is written is so of one that is found.
  return read_profile(profile.name, profile.name + ", as found here", profile_document(resolved));
}

}  // namespace smtpegress
