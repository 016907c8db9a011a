// A DNS in memory: records, and what goes wrong with single questions.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "model/dns_book.hpp"
#include "smtpegress/dns.hpp"
#include "support/dns_wire.hpp"
#include "support/hosts.hpp"

namespace smtpegress::test {

inline DnsName dns_name(std::string_view text) {
  return text.empty() ? DnsName() : DnsName::parse(text).value();
}

class FakeDns final : public DnsResolver {
 public:
  std::vector<DnsQuestion> questions;
  std::size_t calls = 0;
  DnsSecurity security = DnsSecurity::kSecure;
  std::string why;                           ///< DNSSEC is not judged
  std::map<std::string, DnsAnswer> instead;  ///< by "NAME TYPE", as to_string() has it
  std::map<std::string, std::vector<Octets>> records;

  FakeDns& a(std::string_view name, std::string_view address) {
    const auto parsed = test::address(address);
    const auto type = parsed.family == IpFamily::kV4 ? DnsType::kA : DnsType::kAaaa;
    return add(name, type, {parsed.bytes.begin(), parsed.bytes.begin() + static_cast<std::ptrdiff_t>(parsed.size())});
  }
  FakeDns& ptr(std::string_view name, std::string_view to) { return add(name, DnsType::kPtr, wire_name(to)); }
  FakeDns& cname(std::string_view name, std::string_view to) { return add(name, DnsType::kCname, wire_name(to)); }
  FakeDns& mx(std::string_view name, std::uint8_t preference, std::string_view to) {
    auto bytes = wire_name(to);
    bytes.insert(bytes.begin(), {0, preference});
    return add(name, DnsType::kMx, bytes);
  }
  FakeDns& txt(std::string_view name, std::string_view text) { return add(name, DnsType::kTxt, wire_text(text)); }
  FakeDns& tlsa(std::string_view name, std::uint8_t usage) {
    Octets bytes{usage, 1, 1};
    bytes.resize(3 + 32, 0xab);
    return add(name, DnsType::kTlsa, bytes);
  }
  FakeDns& add(std::string_view name, DnsType type, const Octets& bytes) {
    records[DnsQuestion{dns_name(name), type}.to_string()].push_back(bytes);
    return *this;
  }
  void remove(std::string_view name, DnsType type) { records.erase(DnsQuestion{dns_name(name), type}.to_string()); }

  [[nodiscard]] DnsAnswer answer(const DnsQuestion& question) const {
    const auto text = question.to_string();
    if (const auto found = instead.find(text); found != instead.end()) {
      return found->second;
    }
    DnsAnswer answer{.status = DnsStatus::kNoSuchName, .security = security};
    for (const auto& [key, bytes] : records) {
      if (key == text) {
        answer.status = DnsStatus::kRecords;
        answer.records = bytes;
      } else if (key.starts_with(question.name.to_string() + " ") && answer.records.empty()) {
        answer.status = DnsStatus::kNoRecords;
      }
    }
    return answer;
  }

  Result<std::vector<DnsAnswer>> ask(const std::vector<DnsQuestion>& asked) override {
    ++calls;
    std::vector<DnsAnswer> answers;
    for (const auto& question : asked) {
      questions.push_back(question);
      answers.push_back(answer(question));
    }
    return answers;
  }
  [[nodiscard]] std::string asked() const override { return "192.0.2.53"; }
  [[nodiscard]] std::string why_unjudged() const override { return why; }
};

/// As verify does it: judges again and again, until nothing is missing.
template <class Judge>
auto judged(FakeDns& dns, Judge judge) {
  DnsBook book;
  while (true) {
    auto verdict = judge(book);
    const auto questions = book.take_wanted();
    if (questions.empty()) {
      return verdict;
    }
    const auto answers = dns.ask(questions);
    for (std::size_t i = 0; i < questions.size(); ++i) {
      book.add(questions[i], (*answers)[i]);
    }
  }
}

}  // namespace smtpegress::test
