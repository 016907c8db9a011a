// The domains that mail comes from: who takes their mail, who may send for them, and how far both can be believed.
#include <fmt/format.h>

#include <algorithm>

#include "engine/verify/deliverability.hpp"
#include "model/private_networks.hpp"
#include "model/spf.hpp"
#include "net/contains.hpp"
#include "net/list_of.hpp"

namespace smtpegress {
namespace {

constexpr std::size_t kMostServers = 10;  // of one domain; others than the best are hardly asked

std::vector<MxRecord> servers_of(const DnsInquiry& ask, const DnsName& domain) {
  auto servers = records_of(ask.book.look({domain, DnsType::kMx}), read_mx);
  std::ranges::sort(servers);
  servers.resize(std::min(servers.size(), kMostServers));
  return servers;
}

std::string mx_record(const DnsName& domain, std::uint16_t preference, const DnsName& exchange) {
  return record_text(domain, DnsType::kMx,
                     fmt::format("{} {}", preference, exchange.is_root() ? "." : exchange.to_string()));
}

/// As a domain's own mail server, where it has none that can be used.
std::string new_mx_record(const DnsInquiry& ask, const DnsName& domain) {
  constexpr std::uint16_t kUsual = 10;
  const auto name = ask.mail_name() ? ask.mail_name() : domain.with_prefix("mail");
  return mx_record(domain, kUsual, name.value_or(domain));
}

/// One of a domain's mail servers; true: mail gets there.
bool judge_server(const DnsInquiry& ask, const DnsName& domain, const MxRecord& server, const std::string& title) {
  const auto& name = server.exchange;
  const auto was = mx_record(domain, server.preference, name);
  if (name.is_root()) {
    ask.ask.failed("dns-mx", title,
                   "it says that it takes no mail (a null MX), and many refuse mail from such a domain",
                   fmt::format("publish {} in place of {}", new_mx_record(ask, domain), was));
    return false;
  }
  if (!DnsName::parse(name.str())) {
    ask.ask.failed("dns-mx", title, fmt::format("{} is no name that a host can have", name.str()),
                   fmt::format("publish {} in place of {}", new_mx_record(ask, domain), was));
    return false;
  }
  for (const auto type : {DnsType::kCname, DnsType::kA, DnsType::kAaaa}) {
    if (ask.is_obstructed(ask.book.look({name, type}), "dns-mx", title)) {
      return false;
    }
  }
  const auto addresses = ask.addresses_of(name);
  const auto aliases = records_of(ask.book.look({name, DnsType::kCname}), DnsName::from_wire);
  const bool has_own_name = ask.mail_name() && ask.mail_name() != name;
  const auto first_address = ask.addresses.empty() ? std::optional<IpAddress>() : std::optional(ask.addresses.front());
  if (!aliases.empty() && !addresses.empty()) {  // RFC 2181, section 10.3
    ask.ask.failed(
        "dns-mx", title,
        fmt::format("{} is an alias of {}, which a mail server's name may not be", name.str(), aliases.front().str()),
        fmt::format("publish {} in place of {}", address_record(name, addresses.front()),
                    record_text(name, DnsType::kCname, aliases.front().to_string())));
    return false;
  }
  if (addresses.empty()) {
    const auto better = has_own_name || !first_address
                            ? fmt::format("{} in place of {}", new_mx_record(ask, domain), was)
                            : address_record(name, *first_address);
    ask.ask.failed("dns-mx", title, fmt::format("{} has no address", name.str()), fmt::format("publish {}", better));
    return false;
  }
  if (std::ranges::all_of(addresses, [](const IpAddress& address) { return is_private(address); })) {
    ask.ask.failed("dns-mx", title, fmt::format("{} has private addresses alone ({})", name.str(), list_of(addresses)),
                   first_address ? fmt::format("publish {} in place of {}", address_record(name, *first_address),
                                               address_record(name, addresses.front()))
                                 : fmt::format("publish a public address of {}", name.str()));
    return false;
  }
  return true;
}

void judge_server_tlsa(const DnsInquiry& ask, const DnsName& server, bool secure_way) {
  const auto title = fmt::format("{}'s certificate is in the DNS (TLSA)", server.str());
  const auto name = server.with_prefix("_25._tcp");
  if (!name) {
    return;
  }
  const auto& answer = ask.book.look({*name, DnsType::kTlsa});
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
  const bool is_secure = secure_way && answer.security == DnsSecurity::kSecure;
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
    ask.ask.passed("dns-tlsa", title, list_of(tlsas) + ", signed; the certificate itself is not looked at");
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
    ask.ask.failed("dns-mx", title,
                   answer.status == DnsStatus::kNoSuchName ? "there is no such domain"
                                                           : "it has no MX: answers and bounces go astray",
                   fmt::format("publish {}", new_mx_record(ask, domain)));
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

void judge_spf(const DnsInquiry& ask, const DnsName& domain) {
  const auto& answer = ask.book.look({domain, DnsType::kTxt});
  const auto records = spf_records(answer);
  for (const auto& address : ask.addresses) {
    const auto title = fmt::format("{}'s SPF lets {} send", domain.str(), address.to_string());
    if (ask.is_obstructed(answer, "dns-spf", title)) {
      continue;
    }
    const auto verdict = check_spf(ask.book, domain, address, ask.mail_name() ? ask.mail_name()->str() : "");
    if (verdict.result == SpfResult::kPass) {
      ask.ask.passed("dns-spf", title, verdict.why);
      continue;
    }
    if (verdict.result == SpfResult::kTempError) {  // somebody's that it includes
      ask.ask.skipped("dns-spf", title,
                      fmt::format("{}; first what failed above (`{}`)", verdict.why,
                                  ask.book.failed().empty() ? "dns-dnssec" : "dns-resolver"));
      continue;
    }
    auto mend =
        fmt::format("publish {}", record_text(domain, DnsType::kTxt, quoted_text(spf_covering(records, address))));
    for (const auto& record : records) {
      mend += fmt::format("{} {}", &record == &records.front() ? " in place of" : " and",
                          record_text(domain, DnsType::kTxt, quoted_text(record)));
    }
    ask.ask.failed("dns-spf", title, fmt::format("{}: {}", word_for(verdict.result), verdict.why), mend);
  }
}

void judge_mta_sts(const DnsInquiry& ask, const DnsName& domain) {
  const auto title = fmt::format("{} asks senders for TLS (MTA-STS)", domain.str());
  const auto name = domain.with_prefix("_mta-sts");
  if (!name) {
    return;
  }
  const auto& answer = ask.book.look({*name, DnsType::kTxt});
  if (ask.is_obstructed(answer, "dns-mta-sts", title)) {
    return;
  }
  auto texts = records_of(answer, read_text);
  std::erase_if(texts, [](const std::string& text) { return !text.starts_with("v=STSv1"); });
  const auto record = record_text(*name, DnsType::kTxt, quoted_text("v=STSv1; id=1"));
  const auto id = texts.size() == 1 ? read_mta_sts_id(texts.front()) : std::nullopt;
  if (texts.empty()) {
    ask.ask.skipped("dns-mta-sts", title,
                    fmt::format("it does not. {} would say so, beside the policy that it speaks of, at "
                                "https://mta-sts.{}/.well-known/mta-sts.txt",
                                record, domain.str()));
  } else if (!id) {
    auto mend = fmt::format("publish {}", record);
    for (const auto& text : texts) {
      mend += fmt::format("{} {}", &text == &texts.front() ? " in place of" : " and",
                          record_text(*name, DnsType::kTxt, quoted_text(text)));
    }
    ask.ask.failed("dns-mta-sts", title,
                   texts.size() > 1 ? fmt::format("it has {} records, and senders pass over all", texts.size())
                                    : "the record has no id as it ought to be, and senders pass over it",
                   mend);
  } else {
    ask.ask.passed("dns-mta-sts", title,
                   fmt::format("id {}; the policy itself, which is on the web, is not looked at", *id));
  }
}

void judge_tlsa(const DnsInquiry& ask) {
  std::vector<DnsName> told;
  for (const auto& domain : ask.expected.mail_domains) {
    const bool secure_way = ask.book.look({domain, DnsType::kMx}).security == DnsSecurity::kSecure;
    for (const auto& server : servers_of(ask, domain)) {
      if (!contains(told, server.exchange) && DnsName::parse(server.exchange.str())) {
        told.push_back(server.exchange);
        judge_server_tlsa(ask, server.exchange, secure_way);
      }
    }
  }
}

void judge_dnssec(const DnsInquiry& ask, std::string_view why_unjudged) {
  if (const auto bogus = ask.book.bogus(); !bogus.empty()) {
    const auto& name = bogus.front().question.name;
    ask.ask.failed("dns-dnssec", "signed answers are signed as they should be (DNSSEC)",
                   fmt::format("not {}", list_of_entries(bogus)),
                   fmt::format("receivers that validate see none of these names: sign the zone anew (`delv {}` tells "
                               "more), or have the zone above take its DS record away",
                               name.to_string()));
  }
  for (const auto& domain : ask.expected.mail_domains) {
    const auto title = fmt::format("{} is signed (DNSSEC)", domain.str());
    const auto& answer = ask.book.look({domain, DnsType::kMx});
    if (ask.is_obstructed(answer, "dns-dnssec", title)) {
      continue;
    }
    if (answer.security == DnsSecurity::kSecure) {
      ask.ask.passed("dns-dnssec", title, "from the root down");
    } else {
      ask.ask.skipped("dns-dnssec", title,
                      answer.security == DnsSecurity::kUnjudged
                          ? fmt::format("not judged: {}", shown(why_unjudged))
                          : "it is not: nobody can tell a forged answer from its own, and TLSA has no effect; its "
                            "provider signs it, and the zone above gets the DS record");
    }
  }
}

}  // namespace smtpegress
