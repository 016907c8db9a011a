#include "smtpegress/profile.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <nlohmann/json.hpp>

#include "model/profile_document.hpp"

namespace smtpegress {
namespace {

using nlohmann::json;

// The scripts' own values: 0x19 is 25, the port; 100 and 10025 are what their users already know.
constexpr Mark kDefaultMark{0x19, 0xffffffff};
constexpr TableId kDefaultTable{100};
constexpr RulePriority kDefaultPriority{10025};
constexpr PortRange kSmtpPort{25, 25};
constexpr std::size_t kMaxInstanceName = 48;  // bytes; with the prefix well inside NFT_NAME_MAXLEN (256) and NAME_MAX
constexpr std::uint32_t kMainRulePriority = 32766;  // the kernel's rule for the main table, net/ipv4/fib_rules.c
constexpr std::size_t kMaxSources = 64;             // a rule each; more belongs into a set

enum class Belongs : std::uint8_t { kBoth, kHomeOnly, kVpsOnly };

/// Reads one key's value into the profile; an error's object is the offending value.
using Reader = std::function<Result<void>(const json&, Profile&)>;

struct Key {
  std::string_view name;
  Belongs belongs;
  Reader read;
};

Result<void> wrong_type(const json& value, std::string_view right) {
  return usage_error({}, value.dump(-1, ' ', false, json::error_handler_t::replace),
                     fmt::format("is {}; write {}", value.type_name(), right));
}

/// A value as text: JSON strings as they are, whole numbers in decimal, so that `25` and `"25"` mean the same.
std::optional<std::string> scalar_text(const json& value) {
  if (value.is_string()) {
    return value.get<std::string>();
  }
  if (value.is_number_unsigned()) {
    return fmt::format("{}", value.get<std::uint64_t>());
  }
  return std::nullopt;
}

template <class T>
Reader scalar(T Profile::*member, Result<T> (*parse)(std::string_view), std::string_view right) {
  return [=](const json& value, Profile& profile) -> Result<void> {
    const auto text = scalar_text(value);
    if (!text) {
      return wrong_type(value, right);
    }
    auto parsed = parse(*text);
    if (!parsed) {
      return std::unexpected(parsed.error());
    }
    profile.*member = *std::move(parsed);
    return {};
  };
}

template <class T>
Reader optional_scalar(std::optional<T> Profile::*member, Result<T> (*parse)(std::string_view),
                       std::string_view right) {
  return [=](const json& value, Profile& profile) -> Result<void> {
    if (!value.is_string()) {
      return wrong_type(value, right);
    }
    (profile.*member).reset();
    if (const auto text = value.get<std::string>(); text != "auto") {
      auto parsed = parse(text);
      if (!parsed) {
        return std::unexpected(parsed.error());
      }
      profile.*member = *std::move(parsed);
    }
    return {};
  };
}

template <class T>
Reader list(std::vector<T> Profile::*member, Result<T> (*parse)(std::string_view), std::string_view right) {
  return [=](const json& value, Profile& profile) -> Result<void> {
    if (!value.is_array()) {
      return wrong_type(value, right);
    }
    std::vector<T> items;
    for (const auto& item : value) {
      const auto text = scalar_text(item);
      if (!text) {
        return wrong_type(item, right);
      }
      auto parsed = parse(*text);
      if (!parsed) {
        return std::unexpected(parsed.error());
      }
      for (const auto& earlier : items) {
        if (earlier.overlaps(*parsed)) {
          return usage_error({}, parsed->to_string(),
                             fmt::format("overlaps {}; name each only once", earlier.to_string()));
        }
      }
      items.push_back(*std::move(parsed));
    }
    profile.*member = std::move(items);
    return {};
  };
}

Result<Prefix> parse_source(std::string_view text) {
  auto prefix = Prefix::parse(text);
  if (!prefix) {
    return prefix;
  }
  if (prefix->address.family != IpFamily::kV4) {
    return usage_error({}, fmt::format("'{}'", text), "is IPv6; sources are IPv4 networks for now");
  }
  if (prefix->is_default()) {
    return usage_error({}, fmt::format("'{}'", text), "is the whole internet; name the mail stack's own network");
  }
  return prefix;
}

Result<IpAddress> parse_public_ip(std::string_view text) {
  auto address = IpAddress::parse(text);
  if (!address || address->family != IpFamily::kV4) {
    return usage_error({}, fmt::format("'{}'", text),
                       "is not an IPv4 address; write it like 203.0.113.10, or \"auto\"");
  }
  const auto first = address->bytes[0];
  if (first == 0 || first == 127 || first >= 224) {
    return usage_error({}, fmt::format("'{}'", text), "is no address that a host on the internet can have");
  }
  return address;
}

template <class Number>
Result<Number> parse_u32(std::string_view text, std::string_view right) {
  const json parsed = json::parse(text, nullptr, false);
  if (!parsed.is_number_unsigned() || parsed.get<std::uint64_t>() > 0xffffffff) {
    return usage_error({}, fmt::format("'{}'", text), fmt::format("is not {}", right));
  }
  return Number{parsed.get<std::uint32_t>()};
}

Result<TableId> parse_table(std::string_view text) {
  auto table = parse_u32<TableId>(text, "a table number");
  if (table && (table->value == 0 || (table->value >= 253 && table->value <= 255))) {
    return usage_error(
        {}, fmt::format("'{}'", text),
        "is one of the kernel's own tables (0 unspec, 253 default, 254 main, 255 local); choose another, "
        "such as 100");
  }
  return table;
}

Result<RulePriority> parse_priority(std::string_view text) {
  auto priority = parse_u32<RulePriority>(text, "a rule priority");
  if (priority && (priority->value == 0 || priority->value >= kMainRulePriority)) {
    return usage_error({}, fmt::format("'{}'", text),
                       "must lie between the local table's rule (0) and main's (32766), such as 10025");
  }
  return priority;
}

Result<Side> parse_side(std::string_view text) {
  if (text == "home" || text == "vps") {
    return text == "home" ? Side::kHome : Side::kVps;
  }
  return usage_error({}, fmt::format("'{}'", text), "is not a side; write \"home\" or \"vps\"");
}

Result<RpFilterScope> parse_rp_filter(std::string_view text) {
  if (text == "all" || text == "tunnel") {
    return text == "all" ? RpFilterScope::kAll : RpFilterScope::kTunnel;
  }
  return usage_error({}, fmt::format("'{}'", text), "is not a choice; write \"all\" or \"tunnel\"");
}

Result<std::string> parse_text(std::string_view text) {
  return std::string(text);
}

const std::array<Key, 11>& keys() {
  static const std::array<Key, 11> kKeys{{
      {"description", Belongs::kBoth, scalar(&Profile::description, parse_text, "a text")},
      {"side", Belongs::kBoth, scalar(&Profile::side, parse_side, "\"home\" or \"vps\"")},
      {"tunnel", Belongs::kBoth, scalar(&Profile::tunnel, IfName::parse, "an interface name like \"wg0\"")},
      {"sources", Belongs::kBoth, list(&Profile::sources, parse_source, "a list like [\"192.168.203.0/24\"]")},
      {"ports", Belongs::kBoth, list(&Profile::ports, PortRange::parse, "a list like [25]")},
      {"mark", Belongs::kBoth, scalar(&Profile::mark, Mark::parse, "a mark like \"0x19\"")},
      {"table", Belongs::kHomeOnly, scalar(&Profile::table, parse_table, "a table number like 100")},
      {"priority", Belongs::kHomeOnly, scalar(&Profile::priority, parse_priority, "a rule priority like 10025")},
      {"rp_filter", Belongs::kHomeOnly, scalar(&Profile::rp_filter, parse_rp_filter, "\"all\" or \"tunnel\"")},
      {"wan", Belongs::kVpsOnly, optional_scalar(&Profile::wan, IfName::parse, "an interface name, or \"auto\"")},
      {"public_ip", Belongs::kVpsOnly,
       optional_scalar(&Profile::public_ip, parse_public_ip, "an IPv4 address like \"203.0.113.10\", or \"auto\"")},
  }};
  return kKeys;
}

std::string key_object(std::string_view origin, std::string_view key, std::string_view value) {
  return value.empty() ? fmt::format("{}: key '{}'", origin, key) : fmt::format("{}: key '{}': {}", origin, key, value);
}

std::string known_keys(Side side) {
  std::string text;
  for (const auto& key : keys()) {
    if (key.belongs == Belongs::kBoth || (key.belongs == Belongs::kHomeOnly) == (side == Side::kHome)) {
      text += (text.empty() ? "" : ", ") + std::string(key.name);
    }
  }
  return text;
}

Result<void> check_belongs(std::string_view origin, const Key& key, Side side) {
  if (key.belongs == Belongs::kBoth || (key.belongs == Belongs::kHomeOnly) == (side == Side::kHome)) {
    return {};
  }
  return usage_error("read profile", key_object(origin, key.name, {}),
                     fmt::format("belongs to the {} side, and this profile's side is \"{}\"; leave it out",
                                 side == Side::kHome ? "VPS" : "home", side == Side::kHome ? "home" : "vps"));
}

Result<void> check_complete(std::string_view origin, const Profile& profile) {
  if (profile.sources.empty()) {
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
  if (profile.tunnel.str() == "lo") {
    return usage_error("read profile", key_object(origin, "tunnel", "lo"),
                       "cannot be a tunnel; name the WireGuard interface");
  }
  return {};
}

/// An override's value: JSON where it is JSON of the right shape, else a text; a key that holds a list takes "a,b" as
/// well.
json override_value(const std::string& key, const std::string& text) {
  const json parsed = json::parse(text, nullptr, false);
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
  json document;
  try {
    std::vector<std::string> seen;
    std::optional<std::string> repeated;
    const json::parser_callback_t callback = [&](int depth, json::parse_event_t event, json& parsed) {
      if (event == json::parse_event_t::key && depth == 1) {
        const auto key = parsed.get<std::string>();
        if (std::ranges::find(seen, key) != seen.end()) {
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
    const auto key = std::ranges::find(keys(), name, &Key::name);
    if (key == keys().end()) {
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
                  .ports = {kSmtpPort},
                  .mark = kDefaultMark,
                  .table = {},
                  .priority = {},
                  .rp_filter = RpFilterScope::kAll,
                  .wan = {},
                  .public_ip = {}};
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
                {"side", profile.side == Side::kHome ? "home" : "vps"},
                {"tunnel", profile.tunnel.str()},
                {"mark", profile.mark.to_string()}};
  for (const auto& source : profile.sources) {
    document["sources"].push_back(source.to_string());
  }
  for (const auto& port : profile.ports) {
    document["ports"].push_back(port.to_string());
  }
  if (profile.side == Side::kHome) {
    document["table"] = profile.table.value;
    document["priority"] = profile.priority.value;
    document["rp_filter"] = profile.rp_filter == RpFilterScope::kAll ? "all" : "tunnel";
  } else {
    document["wan"] = profile.wan ? profile.wan->str() : "auto";
    document["public_ip"] = profile.public_ip ? profile.public_ip->to_string() : "auto";
  }
  return document;
}

}  // namespace smtpegress
