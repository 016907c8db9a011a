// What the judges of the mail's DNS share: verify_deliverability.cpp has them judge again and again, until nothing that
// they look for is missing (model/dns_book.hpp).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/verify/checks.hpp"
#include "model/dns_book.hpp"
#include "net/dns_record.hpp"

namespace smtpegress {

struct DnsInquiry {
  const Inquiry& ask;
  DnsBook& book;
  const DnsExpectations& expected;
  const std::vector<IpAddress>& addresses;  ///< public ones that the mail comes from

  /// Where an answer is none that can be judged, `id` is skipped, because of what failed above.
  [[nodiscard]] bool is_obstructed(const DnsAnswer& answer, std::string_view id, std::string_view title) const;
  /// The answer's addresses, both families' of a name; none where the name is none that can be asked for.
  [[nodiscard]] std::vector<IpAddress> addresses_of(const DnsName& name,
                                                    DnsBook::Matter matter = DnsBook::Matter::kGrave) const;
  /// Is it the name said in EHLO, or one within the mail's domains? Others' records are not the reader's to publish.
  [[nodiscard]] bool is_own(const DnsName& name) const;
  /// What a name is an alias of (CNAME); absent: it is none, or nobody tells.
  [[nodiscard]] std::optional<DnsName> alias_of(const DnsName& name) const;
  /// "publish `mail.example.org. IN A 203.0.113.10`", in place of the old records, as record_text() has them. Where the
  /// name is an alias they are not its own, and it is in place of that.
  [[nodiscard]] std::string publish(const DnsName& name, DnsType type, std::string_view data,
                                    const std::vector<std::string>& old = {}) const;
  /// "mail.example.org" as its own server says it in EHLO; absent where it is not known.
  [[nodiscard]] const std::optional<DnsName>& mail_name() const { return expected.mail_name; }
};

/// The id of the check that fails where an answer is none that can be judged.
[[nodiscard]] std::string_view fault_of(DnsSecurity security);
[[nodiscard]] inline std::string_view fault_of(const DnsAnswer& answer) {
  return fault_of(answer.security);
}
/// "mail.example.org. IN A 203.0.113.10", in backticks.
[[nodiscard]] std::string record_text(const DnsName& name, DnsType type, std::string_view data);
/// "mail.example.org. A (why), …": the first few, and how many more.
[[nodiscard]] std::string list_of_entries(const std::vector<DnsBook::Entry>& entries);

void judge_ptr(const DnsInquiry& ask, const IpAddress& address);          ///< dns-ptr, dns-forward, dns-ehlo
void judge_blocklists(const DnsInquiry& ask, const IpAddress& address);   ///< dns-blocklist
void judge_mx(const DnsInquiry& ask, const DnsName& domain);              ///< dns-mx
void judge_spf(const DnsInquiry& ask, const DnsName& domain);             ///< dns-spf, for each address
void judge_mta_sts(const DnsInquiry& ask, const DnsName& domain);         ///< dns-mta-sts
void judge_tlsa(const DnsInquiry& ask);                                   ///< dns-tlsa, of all domains' mail servers
void judge_dnssec(const DnsInquiry& ask, std::string_view why_unjudged);  ///< dns-dnssec

}  // namespace smtpegress
