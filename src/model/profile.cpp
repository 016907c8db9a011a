#include "smtpegress/profile.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "model/families.hpp"
#include "model/inner_key.hpp"
#include "model/profile_checks.hpp"
#include "model/profile_dns.hpp"
#include "model/profile_document.hpp"
#include "model/profile_keys.hpp"
#include "model/profile_senders.hpp"
#include "model/profile_tenants.hpp"
#include "model/repeated_keys.hpp"
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
constexpr int kMaxDepth = 8;                  // brackets in brackets; a state record has three

/// Where the side is not known, every key may be right.
bool is_of(const ProfileKey& key, std::optional<Side> side) {
  return !side || key.belongs == Belongs::kBoth || (key.belongs == Belongs::kHomeOnly) == (side == Side::kHome);
}

std::string known_keys(std::optional<Side> side) {
  std::string text;
  for (const auto& key : profile_keys()) {
    if (key.name != kSchemaKey && is_of(key, side)) {
      text += (text.empty() ? "" : ", ") + std::string(key.name);
    }
  }
  return text;
}

/// An override's value: JSON where it is JSON of the right shape, else a text; a key that holds a list takes "a,b" as
/// well.
json override_value(const std::string& key, const std::string& text) {
  json parsed = nests_too_deeply(text) ? json() : json::parse(text, nullptr, false);
  const bool is_list = key == "sources" || key == "ports" || key == "probe" || is_list_of_names(key);
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

/// "inner.kind" is the member of a key that is an object.
void override_key(json& document, const std::string& key, const std::string& text) {
  const auto dot = key.find('.');
  const auto outer = key.substr(0, dot);
  const bool has_members = !document.contains(outer) || document[outer].is_null() || document[outer].is_object();
  auto& place = dot == std::string::npos || !has_members ? document[key] : document[outer][key.substr(dot + 1)];
  place = override_value(key, text);
}

/// Keys that stand there twice are told to `mistakes`; the later of the two is kept.
Result<json> parse_document(std::string_view origin, std::string_view text, Mistakes& mistakes) {
  if (nests_too_deeply(text)) {
    return usage_error("read profile", std::string(origin), "is nested deeper than any profile");
  }
  json document;
  try {
    document = json::parse(text);
    for (const auto& [key, within, item] : repeated_keys(text)) {
      if (within.empty() && !mistakes.concern(key)) {
        mistakes.add(key, {}, "stands there twice; keep one");
      } else if (!within.empty() && !mistakes.concern(within)) {
        const auto where = item == 0 ? std::string() : fmt::format(" of item {}", item);
        mistakes.add(within, fmt::format("key '{}'{}", key, where), "stands there twice; keep one");
      }
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

/// What a profile is before its keys are read.
Profile unread_profile(std::string name) {
  return {.name = std::move(name),
          .description = {},
          .side = Side::kHome,
          .tunnel = *IfName::parse("wg0"),
          .sources = {},
          .named_sources = {},
          .host_senders = {},
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
          .public_ip6 = {},
          .tenants = {}};
}

/// Reads a profile key by key, and goes on behind those that are wrong.
class KeyReader {
 public:
  KeyReader(const ProfileOverrides& overrides, Profile& profile, Mistakes& mistakes)
      : overrides_(overrides), profile_(profile), mistakes_(mistakes) {}

  /// The side decides which keys there may be, so it is read first. Absent: it is missing or wrong.
  std::optional<Side> read_side(const json& document) {
    if (!document.contains("side")) {
      mistakes_.add("side", {}, "is missing; write \"home\" or \"vps\"");
      return std::nullopt;
    }
    read("side", document.at("side"), std::nullopt);
    return mistakes_.concern("side") ? std::nullopt : std::optional(profile_.side);
  }

  void read_others(const json& document, std::optional<Side> side) {
    for (const auto& [name, value] : document.items()) {
      if (name != "side") {
        read(name, value, side);
      }
    }
  }

 private:
  void read(const std::string& name, const json& value, std::optional<Side> side) {
    const auto refuse = [&](std::string_view refused, std::string hint) {
      const bool is_overridden = std::ranges::any_of(overrides_.settings, [&](const auto& setting) {
        return setting.first.substr(0, setting.first.find('.')) == name;  // "inner.kind" is of "inner"
      });
      if (is_overridden) {
        mistakes_.add_from("command line", name, refused, std::move(hint));
      } else {
        mistakes_.add(name, refused, std::move(hint));
      }
    };
    const auto key = std::ranges::find(profile_keys(), name, &ProfileKey::name);
    if (key == profile_keys().end()) {
      refuse({}, fmt::format("is not known; known are {}", known_keys(side)));
    } else if (!is_of(*key, side)) {
      refuse({}, fmt::format("belongs to the {} side, and this profile's side is \"{}\"; leave it out",
                             side == Side::kHome ? "VPS" : "home", word_for(*side)));
    } else {
      for (auto& refusal : key->read(value, profile_)) {
        refuse(refusal.object, std::move(refusal.hint));
      }
    }
  }

  const ProfileOverrides& overrides_;
  Profile& profile_;
  Mistakes& mistakes_;
};

struct Reading {
  Profile profile;  ///< to be used only where there is no mistake
  std::vector<ProfileMistake> mistakes;
};

/// `mistakes` are those that are known already.
Reading read_document(std::string name, const json& document, const ProfileOverrides& overrides, Mistakes mistakes) {
  auto profile = unread_profile(std::move(name));
  KeyReader reader(overrides, profile, mistakes);
  const auto side = reader.read_side(document);
  if (side == Side::kHome) {
    profile.table = kDefaultTable;
    profile.priority = kDefaultPriority;
  }
  reader.read_others(document, side);
  check_complete(profile, side, mistakes);
  gather_sources(profile);
  return {std::move(profile), std::move(mistakes).take()};
}

Reading read_text(std::string name, std::string_view origin, std::string_view text, const ProfileOverrides& overrides) {
  Mistakes mistakes(origin);
  auto document = parse_document(origin, text, mistakes);
  if (!document) {
    return {.profile = {}, .mistakes = {ProfileMistake{.key = {}, .error = std::move(document.error())}}};
  }
  for (const auto& [key, value] : overrides.settings) {
    override_key(*document, key, value);
  }
  return read_document(std::move(name), *document, overrides, std::move(mistakes));
}

Result<Profile> profile_or_first_mistake(Reading reading) {
  if (!reading.mistakes.empty()) {
    return std::unexpected(std::move(reading.mistakes.front().error));
  }
  return std::move(reading.profile);
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

std::string instance_name(const std::string& instance) {
  return instance.find('/') == std::string::npos ? instance : std::filesystem::path(instance).stem().string();
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
  return profile_or_first_mistake(read_text(std::move(name), origin, text, overrides));
}

std::vector<ProfileMistake> check_profile(std::string_view origin, std::string_view text,
                                          const ProfileOverrides& overrides) {
  return read_text({}, origin, text, overrides).mistakes;
}

Result<Profile> read_profile(std::string name, std::string_view origin, const json& document,
                             const ProfileOverrides& overrides) {
  return profile_or_first_mistake(read_document(std::move(name), document, overrides, Mistakes(origin)));
}

std::string profile_to_json(const Profile& profile) {
  return profile_document(profile).dump(2);
}

json profile_document(const Profile& profile) {
  json document{{"description", profile.description},
                {"side", word_for(profile.side)},
                {"tunnel", profile.tunnel.str()},
                {"mark", profile.open.mark ? "auto" : profile.mark.to_string()}};
  if (!profile.tenants.empty()) {
    document["tenants"] = tenants_document(profile.tenants);
  }
  for (const auto& source : profile.tenants.empty() ? profile.sources : std::vector<Prefix>{}) {
    document["sources"].push_back(source.to_string());
  }
  for (const auto& named : profile.named_sources) {
    json source{{word_for(named.kind), named.name}};
    add_addresses(named, source);
    document["sources"].push_back(std::move(source));
  }
  for (const auto& sender : profile.host_senders) {
    document["sources"].push_back(document_of(sender));
  }
  for (const auto& port : profile.ports) {
    document["ports"].push_back(port.to_string());
  }
  for (const auto& server : profile.probe) {
    document["probe"].push_back(server.to_string());
  }
  add_dns(profile.dns, document);
  if (profile.inner) {
    document["inner"] = inner_document(*profile.inner);
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
