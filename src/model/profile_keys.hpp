// The keys a profile may have: on which side, and how each one's value is read.
#pragma once

#include <array>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "smtpegress/profile.hpp"

namespace smtpegress {

enum class Belongs : std::uint8_t { kBoth, kHomeOnly, kVpsOnly };

/// Says what an editor shall check the profile by (JSON Schema); no setting, so no message lists it.
inline constexpr std::string_view kSchemaKey = "$schema";

/// What is wrong with one key's value: nothing, or several items of a list. An error's object is the offending value.
using Refusals = std::vector<Error>;

/// Reads one key's value into the profile; of a list, those items that are as they should be.
using Reader = std::function<Refusals(const nlohmann::json&, Profile&)>;

struct ProfileKey {
  std::string_view name;
  Belongs belongs;
  Reader read;
};

/// The words of a setting that is one of a few.
template <class Choice>
constexpr auto choices_of() {
  if constexpr (std::is_same_v<Choice, Side>) {
    return std::array{std::pair{"home", Side::kHome}, std::pair{"vps", Side::kVps}};
  } else if constexpr (std::is_same_v<Choice, RpFilterScope>) {
    return std::array{std::pair{"all", RpFilterScope::kAll}, std::pair{"tunnel", RpFilterScope::kTunnel}};
  } else if constexpr (std::is_same_v<Choice, HomeNat>) {
    return std::array{std::pair{"preserve", HomeNat::kPreserve}, std::pair{"masquerade", HomeNat::kMasquerade}};
  } else if constexpr (std::is_same_v<Choice, Steering>) {
    return std::array{std::pair{"mark", Steering::kMark}, std::pair{"rule", Steering::kRule}};
  } else if constexpr (std::is_same_v<Choice, NamedSource::Kind>) {
    return std::array{std::pair{"docker_network", NamedSource::Kind::kDockerNetwork},
                      std::pair{"interface", NamedSource::Kind::kInterface},
                      std::pair{"user", NamedSource::Kind::kUser}};
  } else if constexpr (std::is_same_v<Choice, Inbound>) {
    return std::array{std::pair{"any", Inbound::kAny}, std::pair{"published", Inbound::kPublished}};
  } else {
    static_assert(std::is_same_v<Choice, DockerBypass>);
    return std::array{std::pair{"auto", DockerBypass::kAuto}, std::pair{"exception", DockerBypass::kException},
                      std::pair{"sidestep", DockerBypass::kSidestep}};
  }
}

template <class Choice>
constexpr const char* word_for(Choice choice) {
  for (const auto& [word, value] : choices_of<Choice>()) {
    if (value == choice) {
      return word;
    }
  }
  return "";
}

/// All of them, in the order in which messages list them; kSchemaKey last.
[[nodiscard]] std::span<const ProfileKey> profile_keys();

}  // namespace smtpegress
