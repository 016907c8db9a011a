// What verify --dns says of one mail server's DNS: as it should be, and what a test changes in it.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/engine_host.hpp"
#include "support/fake_dns.hpp"
#include "support/faults.hpp"

namespace smtpegress::test {

inline constexpr std::string_view kReverse = "10.113.0.203.in-addr.arpa";
inline constexpr std::string_view kMail = "mail.example.org";
inline constexpr std::string_view kVps = "203.0.113.10";
inline constexpr std::string_view kListed = "10.113.0.203.bl.test";
inline constexpr std::string_view kOnEveryList = "2.0.0.127.bl.test";

/// As it should be.
inline void good_dns(FakeDns& dns) {
  dns.ptr(kReverse, kMail).a(kMail, kVps).mx("example.org", 10, kMail).txt("example.org", "v=spf1 mx -all");
  dns.txt("example.org", "other=text")
      .txt("_mta-sts.example.org", "v=STSv1; id=7;")
      .tlsa("_25._tcp.mail.example.org", 3)
      .a(kOnEveryList, "127.0.0.2");
}

inline DnsExpectations expected() {
  return {.mail_name = dns_name(kMail), .mail_domains = {dns_name("example.org")}, .blocklists = {dns_name("bl.test")}};
}

inline std::vector<Check> checks_of(EngineHost& box, FakeDns& dns, const DnsExpectations& instead,
                                    const std::string& name) {
  const auto report = box.engine.verify(name, {}, {}, {.resolver = &dns, .instead = instead});
  EXPECT_TRUE(report) << said(report);
  auto checks = report ? report->checks : std::vector<Check>{};
  std::erase_if(checks, [](const Check& check) { return !check.id.starts_with("dns-"); });
  return checks;
}

inline std::vector<Check> on_the_vps(FakeDns& dns, const DnsExpectations& instead = expected()) {
  EngineHost box(vps());
  EXPECT_TRUE(box.enable(vps_profile()));
  const auto before = box.now();
  auto checks = checks_of(box, dns, instead, "mailu-vps");
  EXPECT_EQ(box.now(), before);
  return checks;
}

using Ids = std::vector<std::string>;

inline Ids ids_of(const std::vector<Check>& checks, Outcome outcome) {
  Ids ids;
  for (const auto& check : checks) {
    if (check.outcome == outcome) {
      ids.push_back(check.id);
    }
  }
  return ids;
}

inline std::string told_by(const std::vector<Check>& checks) {
  std::string told;
  for (const auto& check : checks) {
    told += check.id + ": " + check.title + ": " + check.detail + " | " + check.mend + "\n";
  }
  return told;
}

/// What those of one id and outcome say, mend and all; empty: there is none.
inline std::string said_by(const std::vector<Check>& checks, std::string_view id, Outcome outcome) {
  auto those = checks;
  std::erase_if(those, [&](const Check& check) { return check.id != id || check.outcome != outcome; });
  return told_by(those);
}

inline DnsAnswer servfail() {
  return {.status = DnsStatus::kFailed, .why = "SERVFAIL"};
}
inline DnsAnswer bogus() {
  return {.status = DnsStatus::kFailed, .security = DnsSecurity::kBogus, .why = "signature expired"};
}

}  // namespace smtpegress::test
