#include "report/familiar.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <iterator>

#include "model/docker.hpp"
#include "net/contains.hpp"
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

void add_name(Familiar& known, std::string name, const char* kind) {
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
  while (name.ends_with('.')) {  // as one that is written out whole has it
    name.pop_back();
  }
  const bool is_number = std::ranges::all_of(name, [](unsigned char c) { return std::isdigit(c) != 0; });
  if (!is_number && !contains(kPlainWords, name)) {
    known.names.try_emplace(std::move(name), kind);
  }
}

/// And where the replies to it sidestep Docker, which tells as much.
void add_network(Familiar& known, const Prefix& source) {
  const bool is_known = contains(known.networks, source, &NamedNetwork::network);
  constexpr std::uint8_t kShortest = 4;  // bits; sidestep_network() takes no less
  if (!tells_of_somebody(source.address) || source.length < kShortest || is_known) {
    return;
  }
  constexpr std::size_t kEach = 2;  // a network and its sidestep
  const auto number = known.networks.size() / kEach + 1;
  const char family = source.address.family == IpFamily::kV4 ? '4' : '6';
  known.networks.push_back({source, fmt::format("source{}-{}", family, number)});
  known.networks.push_back({sidestep_network(source), fmt::format("sidestep{}-{}", family, number)});
}

void add_server(Familiar& known, const MailServer& server) {
  if (!IpAddress::parse(server.host)) {
    add_name(known, server.host, "server");
  }
}

void add_named_in(Familiar& known, const std::string& text) {
  for (const auto& name : texts_of(text, "name")) {
    add_name(known, name, "tenant");
  }
  for (const auto& [key, kind] : {std::pair{"mail_name", "server"}, {"mail_domains", "domain"}}) {
    for (auto& name : texts_of(text, key)) {
      add_name(known, std::move(name), kind);
    }
  }
  for (const auto& name : texts_of(text, "probe")) {
    if (const auto server = MailServer::parse(name)) {
      add_server(known, *server);
    } else {
      add_name(known, name, "server");
    }
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
    for (const auto& server : profile.probe) {
      add_server(known, server);
    }
    for (const auto& tenant : profile.tenants) {
      add_name(known, tenant.name, "tenant");
    }
    if (profile.dns.mail_name) {
      add_name(known, profile.dns.mail_name->to_string(), "server");
    }
    for (const auto& domain : profile.dns.mail_domains) {
      add_name(known, domain.to_string(), "domain");
    }
    for (const auto& source : profile.sources) {
      add_network(known, source);
    }
  }
  for (const auto& text : sources.texts) {
    add_named_in(known, text);
  }
  return known;
}

}  // namespace smtpegress::report
