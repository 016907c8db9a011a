// The domains that mail comes from: who may send for them, and how far what they say can be believed.
#include <fmt/format.h>

#include "engine/verify/deliverability.hpp"
#include "model/spf.hpp"
#include "net/list_of.hpp"

namespace smtpegress {
namespace {

/// One record for all of the addresses that are refused: two would be an error (RFC 7208, section 4.5).
std::string publish_spf(const DnsInquiry& ask, const DnsName& domain, const std::vector<std::string>& records,
                        const std::vector<IpAddress>& refused) {
  const auto covering = spf_covering(records, refused);
  std::vector<std::string> old;
  old.reserve(records.size());
  for (const auto& record : records) {
    old.push_back(record_text(domain, DnsType::kTxt, quoted_text(record)));
  }
  auto mend = ask.publish(domain, DnsType::kTxt, quoted_text(covering.record), old);
  if (!covering.left_out.empty()) {
    mend += fmt::format("; it leaves out '{}': add what was meant by it", shown(list_of(covering.left_out, "', '")));
  }
  if (records.empty()) {
    mend += fmt::format("; whoever else sends for {} belongs in it too", domain.str());
  }
  return mend;
}

/// "v=STSv1", and no longer version (RFC 8461, section 3.1).
bool is_mta_sts(std::string_view text) {
  constexpr std::string_view kVersion = "v=STSv1";
  return text.starts_with(kVersion) &&
         (text.size() == kVersion.size() || std::string_view("; \t").find(text[kVersion.size()]) != std::string::npos);
}

}  // namespace

void judge_spf(const DnsInquiry& ask, const DnsName& domain) {
  const auto& answer = ask.book.look({domain, DnsType::kTxt});
  const auto helo = ask.mail_name() ? ask.mail_name()->str() : "";
  std::vector<SpfVerdict> verdicts;
  std::vector<IpAddress> refused;
  for (const auto& address : ask.addresses) {
    const auto& verdict = verdicts.emplace_back(check_spf(ask.book, domain, address, helo));
    if (verdict.result != SpfResult::kPass && verdict.result != SpfResult::kTempError) {
      refused.push_back(address);
    }
  }
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    const auto& verdict = verdicts[i];
    const auto title = fmt::format("{}'s SPF lets {} send", domain.str(), ask.addresses[i].to_string());
    if (ask.is_obstructed(answer, "dns-spf", title)) {
      continue;
    }
    if (verdict.result == SpfResult::kPass) {
      ask.ask.passed("dns-spf", title, verdict.why);
    } else if (verdict.result == SpfResult::kTempError) {  // somebody's that it includes
      ask.ask.skipped("dns-spf", title,
                      fmt::format("{}; first what failed above (`{}`)", verdict.why, fault_of(verdict.security)));
    } else {
      ask.ask.failed("dns-spf", title, fmt::format("{}: {}", word_for(verdict.result), verdict.why),
                     publish_spf(ask, domain, spf_records(answer), refused));
    }
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
  std::erase_if(texts, [](const std::string& text) { return !is_mta_sts(text); });
  const auto wanted = quoted_text("v=STSv1; id=1");
  const auto id = texts.size() == 1 ? read_mta_sts_id(texts.front()) : std::nullopt;
  if (texts.empty()) {
    ask.ask.skipped("dns-mta-sts", title,
                    fmt::format("it does not. {} would say so, beside the policy that it speaks of, at "
                                "https://mta-sts.{}/.well-known/mta-sts.txt",
                                record_text(*name, DnsType::kTxt, wanted), domain.str()));
  } else if (!id) {
    std::vector<std::string> old;
    old.reserve(texts.size());
    for (const auto& text : texts) {
      old.push_back(record_text(*name, DnsType::kTxt, quoted_text(text)));
    }
    ask.ask.failed("dns-mta-sts", title,
                   texts.size() > 1 ? fmt::format("it has {} records, and senders pass over all", texts.size())
                                    : "the record has no id as it ought to be, and senders pass over it",
                   ask.publish(*name, DnsType::kTxt, wanted, old));
  } else {
    ask.ask.passed("dns-mta-sts", title,
                   fmt::format("id {}; the policy itself, which is on the web, is not looked at", *id));
  }
}

void judge_dnssec(const DnsInquiry& ask, std::string_view why_unjudged) {
  constexpr std::string_view kTitle = "signed answers are signed as they should be (DNSSEC)";
  const auto not_judged = fmt::format("not judged: {}", shown(why_unjudged));
  if (const auto bogus = ask.book.bogus(); !bogus.empty()) {
    const auto& name = bogus.front().question.name;
    ask.ask.failed("dns-dnssec", std::string(kTitle), fmt::format("not {}", list_of_entries(bogus)),
                   fmt::format("receivers that validate see none of these names: sign the zone anew (`delv {}` tells "
                               "more), or have the zone above take its DS record away",
                               name.to_string()));
  }
  if (ask.expected.mail_domains.empty() && !why_unjudged.empty()) {  // or each of them says it
    ask.ask.skipped("dns-dnssec", std::string(kTitle), not_judged);
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
                          ? not_judged
                          : "it is not: nobody can tell a forged answer from its own, and TLSA has no effect; its "
                            "provider signs it, and the zone above gets the DS record");
    }
  }
}

}  // namespace smtpegress
