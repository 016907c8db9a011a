// verify --dns: whose mail it is, who answers, and whether the answers can be believed. Each cause has an id of its
// own; what cannot be asked because of another is skipped, and not failed too.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/verify/deliverability.hpp"
#include "engine/verify/lookups.hpp"
#include "engine/verify/probe_request.hpp"
#include "model/families.hpp"
#include "net/contains.hpp"
#include "net/list_of.hpp"

namespace smtpegress {
namespace {

constexpr std::size_t kMostAddresses = 16;  // each is a dozen questions; there may be thousands of tenants

/// The families that mail leaves by: of home's own senders too, which are no sources.
bool sends_by(const Profile& profile, IpFamily family) {
  return has_sources(profile, family) || std::ranges::any_of(profile.host_senders, [&](const HostSender& sender) {
           return contains(sender.addresses, family, &IpAddress::family);
         });
}

/// As what the world sees the mail, as far as this host knows it.
std::vector<IpAddress> public_addresses(const Inquiry& ask) {
  const auto& host = ask.view.seen.host;
  auto known = host.tenants_snat_to;
  if (ask.view.profile.side == Side::kHome) {
    known = {far_ends(ask)};
  } else if (known.empty()) {
    known = {host.public_ip};
  }
  std::vector<IpAddress> addresses;
  for (const auto& of_one : known) {
    for (const auto family : kBothFamilies) {
      const auto& address = of_one[family];
      if (address && sends_by(ask.view.profile, family) && is_public(*address) && !contains(addresses, *address)) {
        addresses.push_back(*address);
      }
    }
  }
  return addresses;
}

/// Each tenant's mail has an address, a name and domains of its own: which go together is not known here.
bool is_of_several(const Profile& profile, const DnsWish& wish) {
  return profile.tenants.size() > 1 && wish.addresses.empty();
}

DnsExpectations expected_of(const Profile& profile, const DnsWish& wish) {
  const auto& instead = wish.instead;
  auto expected = profile.dns;
  if (instead.mail_name) {
    expected.mail_name = instead.mail_name;
  }
  if (!instead.mail_domains.empty()) {
    expected.mail_domains = instead.mail_domains;
  }
  if (!instead.blocklists.empty()) {
    expected.blocklists = instead.blocklists;
  }
  if (is_of_several(profile, wish)) {
    expected.mail_name.reset();
    expected.mail_domains.clear();
  }
  return expected;
}

/// "-p 5353 @192.0.2.53", as dig(1) has "192.0.2.53@5353".
std::string dig_server(std::string_view resolver) {
  const auto at = resolver.find('@');
  return at == std::string_view::npos ? fmt::format("@{}", resolver)
                                      : fmt::format("-p {} @{}", resolver.substr(at + 1), resolver.substr(0, at));
}

/// Nobody can be asked at all.
void tell_refusal(const Inquiry& ask, Error why) {
  const auto mend = std::exchange(why.hint, {});
  ask.failed("dns-resolver", "the DNS can be asked", why.message(), mend);
}

/// Does it tell of the root, as everybody does who resolves anything? The root has keys, which some that know nothing
/// of DNSSEC do not pass on, and no mail, which is an answer too.
bool knows_the_root(DnsResolver& resolver) {
  const auto answers = resolver.ask({{DnsName(), DnsType::kDnskey}, {DnsName(), DnsType::kMx}});
  return answers && std::ranges::any_of(*answers, [](const DnsAnswer& answer) {
           return is_clear(answer) || answer.security == DnsSecurity::kBogus;
         });
}

/// Whoever does not answer is one fault, however many checks want to know.
void judge_resolver(const DnsInquiry& ask, DnsResolver& resolver) {
  const auto failed = ask.book.failed();
  const auto who = resolver.asked();
  const auto title = fmt::format("{} answers questions to the DNS", who);
  if (failed.empty()) {
    ask.ask.passed("dns-resolver", title, fmt::format("{} of {}", ask.book.size(), ask.book.size()));
    return;
  }
  const auto detail = fmt::format("not {}", list_of_entries(failed));
  const auto refused = std::ranges::find(failed, true, &DnsBook::Entry::is_asked);
  // All that was asked may be of one zone: then nothing but another question tells its fault from the resolver's.
  if (failed.size() == ask.book.size() && !knows_the_root(resolver)) {
    ask.ask.failed("dns-resolver", title, detail,
                   fmt::format("is it up: `dig {} example.org`; mend /etc/resolv.conf, or ask another: `--resolver "
                               "ADDRESS`",
                               dig_server(who.substr(0, who.find(',')))));
  } else if (refused == failed.end()) {  // by nobody
    ask.ask.failed("dns-resolver", title, detail,
                   fmt::format("more than {} questions are not asked at once: ask about fewer addresses and domains, "
                               "`--address ADDR --mail-domain DOMAIN`",
                               DnsBook::kMostQuestions));
  } else {
    ask.ask.failed("dns-resolver", title, detail,
                   fmt::format("the name servers of these zones do not answer, or answer wrongly: `dig +trace {} {}`",
                               refused->question.name.to_string(), to_string(refused->question.type)));
  }
}

void judge_all(const DnsInquiry& ask) {
  for (const auto& address : ask.addresses) {
    judge_ptr(ask, address);
  }
  for (const auto& domain : ask.expected.mail_domains) {
    judge_mx(ask, domain);
  }
  for (const auto& domain : ask.expected.mail_domains) {
    judge_spf(ask, domain);
  }
  judge_tlsa(ask);
  for (const auto& domain : ask.expected.mail_domains) {
    judge_mta_sts(ask, domain);
  }
  for (const auto& address : ask.addresses) {
    judge_blocklists(ask, address);
  }
}

/// None where nobody can be asked, and `refusal` is why: all of it goes unanswered then.
std::vector<DnsAnswer> answers_to(const std::vector<DnsQuestion>& questions, DnsResolver& resolver,
                                  std::optional<Error>& refusal) {
  if (refusal) {
    return {};
  }
  auto answers = resolver.ask(questions);
  if (answers) {
    return *std::move(answers);
  }
  refusal = answers.error();
  return {};
}

/// What cannot be asked about because nobody named it.
void tell_what_is_not_known(const Inquiry& ask, const DnsExpectations& expected, const DnsWish& wish,
                            bool has_addresses, bool too_many) {
  if (!has_addresses) {
    ask.skipped("dns-ptr", "the public address has a name (PTR)",
                ask.view.profile.side == Side::kHome
                    ? "the tunnel's far end has no public address that is known here: name it, `--address ADDR`, "
                      "or ask the VPS, `smtp-egress verify --dns` there"
                    : "which address the world sees is not known here: name it, `--address ADDR`");
  }
  if (too_many) {
    ask.skipped("dns-ptr", "further addresses have names (PTR)",
                fmt::format("of more than {} addresses the others are not looked up", kMostAddresses));
  }
  if (is_of_several(ask.view.profile, wish)) {
    ask.skipped("dns-ehlo", "each tenant's name and domains are its address's",
                "which are whose is not known here: `--address ADDR --mail-name NAME --mail-domain DOMAIN` of one");
    return;
  }
  if (!expected.mail_name) {
    ask.skipped("dns-ehlo", "the name said in EHLO is the address's",
                "as what the mail server says EHLO is not known here: the profile's key mail_name, or --mail-name");
  }
  if (expected.mail_domains.empty()) {
    ask.skipped("dns-spf", "SPF lets the address send",
                "whose mail it is is not known here: the profile's key mail_domains, or --mail-domain");
  }
}

std::string words_for(const DnsBook::Entry& entry) {
  const auto& why = entry.answer.why;
  const auto words = !why.empty()                                    ? shown(why)
                     : entry.answer.status == DnsStatus::kUnanswered ? std::string("no answer in time")
                                                                     : std::string("it cannot tell");
  return fmt::format("{} ({})", entry.question.to_string(), words);
}

}  // namespace

std::string list_of_entries(const std::vector<DnsBook::Entry>& entries) {
  constexpr std::size_t kMostTold = 3;
  std::vector<std::string> told;
  for (const auto& entry : entries) {
    if (told.size() == kMostTold) {
      told.push_back(fmt::format("and {} more", entries.size() - kMostTold));
      break;
    }
    told.push_back(words_for(entry));
  }
  return list_of(told);
}

bool DnsInquiry::is_obstructed(const DnsAnswer& answer, std::string_view id, std::string_view title) const {
  if (is_clear(answer)) {
    return false;
  }
  ask.skipped(std::string(id), std::string(title), fmt::format("first what failed above (`{}`)", fault_of(answer)));
  return true;
}

std::vector<IpAddress> DnsInquiry::addresses_of(const DnsName& name, DnsBook::Matter matter) const {
  std::vector<IpAddress> of_name;
  if (DnsName::parse(name.str())) {
    for (const auto type : {DnsType::kA, DnsType::kAaaa}) {
      const auto found = records_of(book.look({name, type}, matter), read_address);
      of_name.insert(of_name.end(), found.begin(), found.end());
    }
  }
  return of_name;
}

bool DnsInquiry::is_own(const DnsName& name) const {
  return name == mail_name() ||
         (DnsName::parse_full(name.str()) &&
          std::ranges::any_of(expected.mail_domains, [&](const DnsName& domain) { return name.is_within(domain); }));
}

std::optional<DnsName> DnsInquiry::alias_of(const DnsName& name) const {
  if (!DnsName::parse(name.str())) {
    return std::nullopt;
  }
  auto targets = records_of(book.look({name, DnsType::kCname}, DnsBook::Matter::kAside), DnsName::from_wire);
  return targets.empty() ? std::nullopt : std::optional(std::move(targets.front()));
}

std::string DnsInquiry::publish(const DnsName& name, DnsType type, std::string_view data,
                                const std::vector<std::string>& old) const {
  auto text = fmt::format("publish {}", record_text(name, type, data));
  if (const auto target = alias_of(name)) {  // RFC 1034, section 3.6.2
    return fmt::format(
        "{} in place of {}: no record may stand beside an alias, and what else is found by it needs one "
        "of its own",
        text, record_text(name, DnsType::kCname, target->to_string()));
  }
  for (const auto& record : old) {
    text += fmt::format("{} {}", &record == &old.front() ? " in place of" : " and", record);
  }
  return text;
}

std::string_view fault_of(DnsSecurity security) {
  return security == DnsSecurity::kBogus ? "dns-dnssec" : "dns-resolver";
}

std::string record_text(const DnsName& name, DnsType type, std::string_view data) {
  return fmt::format("`{} IN {} {}`", name.to_string(), to_string(type), data);
}

void check_deliverability(const Inquiry& ask, const DnsWish& wish) {
  auto& resolver = *wish.resolver;
  const auto expected = expected_of(ask.view.profile, wish);
  auto addresses = wish.addresses.empty() ? public_addresses(ask) : wish.addresses;
  const bool too_many = addresses.size() > kMostAddresses;
  addresses.resize(std::min(addresses.size(), kMostAddresses));
  DnsBook book;
  std::vector<Check> checks;
  const Inquiry judged{ask.kernel, ask.docker, ask.view, ask.now, checks, ask.sightings};
  const DnsInquiry inquiry{judged, book, expected, addresses};
  std::optional<Error> refusal;
  while (true) {  // ends: the book takes a limited number of questions
    checks.clear();
    judge_all(inquiry);
    const auto later = std::move(checks);
    checks.clear();
    judge_dnssec(inquiry, resolver.why_unjudged());
    const auto questions = book.take_wanted();
    if (questions.empty()) {
      if (refusal) {
        tell_refusal(ask, *std::move(refusal));
      } else if (book.size() != 0) {
        judge_resolver({ask, book, expected, addresses}, resolver);
      }
      ask.checks.insert(ask.checks.end(), checks.begin(), checks.end());
      ask.checks.insert(ask.checks.end(), later.begin(), later.end());
      tell_what_is_not_known(ask, expected, wish, !addresses.empty(), too_many);
      return;
    }
    auto answers = answers_to(questions, resolver, refusal);
    for (std::size_t i = 0; i < questions.size(); ++i) {
      book.add(questions[i], i < answers.size() ? std::move(answers[i]) : DnsAnswer{});
    }
  }
}

}  // namespace smtpegress
