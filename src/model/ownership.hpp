// How we know what is ours, in one place: our tables by name, our rules in foreign chains by tag (and, in the planner,
// by whole comparison), interfaces by alias, policy rules and routes by protocol number, priority and full selector.
// Nothing is ours by resemblance: a script's or a person's rule of the same shape is foreign.
#pragma once

#include <string>
#include <string_view>

#include "smtpegress/nft.hpp"

namespace smtpegress {

inline constexpr std::string_view kTablePrefix = nft::kOwnTablePrefix;
inline constexpr std::string_view kTagPrefix = "smtp-egress:";

/// `inet smtp-egress-NAME`
[[nodiscard]] inline nft::TableKey own_table_key(std::string_view instance) {
  return {nft::Family::kInet, std::string(kTablePrefix) + std::string(instance)};
}

/// Of this instance or of another one.
[[nodiscard]] inline bool is_own_table(const nft::TableKey& key) {
  return key.family == nft::Family::kInet && key.name.starts_with(kTablePrefix);
}

/// "smtp-egress:NAME:ROLE", the comment of a rule of ours in a foreign chain.
[[nodiscard]] inline std::string tag_for(std::string_view instance, std::string_view role) {
  return std::string(kTagPrefix) + std::string(instance) + ":" + std::string(role);
}

/// "smtp-egress:NAME", the alias of an interface of ours.
[[nodiscard]] inline std::string alias_for(std::string_view instance) {
  return std::string(kTagPrefix) + std::string(instance);
}

[[nodiscard]] inline bool is_tagged(const nft::Rule& rule) {
  return rule.comment.starts_with(kTagPrefix);
}
[[nodiscard]] inline bool is_tagged_by(const nft::Rule& rule, std::string_view instance) {
  return rule.comment.starts_with(tag_for(instance, ""));
}

}  // namespace smtpegress
