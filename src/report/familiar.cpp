#include "report/familiar.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <iterator>

#include "model/docker.hpp"
#include "model/tenants.hpp"
#include "net/contains.hpp"
#include "report/names.hpp"
#include "report/profile_text.hpp"

namespace smtpegress::report {
namespace {

// Words of this program and of those around it: as names they tell nobody apart, and masked they would take the sense
// from half of a report.
constexpr std::array<std::string_view, 48> kPlainWords{
    "accept", "address", "all",     "any",    "auto",      "bridge", "default", "docker", "drop",  "eth0",
    "filter", "forward", "gateway", "guard",  "handle",    "home",   "host",    "inet",   "input", "ip",
    "ip6",    "ipv4",    "ipv6",    "local",  "localhost", "mail",   "mailcow", "mailu",  "main",  "mark",
    "mox",    "name",    "nat",     "output", "peer",      "port",   "raw",     "router", "rule",  "server",
    "smtp",   "source",  "table",   "tcp",    "tunnel",    "user",   "vps",     "wg0"};

void add_name(Familiar& known, std::string_view text, const char* kind) {
  auto name = bare_name(text);
  const bool is_number = std::ranges::all_of(name, [](unsigned char c) { return std::isdigit(c) != 0; });
  if (!is_number && !contains(kPlainWords, name)) {
    known.names.try_emplace(std::move(name), kind);
  }
}

/// And where the replies to it sidestep Docker, which tells as much.
void add_network(Familiar& known, const Prefix& source) {
  const bool is_known = contains(known.networks, source, &NamedNetwork::network);
  constexpr std::uint8_t kShortest = 4;  // bits; sidestep_network() takes no less
  if (source.length < kShortest || is_known) {
    return;
  }
  if (!tells_of_somebody(source.address)) {
    known.of_nobody.push_back(sidestep_network(source));
    return;
  }
  constexpr std::size_t kEach = 2;  // a network and its sidestep
  const auto number = known.networks.size() / kEach + 1;
  const char family = source.address.family == IpFamily::kV4 ? '4' : '6';
  known.networks.push_back({source, fmt::format("source{}-{}", family, number)});
  known.networks.push_back({sidestep_network(source), fmt::format("sidestep{}-{}", family, number)});
}

void add_server(Familiar& known, const MailServer& server, const char* kind) {
  if (!IpAddress::parse(server.host)) {
    add_name(known, server.host, kind);
  }
}

/// A server's or a domain's, as somebody wrote it: "mx.example.org:smtp", "@example.org".
void add_written(Familiar& known, const std::string& text, const char* kind) {
  if (const auto server = MailServer::parse(text)) {
    add_server(known, *server, kind);
    return;
  }
  for (const auto& name : dotted_names_in(text)) {
    add_name(known, name, kind);
  }
}

void add_named_in(Familiar& known, const std::string& text) {
  for (const auto& tenant : texts_of(text, "name")) {
    for (const auto& name : names_in(tenant)) {  // several of one that is refused: of "Alice Miller"
      add_name(known, name, "tenant");
    }
  }
  for (const auto& [key, kind] : {std::pair{"probe", "server"},
                                  {"mail_name", "server"},
                                  {"mail_domains", "domain"},
                                  {"blocklists", "blocklist"}}) {
    for (const auto& name : texts_of(text, key)) {
      add_written(known, name, kind);
    }
  }
}

void add_named_in(Familiar& known, const Profile& profile) {
  for (const auto& server : profile.probe) {
    add_server(known, server, "server");
  }
  for (const auto& tenant : profile.tenants) {
    add_name(known, tenant.name, "tenant");
  }
  if (profile.dns.mail_name) {
    add_name(known, profile.dns.mail_name->str(), "server");
  }
  for (const auto& domain : profile.dns.mail_domains) {
    add_name(known, domain.str(), "domain");
  }
  for (const auto& zone : profile.dns.blocklists) {
    add_name(known, zone.str(), "blocklist");
  }
}

/// Each as it is shown, and as messages quote what is in it. A record has as a text what --set was given as JSON:
/// [{\"name\": \"J\\u00fcrgen\"}].
std::vector<std::string> readings_of(const std::vector<std::string>& texts) {
  std::vector<std::string> readings;
  for (const auto& text : texts) {
    readings.push_back(with_plain_letters(text));
    readings.push_back(without_escapes(text));
  }
  return readings;
}

/// Interfaces' names stay, also of those that are not there.
void keep_interfaces(Familiar& known, const Profile& profile) {
  auto names = tunnels_of(profile);
  names.push_back(profile.wan.value_or(IfName{}));
  names.push_back(profile.inner ? profile.inner->link : IfName{});
  for (const auto& name : names) {
    known.kept.insert(bare_name(name.str()));
  }
}

}  // namespace

Familiar familiar_with(const Sources& sources) {
  Familiar known;
  std::ranges::transform(sources.own_addresses, std::back_inserter(known.own), &InterfaceAddress::local);
  for (const auto& name : sources.own_names) {
    add_name(known, name, "host");
  }
  for (const auto& profile : sources.profiles) {
    add_named_in(known, profile);
    keep_interfaces(known, profile);
    for (const auto& source : profile.sources) {
      add_network(known, source);
    }
  }
  for (const auto& name : sources.kept) {
    known.kept.insert(bare_name(name));
  }
  const auto readings = readings_of(sources.texts);
  for (const auto& text : readings) {
    add_named_in(known, text);
  }
  for (const auto& text : readings) {
    for (const auto& name : full_names_in(text)) {
      add_name(known, name, "name");
    }
  }
  return known;
}

}  // namespace smtpegress::report
