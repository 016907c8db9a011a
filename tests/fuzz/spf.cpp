// An SPF record's text, of anybody who may send for a domain: reading it ends, asks for little, and what is to be
// published in its place lets the address send.
#include "model/spf.hpp"

#include "dns/resolv_conf.hpp"
#include "fuzz/fuzz.hpp"
#include "net/dns_record.hpp"
#include "support/dns_wire.hpp"

using namespace smtpegress;

namespace {

const auto kDomain = DnsName::parse("example.org").value();

/// All texts are this one, and every name has one address.
SpfVerdict verdict_on(std::string_view text, const IpAddress& address, std::size_t& asked) {
  DnsBook book;
  asked = 0;
  while (true) {
    auto verdict = check_spf(book, kDomain, address, "mail.example.org");
    const auto questions = book.take_wanted();
    if (questions.empty()) {
      return verdict;
    }
    asked += questions.size();
    for (const auto& question : questions) {
      DnsAnswer answer{.status = DnsStatus::kRecords};
      if (question.type == DnsType::kTxt) {
        answer.records = {test::wire_text(text)};
      } else if (question.type == DnsType::kA) {
        answer.records = {{192, 0, 2, 1}};
      }
      book.add(question, std::move(answer));
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of({data, size});
  fuzz::must(dns::nameservers_in(text).size() <= 3, "few are asked");
  if (!is_spf(text)) {
    return 0;
  }
  for (const auto* from : {"203.0.113.10", "2001:db8::10"}) {
    const auto address = IpAddress::parse(from).value();
    std::size_t asked = 0;
    const auto verdict = verdict_on(text, address, asked);
    constexpr std::size_t kMost = 64;  // ten lookups, what each leads to, and what was looked up ahead
    fuzz::must(asked <= kMost, "it asks for little");
    for (const char c : verdict.why) {
      fuzz::must(static_cast<unsigned char>(c) >= ' ' && c != 0x7f, "what is said of it is one line");
    }
    const auto mended = spf_covering({std::string(text)}, {address}).record;
    fuzz::must(verdict_on(mended, address, asked).result == SpfResult::kPass, "what is to be published lets it send");
    fuzz::must(asked == 1, "without a lookup");
    fuzz::must(spf_covering({mended}, {address}) == SpfCovering{mended}, "and needs no more");
  }
  return 0;
}
