#include "smtpegress/profile.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "model/docker.hpp"
#include "model/families.hpp"
#include "model/profile_document.hpp"
#include "model/profile_keys.hpp"
#include "net/contains.hpp"

namespace smtpegress {
namespace {

using nlohmann::json;

// The scripts' own values: 0x19 is 25, the port; 100 and 10025 are what their users already know.
constexpr Mark kDefaultMark{0x19, 0xffffffff};
constexpr TableId kDefaultTable{100};
constexpr RulePriority kDefaultPriority{10025};
constexpr PortRange kSmtpPort{25, 25};
constexpr std::size_t kMaxInstanceName = 48;  // bytes; with the prefix well inside NFT_NAME_MAXLEN (256) and NAME_MAX
constexpr std::size_t kMaxSources = 64;       // a rule each; more belongs into a set
constexpr int kMaxDepth = 8;                  // brackets in brackets; a state record has three

std::string key_object(std::string_view origin, std::string_view key, std::string_view value) {
  return value.empty() ? fmt::format("{}: key '{}'", origin, key) : fmt::format("{}: key '{}': {}", origin, key, value);
}

std::string known_keys(Side side) {
  std::string text;
  for (const auto& key : profile_keys()) {
    if (key.belongs == Belongs::kBoth || (key.belongs == Belongs::kHomeOnly) == (side == Side::kHome)) {
      text += (text.empty() ? "" : ", ") + std::string(key.name);
    }
  }
  return text;
}

Result<void> check_belongs(std::string_view origin, const ProfileKey& key, Side side) {
  if (key.belongs == Belongs::kBoth || (key.belongs == Belongs::kHomeOnly) == (side == Side::kHome)) {
    return {};
  }
  return usage_error("read profile", key_object(origin, key.name, {}),
                     fmt::format("belongs to the {} side, and this profile's side is \"{}\"; leave it out",
                                 side == Side::kHome ? "VPS" : "home", side == Side::kHome ? "home" : "vps"));
}

Result<void> check_complete(std::string_view origin, const Profile& profile) {
  if (profile.side == Side::kVps && !profile.named_sources.empty()) {
    return usage_error("read profile", key_object(origin, "sources", profile.named_sources.front().to_string()),
                       "is a name that the home host knows; write its networks here, as `smtp-egress status` tells "
                       "them there");
  }
  if (profile.sources.empty() && profile.named_sources.empty()) {
    return usage_error("read profile", key_object(origin, "sources", {}),
                       "names no network; give the mail stack's, such as --subnet 192.168.203.0/24");
  }
  if (profile.sources.size() > kMaxSources || profile.ports.size() > kMaxSources) {
    return usage_error("read profile",
                       key_object(origin, profile.sources.size() > kMaxSources ? "sources" : "ports", {}),
                       fmt::format("has more than {} entries; join adjacent ones", kMaxSources));
  }
  if (profile.ports.empty()) {
    return usage_error("read profile", key_object(origin, "ports", {}), "names no port; write [25]");
  }
  if (profile.side == Side::kVps && profile.wan && *profile.wan == profile.tunnel) {
    return usage_error("read profile", key_object(origin, "wan", profile.tunnel.str()),
                       "is the tunnel too; the WAN is the interface that leads to the internet");
  }
  for (const auto& a : profile.sources) {
    for (const auto& b : profile.sources) {
      if (a != b && profile.docker != DockerBypass::kException && profile.side == Side::kHome &&
          profile.nat == HomeNat::kPreserve && sidestep_network(a).overlaps(sidestep_network(b))) {
        return usage_error("read profile", key_object(origin, "sources", b.to_string()),
                           fmt::format("cannot be told from {} while replies sidestep Docker's drop (both become {}); "
                                       "write \"docker\": \"exception\"",
                                       a.to_string(), sidestep_network(b).to_string()));
      }
    }
  }
  if (profile.tunnel.str() == "lo") {
    return usage_error("read profile", key_object(origin, "tunnel", "lo"),
                       "cannot be a tunnel; name the WireGuard interface");
  }
  return {};
}

/// An override's value: JSON where it is JSON of the right shape, else a text; a key that holds a list takes "a,b" as
/// well.
json override_value(const std::string& key, const std::string& text) {
  json parsed = nests_too_deeply(text) ? json() : json::parse(text, nullptr, false);
  const bool is_list = key == "sources" || key == "ports";
  if (parsed.is_array() || parsed.is_object() || (parsed.is_string() && !is_list)) {
    return parsed;
  }
  if (!is_list) {
    return text;  // numbers too: every scalar key reads its value from text
  }
  json items = json::array();
  for (std::size_t begin = 0; begin <= text.size();) {
    const auto end = std::min(text.find(',', begin), text.size());
    items.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return items;
}

Result<json> parse_document(std::string_view origin, std::string_view text) {
  if (nests_too_deeply(text)) {
    return usage_error("read profile", std::string(origin), "is nested deeper than any profile");
  }
  json document;
  try {
    std::vector<std::string> seen;
    std::optional<std::string> repeated;
    const json::parser_callback_t callback = [&](int depth, json::parse_event_t event, json& parsed) {
      if (event == json::parse_event_t::key && depth == 1) {
        const auto key = parsed.get<std::string>();
        if (contains(seen, key)) {
          repeated = key;
        }
        seen.push_back(key);
      }
      return true;
    };
    document = json::parse(text, callback);
    if (repeated) {
      return usage_error("read profile", key_object(origin, *repeated, {}), "stands there twice; keep one");
    }
  } catch (const json::parse_error& error) {
    const auto before = text.substr(0, std::min<std::size_t>(error.byte, text.size()));
    return usage_error("read profile", std::string(origin),
                       fmt::format("is not JSON: error in line {}", 1 + std::ranges::count(before, '\n')));
  } catch (const json::out_of_range&) {
    return usage_error("read profile", std::string(origin), "has a number that is too large");
  }
  if (!document.is_object()) {
    return usage_error("read profile", std::string(origin), "must be a JSON object: { \"side\": \"home\", … }");
  }
  return document;
}

Result<void> read_keys(std::string_view origin, const json& document, const ProfileOverrides& overrides,
                       Profile& profile) {
  for (const auto& [name, value] : document.items()) {
    const bool overridden = std::ranges::any_of(overrides.settings, [&](const auto& s) { return s.first == name; });
    const std::string_view source = overridden ? std::string_view("command line") : origin;
    const auto key = std::ranges::find(profile_keys(), name, &ProfileKey::name);
    if (key == profile_keys().end()) {
      return usage_error("read profile", key_object(source, name, {}),
                         fmt::format("is not known; known are {}", known_keys(profile.side)));
    }
    if (auto belongs = check_belongs(source, *key, profile.side); !belongs) {
      return belongs;
    }
    if (auto read = key->read(value, profile); !read) {
      return usage_error("read profile", key_object(source, name, read.error().object), read.error().hint);
    }
  }
  return {};
}

}  // namespace

bool nests_too_deeply(std::string_view json_text) noexcept {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < json_text.size(); ++i) {
    const char c = json_text[i];
    if (in_string) {
      i += c == '\\' ? 1 : 0;  // whatever is escaped does not end the string
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxDepth) {
        return true;
      }
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return false;
}

Result<std::string> check_instance_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  if (name.empty() || name.size() > kMaxInstanceName || name.front() == '.' || name.front() == '-' ||
      !std::ranges::all_of(name, allowed)) {
    return usage_error(
        "instance name", fmt::format("'{}'", name.substr(0, kMaxInstanceName)),
        fmt::format("use letters, digits, '.', '_' and '-', at most {} bytes, such as mailu-home", kMaxInstanceName));
  }
  return std::string(name);
}

Result<Profile> parse_profile(std::string name, std::string_view origin, std::string_view text,
                              const ProfileOverrides& overrides) {
  auto document = parse_document(origin, text);
  if (!document) {
    return std::unexpected(document.error());
  }
  for (const auto& [key, value] : overrides.settings) {
    (*document)[key] = override_value(key, value);
  }
  return read_profile(std::move(name), origin, *document, overrides);
}

Result<Profile> read_profile(std::string name, std::string_view origin, const json& document,
                             const ProfileOverrides& overrides) {
  Profile profile{.name = std::move(name),
                  .description = {},
                  .side = Side::kHome,
                  .tunnel = *IfName::parse("wg0"),
                  .sources = {},
                  .named_sources = {},
                  .ports = {kSmtpPort},
                  .mark = kDefaultMark,
                  .open = {},
                  .table = {},
                  .priority = {},
                  .rp_filter = RpFilterScope::kAll,
                  .nat = HomeNat::kPreserve,
                  .steering = Steering::kMark,
                  .docker = DockerBypass::kAuto,
                  .inbound = Inbound::kAny,
                  .wan = {},
                  .public_ip = {},
                  .public_ip6 = {}};
  // The side decides which keys there may be, so it is read first.
  if (!document.contains("side")) {
    return usage_error("read profile", key_object(origin, "side", {}), "is missing; write \"home\" or \"vps\"");
  }
  const json side_only{{"side", document.at("side")}};
  if (auto read = read_keys(origin, side_only, overrides, profile); !read) {
    return std::unexpected(read.error());
  }
  if (profile.side == Side::kHome) {
    profile.table = kDefaultTable;
    profile.priority = kDefaultPriority;
  }
  if (auto read = read_keys(origin, document, overrides, profile); !read) {
    return std::unexpected(read.error());
  }
  if (auto complete = check_complete(origin, profile); !complete) {
    return std::unexpected(complete.error());
  }
  return profile;
}

std::string profile_to_json(const Profile& profile) {
  return profile_document(profile).dump(2);
}

json profile_document(const Profile& profile) {
  json document{{"description", profile.description},
                {"side", word_for(profile.side)},
                {"tunnel", profile.tunnel.str()},
                {"mark", profile.open.mark ? "auto" : profile.mark.to_string()}};
  for (const auto& source : profile.sources) {
    document["sources"].push_back(source.to_string());
  }
  for (const auto& named : profile.named_sources) {
    document["sources"].push_back({{word_for(named.kind), named.name}});
  }
  for (const auto& port : profile.ports) {
    document["ports"].push_back(port.to_string());
  }
  if (profile.side == Side::kHome) {
    document["table"] = profile.open.table ? json("auto") : json(profile.table.value);
    document["priority"] = profile.open.priority ? json("auto") : json(profile.priority.value);
    document["rp_filter"] = word_for(profile.rp_filter);
    document["nat"] = word_for(profile.nat);
    document["steering"] = word_for(profile.steering);
    document["docker"] = word_for(profile.docker);
    document["inbound"] = word_for(profile.inbound);
  } else {
    document["wan"] = profile.wan ? profile.wan->str() : "auto";
    for (const auto family : kBothFamilies) {
      const auto& address = profile.public_address(family);
      document[traits_of(family).public_key] = address ? address->to_string() : "auto";
    }
  }
  return document;
}

}  // namespace smtpegress
