#include "model/profile_keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "model/families.hpp"
#include "model/inner_key.hpp"
#include "model/private_networks.hpp"
#include "model/profile_dns.hpp"
#include "model/profile_senders.hpp"
#include "model/profile_tenants.hpp"
#include "model/profile_values.hpp"
#include "net/contains.hpp"

namespace smtpegress {
namespace {

using nlohmann::json;

constexpr std::uint8_t kShortestSource = 4;         // bits; where replies sidestep to there is room for the like of it
constexpr std::uint32_t kMainRulePriority = 32766;  // the kernel's rule for the main table, net/ipv4/fib_rules.c

}  // namespace

std::string text_of(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

Error wrong_type(const json& value, std::string_view right) {
  return usage_error({}, text_of(value), fmt::format("is {}; write {}", value.type_name(), right)).error();
}

namespace {

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
  return [=](const json& value, Profile& profile) -> Refusals {
    const auto text = scalar_text(value);
    if (!text) {
      return {wrong_type(value, right)};
    }
    auto parsed = parse(*text);
    if (!parsed) {
      return {parsed.error()};
    }
    profile.*member = *std::move(parsed);
    return {};
  };
}

/// A scalar that is no number: 7 is not an interface's name, though "7" may be.
template <class T>
Reader word(T Profile::*member, Result<T> (*parse)(std::string_view), std::string_view right) {
  return [read = scalar(member, parse, right), right](const json& value, Profile& profile) -> Refusals {
    return value.is_string() ? read(value, profile) : Refusals{wrong_type(value, right)};
  };
}

template <class T>
Reader optional_scalar(std::optional<T> Profile::*member, Result<T> (*parse)(std::string_view),
                       std::string_view right) {
  return [=](const json& value, Profile& profile) -> Refusals {
    if (!value.is_string()) {
      return {wrong_type(value, right)};
    }
    (profile.*member).reset();
    if (const auto text = value.get<std::string>(); text != "auto") {
      auto parsed = parse(text);
      if (!parsed) {
        return {parsed.error()};
      }
      profile.*member = *std::move(parsed);
    }
    return {};
  };
}

/// One that may be left open.
template <class T>
Reader scalar_or_auto(T Profile::*member, bool OpenKeys::*open, Result<T> (*parse)(std::string_view),
                      std::string_view right) {
  return [=, read = scalar(member, parse, right)](const json& value, Profile& profile) -> Refusals {
    profile.open.*open = value == "auto";
    return profile.open.*open ? Refusals{} : read(value, profile);
  };
}

/// One more item of a list, none overlapping another. One that does is refused, but stands there for those behind it.
template <class T>
Result<void> add_item(std::vector<T>& items, const json& item, Result<T> (*parse)(std::string_view),
                      std::string_view right) {
  const auto text = scalar_text(item);
  if (!text) {
    return std::unexpected(wrong_type(item, right));
  }
  auto parsed = parse(*text);
  if (!parsed) {
    return std::unexpected(parsed.error());
  }
  const auto earlier = std::ranges::find_if(items, [&](const T& other) { return other.overlaps(*parsed); });
  const auto met = earlier == items.end() ? std::string() : earlier->to_string();
  items.push_back(*std::move(parsed));
  return met.empty() ? Result<void>()
                     : usage_error({}, items.back().to_string(), fmt::format("overlaps {}; name each only once", met));
}

template <class T>
Reader list(std::vector<T> Profile::*member, Result<T> (*parse)(std::string_view), std::string_view right) {
  return [=](const json& value, Profile& profile) -> Refusals {
    if (!value.is_array()) {
      return {wrong_type(value, right)};
    }
    Refusals refusals;
    std::vector<T> items;
    for (const auto& item : value) {
      if (auto added = add_item(items, item, parse, right); !added) {
        refusals.push_back(std::move(added.error()));
      }
    }
    profile.*member = std::move(items);
    return refusals;
  };
}

Refusals read_schema(const json& value, Profile& /*unused*/) {
  return value.is_string() ? Refusals{}
                           : Refusals{wrong_type(value, "the schema's place, or leave it out; only editors read it")};
}

/// What no forwarded IPv6 packet comes from.
Result<void> check_ipv6_source(const Prefix& prefix, std::string_view text) {
  const auto refused = [&](std::string_view why) {
    return usage_error({}, fmt::format("'{}'", text), fmt::format("{}; name the mail stack's own network", why));
  };
  const auto within = [&](std::string_view network) { return Prefix::parse(network)->overlaps(prefix); };
  if (within("fe80::/10")) {
    return refused("is link-local, and such addresses are never routed");
  }
  if (within("ff00::/8")) {
    return refused("is multicast, and nothing is sent from there");
  }
  if (within("::/8")) {
    return refused("holds no address that is routed (IPv4 networks are written as such: 192.168.203.0/24)");
  }
  return {};
}

}  // namespace

Result<Prefix> parse_source(std::string_view text) {
  auto prefix = Prefix::parse(text);
  if (!prefix) {
    return prefix;
  }
  if (prefix->is_default()) {
    return usage_error({}, fmt::format("'{}'", text), "is the whole internet; name the mail stack's own network");
  }
  if (prefix->length < kShortestSource) {
    return usage_error({}, fmt::format("'{}'", text),
                       "is a large part of the internet; name the mail stack's own network");
  }
  if (auto possible = check_ipv6_source(*prefix, text); !possible) {
    return std::unexpected(possible.error());
  }
  return prefix;
}

namespace {

constexpr std::string_view kRightSources = "a list like [\"192.168.203.0/24\"]";

/// {"docker_network": "mailu_default"}
Result<NamedSource> read_named_source(const json& item) {
  for (const auto& [word, kind] : choices_of<NamedSource::Kind>()) {
    const auto name = item.find(word);
    const bool is_named =
        item.size() == 1 && name != item.end() && name->is_string() && !name->get<std::string>().empty();
    if (!is_named) {
      continue;
    }
    if (kind == NamedSource::Kind::kInterface) {
      if (const auto interface = IfName::parse(name->get<std::string>()); !interface) {
        return std::unexpected(interface.error());
      }
    }
    return NamedSource{kind, name->get<std::string>(), {}};
  }
  return usage_error({}, text_of(item),
                     "is no source; write a network, {\"docker_network\": \"mailu_default\"}, "
                     "{\"interface\": \"incusbr0\"} or, of this host's own processes, {\"user\": \"mox\"}");
}

Result<void> add_object(Profile& profile, const json& item) {
  if (is_host_sender(item)) {
    return add_host_sender(profile, item);
  }
  auto& items = profile.named_sources;
  auto named = read_named_source(item);
  if (!named) {
    return std::unexpected(named.error());
  }
  if (contains(items, *named)) {
    return usage_error({}, named->to_string(), "is there twice; name each only once");
  }
  items.push_back(*std::move(named));
  return {};
}

Refusals read_sources(const json& value, Profile& profile) {
  if (!value.is_array()) {
    return {wrong_type(value, kRightSources)};
  }
  Refusals refusals;
  profile.sources.clear();
  profile.named_sources.clear();
  profile.host_senders.clear();
  for (const auto& item : value) {
    auto added =
        item.is_object() ? add_object(profile, item) : add_item(profile.sources, item, parse_source, kRightSources);
    if (!added) {
      refusals.push_back(std::move(added.error()));
    }
  }
  return refusals;
}

}  // namespace

Result<IpAddress> parse_public_ip6(std::string_view text) {
  auto address = IpAddress::parse(text);
  if (!address || address->family != IpFamily::kV6) {
    return usage_error({}, fmt::format("'{}'", text), "is not an IPv6 address; write it like 2001:db8::10");
  }
  if (!can_be_of_a_host(*address) || is_link_local(*address)) {
    return usage_error({}, fmt::format("'{}'", text), "is no address that a host on the internet can have");
  }
  return address;
}

Result<IpAddress> parse_public_ip(std::string_view text) {
  auto address = IpAddress::parse(text);
  if (!address || address->family != IpFamily::kV4) {
    return usage_error({}, fmt::format("'{}'", text),
                       address ? "is not an IPv4 address; write it like 203.0.113.10 (IPv6's key is public_ip6)"
                               : "is not an IPv4 address; write it like 203.0.113.10");
  }
  if (!can_be_of_a_host(*address)) {
    return usage_error({}, fmt::format("'{}'", text), "is no address that a host on the internet can have");
  }
  return address;
}

namespace {

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

/// A setting that is one of a few words.
template <class Choice>
Result<Choice> parse_choice(std::string_view text) {
  std::string choices;
  for (const auto& [word, choice] : choices_of<Choice>()) {
    if (text == word) {
      return choice;
    }
    choices += fmt::format("{}\"{}\"", choices.empty() ? "" : " or ", word);
  }
  return usage_error({}, fmt::format("'{}'", text), fmt::format("is not a choice; write {}", choices));
}

/// A person's own words: what stands there in place of a text may be some, too, and is not quoted.
Refusals read_description(const json& value, Profile& profile) {
  if (!value.is_string()) {
    return {usage_error({}, {}, fmt::format("is {}; write a text", value.type_name())).error()};
  }
  profile.description = value.get<std::string>();
  // JSON's texts are UTF-8; an override's can be any bytes, and could be read but not be written again.
  const bool is_utf8 = json::parse(value.dump(-1, ' ', false, json::error_handler_t::ignore)) == value;
  return is_utf8 ? Refusals{}
                 : Refusals{usage_error({}, fmt::format("'{}'", profile.description), "is not UTF-8").error()};
}

constexpr std::size_t kMostServers = 8;  // each is a conversation, for every sender

/// Mail servers that verify talks to.
Refusals read_probe(const json& value, Profile& profile) {
  constexpr std::string_view kRight = "a list like [\"mx.example.org\"]";
  if (!value.is_array()) {
    return {wrong_type(value, kRight)};
  }
  Refusals refusals;
  profile.probe.clear();
  for (const auto& item : value) {
    const auto server = item.is_string() ? MailServer::parse(item.get<std::string>())
                                         : Result<MailServer>(std::unexpected(wrong_type(item, kRight)));
    if (!server) {
      refusals.push_back(server.error());
    } else if (contains(profile.probe, *server)) {
      refusals.push_back(usage_error({}, server->to_string(), "is there twice; name each only once").error());
    } else {
      profile.probe.push_back(*server);
    }
  }
  if (profile.probe.size() > kMostServers) {
    refusals.push_back(
        usage_error({}, {}, fmt::format("names more than {} mail servers; a few tell as much", kMostServers)).error());
  }
  return refusals;
}

}  // namespace

std::string NamedSource::to_string() const {
  if (kind == Kind::kUser) {
    return name == "*" ? "this host" : "user " + name;
  }
  return (kind == Kind::kDockerNetwork ? "docker network " : "interface ") + name;
}

std::span<const ProfileKey> profile_keys() {
  static const auto kKeys = std::to_array<ProfileKey>({
      {"description", Belongs::kBoth, read_description},
      {"side", Belongs::kBoth, word(&Profile::side, parse_choice<Side>, "\"home\" or \"vps\"")},
      {"tunnel", Belongs::kBoth, word(&Profile::tunnel, IfName::parse, "an interface name like \"wg0\"")},
      {"sources", Belongs::kBoth, read_sources},
      {"tenants", Belongs::kVpsOnly, read_tenants},
      {"ports", Belongs::kBoth, list(&Profile::ports, PortRange::parse, "a list like [25]")},
      {"mark", Belongs::kBoth,
       scalar_or_auto(&Profile::mark, &OpenKeys::mark, Mark::parse, "a mark like \"0x19\", or \"auto\"")},
      {"inner", Belongs::kBoth, read_inner},
      {"probe", Belongs::kBoth, read_probe},
      {kMailNameKey, Belongs::kBoth, read_mail_name},
      {kMailDomainsKey, Belongs::kBoth, read_mail_domains},
      {kBlocklistsKey, Belongs::kBoth, read_blocklists},
      {"table", Belongs::kHomeOnly,
       scalar_or_auto(&Profile::table, &OpenKeys::table, parse_table, "a table number like 100, or \"auto\"")},
      {"priority", Belongs::kHomeOnly,
       scalar_or_auto(&Profile::priority, &OpenKeys::priority, parse_priority,
                      "a rule priority like 10025, or \"auto\"")},
      {"rp_filter", Belongs::kHomeOnly,
       word(&Profile::rp_filter, parse_choice<RpFilterScope>, "\"all\" or \"tunnel\"")},
      {"nat", Belongs::kHomeOnly, word(&Profile::nat, parse_choice<HomeNat>, "\"preserve\" or \"masquerade\"")},
      {"steering", Belongs::kHomeOnly, word(&Profile::steering, parse_choice<Steering>, "\"mark\" or \"rule\"")},
      {"docker", Belongs::kHomeOnly,
       word(&Profile::docker, parse_choice<DockerBypass>, "\"auto\", \"exception\" or \"sidestep\"")},
      {"inbound", Belongs::kHomeOnly, word(&Profile::inbound, parse_choice<Inbound>, "\"any\" or \"published\"")},
      {"wan", Belongs::kVpsOnly, optional_scalar(&Profile::wan, IfName::parse, "an interface name, or \"auto\"")},
      {"public_ip", Belongs::kVpsOnly,
       optional_scalar(&Profile::public_ip, parse_public_ip, "an IPv4 address like \"203.0.113.10\", or \"auto\"")},
      {"public_ip6", Belongs::kVpsOnly,
       optional_scalar(&Profile::public_ip6, parse_public_ip6, "an IPv6 address like \"2001:db8::10\", or \"auto\"")},
      {kSchemaKey, Belongs::kBoth, read_schema},
  });
  return kKeys;
}

}  // namespace smtpegress
