#include "engine/state_record.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "model/profile_document.hpp"

namespace smtpegress {
namespace {

using nlohmann::json;

constexpr int kStateVersion = 2;
// The checksum stands at a fixed place, so that it can be checked before anything is parsed: CRC-32 as zlib's, in hex.
constexpr std::string_view kChecksumOpens = "{\n  \"checksum\": \"";
constexpr std::string_view kChecksumCloses = "\",\n";
constexpr std::size_t kChecksumDigits = 8;

std::string checksum_of(std::string_view text) {
  const void* const bytes = text.data();
  return fmt::format("{:0{}x}", ::crc32_z(0, static_cast<const Bytef*>(bytes), text.size()), kChecksumDigits);
}

constexpr std::array<std::pair<Phase, std::string_view>, 3> kPhaseNames{
    {{Phase::kEnabling, "enabling"}, {Phase::kEnabled, "enabled"}, {Phase::kDisabling, "disabling"}}};

std::string text_of(const IfName& name) {
  return name.str();
}
std::string text_of(const Prefix& prefix) {
  return prefix.to_string();
}
std::string text_of(const std::optional<IpAddress>& address) {
  return address ? address->to_string() : "";
}

template <class T>
json texts_of(const std::vector<T>& items) {
  json texts = json::array();
  for (const auto& item : items) {
    texts.push_back(text_of(item));
  }
  return texts;
}

json to_json(const ResolvedHost& host) {
  json tenants = json::array();
  for (const auto& snat_to : host.tenants_snat_to) {
    tenants.push_back(text_of(snat_to.v4));
    tenants.push_back(text_of(snat_to.v6));
  }
  return {{"wan", host.wan.str()},
          {"tenants_snat_to", std::move(tenants)},
          {"source_networks", texts_of(host.source_networks)},
          {"other_networks", texts_of(host.other_networks)},
          {"snat_to", text_of(host.snat_to.v4)},
          {"snat_to6", text_of(host.snat_to.v6)},
          {"public_ip", text_of(host.public_ip.v4)},
          {"public_ip6", text_of(host.public_ip.v6)},
          {"source_links", texts_of(host.source_links)},
          {"advertised_links", texts_of(host.advertised_links)},
          {"docker", static_cast<unsigned>(host.docker)},
          {"has_ipv6", host.has_ipv6},
          {"inner_local", host.inner ? host.inner->local.to_string() : ""},
          {"inner_mtu", host.inner ? host.inner->mtu : 0}};
}

// What is not there, as in a file of the version before IPv6, or does not parse is left empty.
std::optional<IpAddress> address_in(const json& document, const char* key) {
  const auto address = IpAddress::parse(document.value(key, ""));
  return address ? std::optional(*address) : std::nullopt;
}
template <class T>
std::vector<T> list_in(const json& document, const char* key, Result<T> (*parse)(std::string_view)) {
  std::vector<T> items;
  for (const auto& text : document.value(key, json::array())) {
    if (auto item = parse(text.get<std::string>())) {
      items.push_back(*std::move(item));
    }
  }
  return items;
}

/// The inverse: these are facts to fall back on, the host is asked first.
ResolvedHost host_from_json(const json& document) {
  ResolvedHost host;
  host.wan = IfName::parse(document.at("wan").get<std::string>()).value_or(IfName{});
  host.snat_to = {address_in(document, "snat_to"), address_in(document, "snat_to6")};
  host.public_ip = {address_in(document, "public_ip"), address_in(document, "public_ip6")};
  if (const auto docker = document.value("docker", 0U); docker <= static_cast<unsigned>(DockerBackend::kLegacy)) {
    host.docker = static_cast<DockerBackend>(docker);
  }
  host.has_ipv6 = document.value("has_ipv6", true);
  if (const auto local = address_in(document, "inner_local")) {
    host.inner = InnerLink{*local, document.value("inner_mtu", 0U)};
  }
  host.source_networks = list_in(document, "source_networks", Prefix::parse);
  host.other_networks = list_in(document, "other_networks", Prefix::parse);
  host.source_links = list_in(document, "source_links", IfName::parse);
  // Two texts for each tenant, IPv4's and IPv6's; an empty one where it has none.
  const auto tenants = document.value("tenants_snat_to", json::array());
  for (std::size_t i = 0; i + 1 < tenants.size(); i += 2) {
    const auto parsed = [&](std::size_t place) {
      const auto address = IpAddress::parse(tenants[place].get<std::string>());
      return address ? std::optional(*address) : std::nullopt;
    };
    host.tenants_snat_to.push_back({parsed(i), parsed(i + 1)});
  }
  host.advertised_links = list_in(document, "advertised_links", IfName::parse);
  return host;
}

json to_json(const SysctlRecord& record) {
  json sysctls = json::array();
  for (const auto& sysctl : record.saved) {
    sysctls.push_back({{"key", sysctl.key}, {"previous", sysctl.previous}, {"ours", sysctl.ours}});
  }
  return {{"version", kStateVersion},
          {"sysctls", std::move(sysctls)},
          {"translations", record.translations},
          {"links", record.links}};
}

json to_json(const Request& request) {
  return {{"instance", request.instance}, {"settings", request.overrides.settings}};
}

json to_json(const InstanceRecord& record) {
  json former = json::array();
  for (const auto& profile : record.former) {
    former.push_back(profile_document(profile));
  }
  const auto phase = std::ranges::find(kPhaseNames, record.phase, &decltype(kPhaseNames)::value_type::first);
  auto document = to_json(record.sysctls);
  document["instance"] = record.profile.name;
  document["phase"] = phase->second;
  document["profile"] = profile_document(record.profile);
  document["former"] = std::move(former);
  document["host"] = to_json(record.host);
  document["asked_for"] = to_json(record.profile.asked_for);
  return document;
}

/// With where it belongs, and the checksum ahead of it.
std::string sealed(json document, const Whereabouts& about) {
  document["boot"] = about.boot;
  document["network"] = about.network;
  const auto rest = document.dump(2).substr(2) + "\n";
  return fmt::format("{}{}{}{}", kChecksumOpens, checksum_of(rest), kChecksumCloses, rest);
}

/// The inverse; empty in a file of before it was kept.
Request request_from_json(const json& document) {
  return {document.value("instance", std::string()),
          {document.value("settings", decltype(ProfileOverrides::settings){})}};
}

/// A key becomes a path below /proc/sys, so it has to stay below what the program writes to.
bool is_ours_to_write(const std::string& key) {
  return (key.starts_with("net/ipv4/") || key.starts_with("net/ipv6/conf/")) &&
         (key + '/').find("/../") == std::string::npos && key.find('\0') == std::string::npos;
}

/// The inverse; nothing where a sysctl is not ours. Throws where a part is missing.
std::optional<SysctlRecord> sysctls_from_json(const json& document) {
  SysctlRecord record;
  for (const auto& sysctl : document.at("sysctls")) {
    SavedSysctl saved{sysctl.at("key").get<std::string>(), sysctl.at("previous").get<std::string>(),
                      sysctl.at("ours").get<std::string>()};
    if (!is_ours_to_write(saved.key)) {
      return std::nullopt;
    }
    record.saved.push_back(std::move(saved));
  }
  record.translations = document.at("translations").get<std::vector<std::string>>();
  for (const auto& link : document.value("links", json::array())) {
    record.links.push_back(link.is_number_integer() ? link.get<int>() : 0);
  }
  return record;
}

Whereabouts whereabouts_from_json(const json& document) {
  return {document.at("boot").get<std::string>(), document.value("network", std::string())};
}

}  // namespace

std::unexpected<Error> damaged_record(const std::string& name, const std::string& path, std::string_view what) {
  return std::unexpected(
      Error{.kind = ErrorKind::kDamaged,
            .operation = "read state",
            .object = path,
            .errnum = 0,
            .kernel_text = {},
            .hint = fmt::format("{0}; `smtp-egress disable {1}` moves it aside and removes what is recognisably ours, "
                                "`smtp-egress enable {1}` moves it aside and mends",
                                what, name)});
}

std::string record_to_json(const InstanceRecord& record, const Whereabouts& about) {
  return sealed(to_json(record), about);
}

std::string left_to_json(const SysctlRecord& left, const Whereabouts& about) {
  return sealed(to_json(left), about);
}

bool is_intact(std::string_view text) {
  constexpr auto kRestAt = kChecksumOpens.size() + kChecksumDigits + kChecksumCloses.size();
  return text.size() > kRestAt && text.starts_with(kChecksumOpens) &&
         text.substr(kChecksumOpens.size()).starts_with(checksum_of(text.substr(kRestAt)));
}

Result<WrittenRecord> read_record(const std::string& name, const std::string& path, std::string_view text) {
  const json document = nests_too_deeply(text) ? json() : json::parse(text, nullptr, false);
  if (!document.is_object()) {
    return damaged_record(name, path, "is not what this program wrote");
  }
  try {
    if (const auto& version = document.at("version"); version != kStateVersion) {
      return usage_error("read state", path,
                         fmt::format("is of version {}, and this program reads {}; `disable` it with the program that "
                                     "wrote it. Nothing was changed",
                                     version.dump(-1, ' ', true, json::error_handler_t::replace), kStateVersion));
    }
    auto profile = read_profile(name, path, document.at("profile"));
    if (!profile) {
      return damaged_record(name, path, "holds no profile: " + profile.error().message());
    }
    WrittenRecord written;
    written.about = whereabouts_from_json(document);
    auto& record = written.record;
    record.profile = *std::move(profile);
    record.profile.asked_for = request_from_json(document.value("asked_for", json::object()));
    record.host = host_from_json(document.at("host"));
    const auto phase = std::ranges::find(kPhaseNames, document.at("phase").get<std::string>(),
                                         &decltype(kPhaseNames)::value_type::second);
    if (phase == kPhaseNames.end()) {
      return damaged_record(name, path, "names an unknown phase");
    }
    record.phase = phase->first;
    for (const auto& document_of_former : document.at("former")) {
      auto former = read_profile(name, path, document_of_former);
      if (!former) {
        return damaged_record(name, path, "holds no profile: " + former.error().message());
      }
      record.former.push_back(*std::move(former));
    }
    auto sysctls = sysctls_from_json(document);
    if (!sysctls) {
      return damaged_record(name, path, "names a sysctl that is not ours");
    }
    record.sysctls = *std::move(sysctls);
    return written;
  } catch (const json::exception&) {
    return damaged_record(name, path, "lacks a part");
  }
}

std::optional<SysctlRecord> read_left(std::string_view text, const Whereabouts& here) {
  const json document = !is_intact(text) || nests_too_deeply(text) ? json() : json::parse(text, nullptr, false);
  if (!document.is_object()) {
    return std::nullopt;
  }
  try {
    const bool is_here = document.at("version") == kStateVersion && whereabouts_from_json(document) == here;
    return is_here ? sysctls_from_json(document) : std::nullopt;
  } catch (const json::exception&) {
    return std::nullopt;
  }
}

const SavedSysctl* SysctlRecord::find(std::string_view key) const {
  const auto found = std::ranges::find(saved, key, &SavedSysctl::key);
  return found == saved.end() ? nullptr : &*found;
}

}  // namespace smtpegress
