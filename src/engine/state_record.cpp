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

json to_json(const ResolvedHost& host) {
  json links = json::array();
  for (const auto& link : host.source_links) {
    links.push_back(link.str());
  }
  json networks = json::array();
  for (const auto& network : host.source_networks) {
    networks.push_back(network.to_string());
  }
  return {{"wan", host.wan.str()},
          {"source_networks", std::move(networks)},
          {"snat_to", host.snat_to ? host.snat_to->to_string() : ""},
          {"public_ip", host.public_ip ? host.public_ip->to_string() : ""},
          {"source_links", std::move(links)},
          {"docker", static_cast<unsigned>(host.docker)}};
}

/// The inverse. What does not parse is left empty: these are facts to fall back on, the host is asked first.
ResolvedHost host_from_json(const json& document) {
  ResolvedHost host;
  host.wan = IfName::parse(document.at("wan").get<std::string>()).value_or(IfName{});
  if (const auto address = IpAddress::parse(document.at("snat_to").get<std::string>())) {
    host.snat_to = *address;
  }
  if (const auto address = IpAddress::parse(document.at("public_ip").get<std::string>())) {
    host.public_ip = *address;
  }
  if (const auto docker = document.value("docker", 0U); docker <= static_cast<unsigned>(DockerBackend::kLegacy)) {
    host.docker = static_cast<DockerBackend>(docker);
  }
  for (const auto& network : document.at("source_networks")) {
    if (auto prefix = Prefix::parse(network.get<std::string>())) {
      host.source_networks.push_back(*std::move(prefix));
    }
  }
  for (const auto& link : document.at("source_links")) {
    if (auto name = IfName::parse(link.get<std::string>())) {
      host.source_links.push_back(*std::move(name));
    }
  }
  return host;
}

json to_json(const InstanceRecord& record) {
  json sysctls = json::array();
  for (const auto& sysctl : record.sysctls) {
    sysctls.push_back({{"key", sysctl.key}, {"previous", sysctl.previous}, {"ours", sysctl.ours}});
  }
  json former = json::array();
  for (const auto& profile : record.former) {
    former.push_back(profile_document(profile));
  }
  const auto phase = std::ranges::find(kPhaseNames, record.phase, &decltype(kPhaseNames)::value_type::first);
  return {{"version", kStateVersion},      {"instance", record.profile.name},
          {"phase", phase->second},        {"profile", profile_document(record.profile)},
          {"former", std::move(former)},   {"host", to_json(record.host)},
          {"sysctls", std::move(sysctls)}, {"translations", record.translations}};
}

/// A key becomes a path below /proc/sys, so it has to stay below what the program writes to.
bool is_ours_to_write(const std::string& key) {
  return key.starts_with("net/ipv4/") && (key + '/').find("/../") == std::string::npos &&
         key.find('\0') == std::string::npos;
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

std::string record_to_json(const InstanceRecord& record, std::string_view boot) {
  auto document = to_json(record);
  document["boot"] = boot;
  const auto rest = document.dump(2).substr(2) + "\n";
  return fmt::format("{}{}{}{}", kChecksumOpens, checksum_of(rest), kChecksumCloses, rest);
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
    written.boot = document.at("boot").get<std::string>();
    auto& record = written.record;
    record.profile = *std::move(profile);
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
    for (const auto& sysctl : document.at("sysctls")) {
      SavedSysctl saved{sysctl.at("key").get<std::string>(), sysctl.at("previous").get<std::string>(),
                        sysctl.at("ours").get<std::string>()};
      if (!is_ours_to_write(saved.key)) {
        return damaged_record(name, path, "names a sysctl that is not ours");
      }
      record.sysctls.push_back(std::move(saved));
    }
    record.translations = document.at("translations").get<std::vector<std::string>>();
    return written;
  } catch (const json::exception&) {
    return damaged_record(name, path, "lacks a part");
  }
}

}  // namespace smtpegress
