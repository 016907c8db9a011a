// The domains' mail servers: does mail get there, and can senders tell them from others.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "engine/verify/deliverability.hpp"
#include "engine/verify/lookups.hpp"
#include "net/contains.hpp"
#include "net/list_of.hpp"

namespace smtpegress {
namespace {

constexpr std::size_t kMostServers = 10;  // of one domain; others than the best are hardly asked
constexpr std::uint16_t kUsualPreference = 10;

std::vector<MxRecord> servers_of(const DnsInquiry& ask, const DnsName& domain) {
  auto servers = records_of(ask.book.look({domain, DnsType::kMx}), read_mx);
  std::ranges::sort(servers);
  servers.resize(std::min(servers.size(), kMostServers));
  return servers;
}

std::string names_of(const std::vector<DnsName>& names) {
  std::vector<std::string> texts;
  std::ranges::transform(names, std::back_inserter(texts), &DnsName::str);
  return list_of(texts);
}

std::string mx_data(std::uint16_t preference, const DnsName& exchange) {
  return fmt::format("{} {}", preference, exchange.is_root() ? "." : exchange.to_string());
}

/// Of a domain's own mail server, where it has none that can be used: of a name that leads somewhere, if one is known.
std::string new_mx_data(const DnsInquiry& ask, const DnsName& domain) {
  for (const auto& name : {ask.mail_name(), domain.with_prefix("mail")}) {
    if (name && !ask.alias_of(*name) &&
        std::ranges::any_of(ask.addresses_of(*name, DnsBook::Matter::kAside), is_public)) {
      return mx_data(kUsualPreference, *name);
    }
  }
  return fmt::format("{} <the name of the server that takes its mail>.", kUsualPreference);
}

/// Where a name's aliases end.
DnsName without_aliases(const DnsInquiry& ask, DnsName name) {
  constexpr int kLongestChain = 8;  // as long as resolvers go along with it
  for (int i = 0; i < kLongestChain; ++i) {
    const auto target = ask.alias_of(name);
    if (!target) {
      break;
    }
    name = *target;
  }
  return name;
}

std::vector<std::string> address_records(const DnsName& name, const std::vector<IpAddress>& addresses) {
  std::vector<std::string> records;
  records.reserve(addresses.size());
  for (const auto& address : addresses) {
    records.push_back(record_text(name, address_type(address.family), address.to_string()));
  }
  return records;
}

/// One of a domain's mail servers; true: mail gets there.
bool judge_server(const DnsInquiry& ask, const DnsName& domain, const MxRecord& server, const std::string& title) {
  const auto& name = server.exchange;
  const auto replace_mx = [&](const std::string& data) {
    return ask.publish(domain, DnsType::kMx, data,
                       {record_text(domain, DnsType::kMx, mx_data(server.preference, name))});
  };
  const auto publish_own = [&](const std::vector<IpAddress>& old) {
    const auto& address = ask.addresses.front();
    return ask.publish(name, address_type(address.family), address.to_string(), address_records(name, old));
  };
  if (name.is_root()) {
    ask.ask.failed("dns-mx", title,
                   "it says that it takes no mail (a null MX), and many refuse mail from such a domain",
                   replace_mx(new_mx_data(ask, domain)));
    return false;
  }
  if (!DnsName::parse(name.str())) {
    ask.ask.failed("dns-mx", title, fmt::format("{} is no name that a host can have", name.str()),
                   replace_mx(new_mx_data(ask, domain)));
    return false;
  }
  for (const auto type : {DnsType::kCname, DnsType::kA, DnsType::kAaaa}) {
    if (ask.is_obstructed(ask.book.look({name, type}), "dns-mx", title)) {
      return false;
    }
  }
  const auto addresses = ask.addresses_of(name);
  const auto target = ask.alias_of(name);
  // Where the mail server's name is not known, one in its domains may be it, and gets its address.
  const bool is_the_mails = ask.mail_name() ? ask.mail_name() == name : ask.is_own(name);
  if (target && !addresses.empty()) {  // RFC 2181, section 10.3
    ask.ask.failed(
        "dns-mx", title,
        fmt::format("{} is an alias of {}, which a mail server's name may not be", name.str(), target->str()),
        replace_mx(mx_data(server.preference, without_aliases(ask, name))));
    return false;
  }
  if (addresses.empty()) {
    ask.ask.failed("dns-mx", title, fmt::format("{} has no address", name.str()),
                   is_the_mails && !ask.addresses.empty() ? publish_own({}) : replace_mx(new_mx_data(ask, domain)));
    return false;
  }
  if (std::ranges::none_of(addresses, is_public)) {
    ask.ask.failed("dns-mx", title, fmt::format("{} has no public address, but {}", name.str(), list_of(addresses)),
                   !ask.is_own(name)       ? replace_mx(new_mx_data(ask, domain))
                   : ask.addresses.empty() ? fmt::format("publish a public address of {}", name.str())
                                           : publish_own(addresses));
    return false;
  }
  return true;
}

/// Of a domain without MX: its mail goes to its own addresses (RFC 5321, section 5.1).
void judge_domain_as_server(const DnsInquiry& ask, const DnsName& domain, const std::string& title) {
  for (const auto type : {DnsType::kA, DnsType::kAaaa}) {
    if (ask.is_obstructed(ask.book.look({domain, type}), "dns-mx", title)) {
      return;
    }
  }
  auto addresses = ask.addresses_of(domain);
  std::erase_if(addresses, [](const IpAddress& address) { return !is_public(address); });
  if (addresses.empty()) {
    ask.ask.failed("dns-mx", title,
                   ask.book.look({domain, DnsType::kMx}).status == DnsStatus::kNoSuchName
                       ? "there is no such domain"
                       : "it has no MX: answers and bounces go astray",
                   ask.publish(domain, DnsType::kMx, new_mx_data(ask, domain)));
    return;
  }
  const auto detail =
      fmt::format("it has no MX, and its mail goes to its own address, {}; {} would say so", list_of(addresses),
                  record_text(domain, DnsType::kMx, mx_data(kUsualPreference, domain)));
  if (std::ranges::any_of(addresses, [&](const IpAddress& address) { return contains(ask.addresses, address); })) {
    ask.ask.passed("dns-mx", title, detail);
  } else {
    ask.ask.skipped("dns-mx", title,
                    detail + ". If that is no mail server, answers and bounces go astray: an MX names the one");
  }
}

/// One of the domains' mail servers. A sender comes to its TLSA by way of the domain's MX and the server's addresses,
/// and does not ask for it where these are not signed (RFC 7672, section 2.2). So nor is it asked here: name servers
/// that know no TLSA answer the question wrongly, and harm nobody by it.
struct TlsaServer {
  DnsName name;
  std::vector<DnsName> domains;           ///< whose MX it is
  std::vector<DnsName> unsigned_domains;  ///< of them, those whose MX is not signed
};

void judge_server_tlsa(const DnsInquiry& ask, const TlsaServer& server) {
  const auto title = fmt::format("{}'s certificate is in the DNS (TLSA)", server.name.str());
  const auto name = server.name.with_prefix("_25._tcp");
  if (!name) {
    return;
  }
  std::vector<DnsSecurity> ways;
  for (const auto type : {DnsType::kA, DnsType::kAaaa}) {
    const auto& answer = ask.book.look({server.name, type});
    if (ask.is_obstructed(answer, "dns-tlsa", title)) {
      return;
    }
    ways.push_back(answer.security);
  }
  const bool is_signed = contains(ways, DnsSecurity::kSecure);
  if (!is_signed && !contains(ways, DnsSecurity::kUnjudged)) {
    ask.ask.skipped("dns-tlsa", title,
                    fmt::format("{} is not signed (DNSSEC): no sender asks for it", server.name.str()));
    return;
  }
  const auto& answer =
      ask.book.look({*name, DnsType::kTlsa}, is_signed ? DnsBook::Matter::kGrave : DnsBook::Matter::kAside);
  if (!is_signed && !is_clear(answer)) {
    ask.ask.skipped("dns-tlsa", title, "nobody tells; and whether its zone is signed is not judged");
    return;
  }
  if (ask.is_obstructed(answer, "dns-tlsa", title)) {
    return;
  }
  const auto record = record_text(*name, DnsType::kTlsa, "3 1 1 <SHA-256 of its public key>");
  constexpr std::string_view kHow =
      "`openssl x509 -in CERT -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum`";
  if (answer.records.empty()) {
    ask.ask.skipped(
        "dns-tlsa", title,
        fmt::format("it is not: senders cannot tell it from another's. In a signed zone {} would say it ({})", record,
                    kHow));
    return;
  }
  const auto tlsas = records_of(answer, read_tlsa);
  const bool is_secure =
      server.unsigned_domains.size() < server.domains.size() && answer.security == DnsSecurity::kSecure;
  const bool is_usable = std::ranges::any_of(tlsas, [](const TlsaRecord& tlsa) { return tlsa.usage >= 2; });
  if (!is_usable) {  // RFC 7672, section 3.1.3
    ask.ask.skipped("dns-tlsa", title,
                    fmt::format("{}, which mail servers pass over; {} says it ({})",
                                tlsas.empty() ? "malformed" : list_of(tlsas), record, kHow));
  } else if (answer.security == DnsSecurity::kUnjudged) {
    ask.ask.skipped("dns-tlsa", title, list_of(tlsas) + "; whether its zone is signed is not judged");
  } else if (!is_secure) {
    ask.ask.skipped(
        "dns-tlsa", title,
        list_of(tlsas) + "; but its zone, or the one whose MX leads to it, is not signed: senders pass over it");
  } else {
    const auto without = server.unsigned_domains.empty() ? std::string()
                                                         : fmt::format(", but not for mail to {}, whose MX is not",
                                                                       names_of(server.unsigned_domains));
    ask.ask.passed("dns-tlsa", title,
                   fmt::format("{}, signed{}; the certificate itself is not looked at", list_of(tlsas), without));
  }
}

}  // namespace

void judge_mx(const DnsInquiry& ask, const DnsName& domain) {
  const auto title = fmt::format("mail to {} has somewhere to go (MX)", domain.str());
  const auto& answer = ask.book.look({domain, DnsType::kMx});
  if (ask.is_obstructed(answer, "dns-mx", title)) {
    return;
  }
  const auto servers = servers_of(ask, domain);
  if (servers.empty()) {
    if (ask.book.has({domain, DnsType::kMx})) {
      judge_domain_as_server(ask, domain, title);
    }
    return;
  }
  for (const auto& server : servers) {
    if (!judge_server(ask, domain, server, title)) {
      return;
    }
  }
  std::vector<std::string> told;
  told.reserve(servers.size());
  for (const auto& server : servers) {
    told.push_back(fmt::format("{} {}", server.preference, server.exchange.str()));
  }
  ask.ask.passed("dns-mx", title, list_of(told));
}

void judge_tlsa(const DnsInquiry& ask) {
  std::vector<TlsaServer> servers;
  for (const auto& domain : ask.expected.mail_domains) {
    const bool is_signed = ask.book.look({domain, DnsType::kMx}).security == DnsSecurity::kSecure;
    for (const auto& [preference, name] : servers_of(ask, domain)) {
      if (!DnsName::parse(name.str())) {
        continue;
      }
      auto server = std::ranges::find(servers, name, &TlsaServer::name);
      if (server == servers.end()) {
        server = servers.insert(server, {.name = name, .domains = {}, .unsigned_domains = {}});
      }
      server->domains.push_back(domain);
      if (!is_signed) {
        server->unsigned_domains.push_back(domain);
      }
    }
  }
  for (const auto& server : servers) {
    judge_server_tlsa(ask, server);
  }
}

}  // namespace smtpegress
