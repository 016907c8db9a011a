// A profile: what a person wrote, checked. One profile is one side (home or VPS) of one mail stack.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "smtpegress/net_types.hpp"

namespace smtpegress {

enum class Side : std::uint8_t { kHome, kVps };

/// Which interfaces get loose reverse-path filtering (rp_filter=2).
enum class RpFilterScope : std::uint8_t {
  kAll,     ///< all, default, the tunnel and the sources' bridges, as the shell scripts did
  kTunnel,  ///< the tunnel alone, which is enough (FACTS 18)
};

struct Profile {
  std::string name;  ///< the instance's name: letters, digits, '.', '_', '-'; at most 48 bytes
  std::string description;
  Side side = Side::kHome;
  IfName tunnel;
  std::vector<Prefix> sources;  ///< IPv4, none overlapping another
  std::vector<PortRange> ports;
  Mark mark;  ///< home: what steers the flow; VPS: what the forward firewall admits

  // Home only.
  TableId table;
  RulePriority priority;
  RpFilterScope rp_filter = RpFilterScope::kAll;

  // VPS only.
  std::optional<IfName> wan;           ///< absent: the default route's interface
  std::optional<IpAddress> public_ip;  ///< absent: that interface's address

  auto operator<=>(const Profile&) const = default;
};

/// Where a profile's text came from, for messages: a path, or "--set".
struct ProfileOverrides {
  std::vector<std::pair<std::string, std::string>> settings;  ///< key path -> value, as `--set` takes them
  [[nodiscard]] bool empty() const noexcept { return settings.empty(); }
};

/// Parses and checks a profile. `origin` names it in messages. Every key is known or refused; the error names origin,
/// key and what would be right. Overrides are applied to the text before it is checked.
Result<Profile> parse_profile(std::string name, std::string_view origin, std::string_view json,
                              const ProfileOverrides& overrides = {});

/// The profile as JSON text that parse_profile reads back to an equal one.
[[nodiscard]] std::string profile_to_json(const Profile& profile);

/// An instance's name that may become a file's and a table's name, or an error that says why not.
Result<std::string> check_instance_name(std::string_view name);

}  // namespace smtpegress
