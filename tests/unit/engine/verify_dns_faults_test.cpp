// Whose fault it is where the DNS does not tell: a zone's, the resolver's, this host's, a list's that is none.
#include <gtest/gtest.h>

#include <algorithm>

#include "net/dns_record.hpp"
#include "support/dns_checks.hpp"
#include "support/fake_prober.hpp"

namespace smtpegress {
namespace {

using test::bogus;
using test::checks_of;
using test::dns_name;
using test::EngineHost;
using test::expected;
using test::FakeDns;
using test::good_dns;
using test::Ids;
using test::ids_of;
using test::kListed;
using test::kMail;
using test::kOnEveryList;
using test::kReverse;
using test::on_the_vps;
using test::said_by;
using test::servfail;
using test::told_by;

// A zone's, or the resolver's

/// Plain `verify --dns` asks for nothing but the PTR.
std::string said_of_a_lame_reverse_zone(FakeDns& dns) {
  dns.instead[std::string(kReverse) + ". PTR"] = servfail();
  const auto checks = on_the_vps(dns, {});
  EXPECT_EQ(ids_of(checks, Outcome::kFailed), (Ids{"dns-resolver"})) << told_by(checks);
  return said_by(checks, "dns-resolver", Outcome::kFailed);
}

TEST(VerifyDnsFaults, OneZoneThatFails_IsNotTheResolvers_ThoughNothingElseWasAskedFor) {
  FakeDns dns;
  const auto said = said_of_a_lame_reverse_zone(dns);
  EXPECT_NE(said.find("`dig +trace 10.113.0.203.in-addr.arpa. PTR`"), std::string::npos) << said;
  EXPECT_EQ(said.find("resolv.conf"), std::string::npos) << said;
}

TEST(VerifyDnsFaults, AResolverThatTellsNothingOfTheRootEither_IsToBlame) {
  for (const auto& [keys, mail, is_up] :
       {std::tuple{false, true, true}, std::tuple{true, false, true}, std::tuple{false, false, false}}) {
    FakeDns dns;
    for (const auto& [question, is_told] : {std::pair{". DNSKEY", keys}, std::pair{". MX", mail}}) {
      if (!is_told) {
        dns.instead[question] = servfail();
      }
    }
    const auto said = said_of_a_lame_reverse_zone(dns);
    EXPECT_EQ(said.find("is it up: `dig @192.0.2.53 example.org`") == std::string::npos, is_up) << said;
  }
}

TEST(VerifyDnsFaults, WhereSomethingIsAnswered_TheRootIsNotAskedFor) {
  FakeDns dns;
  good_dns(dns);
  dns.instead["example.org. TXT"] = servfail();
  (void)on_the_vps(dns);
  EXPECT_TRUE(std::ranges::none_of(dns.questions, [](const DnsQuestion& asked) { return asked.name.is_root(); }));
}

TEST(VerifyDnsFaults, AnIncludeThatIsBogus_IsNotTheResolvers_ThoughAnotherAnswerFails) {
  FakeDns dns;
  good_dns(dns);
  dns.remove("example.org", DnsType::kTxt);
  dns.txt("example.org", "v=spf1 include:bogus.test -all");
  dns.instead["bogus.test. TXT"] = bogus();
  dns.instead["_mta-sts.example.org. TXT"] = servfail();
  const auto checks = on_the_vps(dns);
  EXPECT_EQ(ids_of(checks, Outcome::kFailed), (Ids{"dns-resolver", "dns-dnssec"})) << told_by(checks);
  const auto said = said_by(checks, "dns-spf", Outcome::kSkipped);
  EXPECT_NE(said.find("no answer for bogus.test; first what failed above (`dns-dnssec`)"), std::string::npos) << said;
}

TEST(VerifyDnsFaults, DnssecThatNobodyJudges_IsTold_WhereNoDomainIsKnown) {
  FakeDns dns;
  good_dns(dns);
  dns.security = DnsSecurity::kUnjudged;
  dns.why = "no anchor";
  const auto checks = on_the_vps(dns, {.mail_name = dns_name(kMail), .mail_domains = {}, .blocklists = {}});
  EXPECT_EQ(ids_of(checks, Outcome::kFailed), Ids{}) << told_by(checks);
  const auto said = said_by(checks, "dns-dnssec", Outcome::kSkipped);
  EXPECT_NE(said.find("not judged: no anchor"), std::string::npos) << told_by(checks);
}

// This host's, or whoever typed it

class Unfit : public DnsResolver {
 public:
  std::size_t calls = 0;
  Result<std::vector<DnsAnswer>> ask(const std::vector<DnsQuestion>&) override {
    ++calls;
    return usage_error("load", "libunbound.so.8", "install it");
  }
  [[nodiscard]] std::string asked() const override { return ""; }
  [[nodiscard]] std::string why_unjudged() const override { return ""; }
};

TEST(VerifyDnsFaults, NobodyToAsk_IsOneFault_AndWhatElseWasFoundIsTold) {
  Unfit missing;
  EngineHost box(test::vps());
  ASSERT_TRUE(box.enable(test::vps_profile()));
  box.host().wireguards["wg0"].peers.front().last_handshake = 0;
  test::FakeProber prober;
  const auto report =
      box.engine.verify("mailu-vps", {}, test::wish(prober), {.resolver = &missing, .instead = expected()});
  ASSERT_TRUE(report) << test::said(report);
  const auto [ids, said] = test::failures(*report);
  EXPECT_EQ(ids, (std::set<std::string>{"handshake", "dns-resolver"})) << said;
  EXPECT_NE(said.find("dns-resolver: load libunbound.so.8 | install it"), std::string::npos) << said;
  EXPECT_EQ(prober.requests.size(), 1U);
  EXPECT_EQ(missing.calls, 1U);
  const auto hangs_on_it = said_by(report->checks, "dns-mx", Outcome::kSkipped);
  EXPECT_NE(hangs_on_it.find("first what failed above (`dns-resolver`)"), std::string::npos) << hangs_on_it;
}

TEST(VerifyDnsFaults, WhatIsNamedWrongly_IsAnError_BeforeAProbeIsSent) {
  class Mistyped final : public Unfit {
   public:
    Result<void> check_settings() override { return usage_error("ask the DNS", "with /nothing", "it is no file"); }
  } mistyped;
  EngineHost box(test::vps());
  ASSERT_TRUE(box.enable(test::vps_profile()));
  test::FakeProber prober;
  const auto report = box.engine.verify("mailu-vps", {}, test::wish(prober), {.resolver = &mistyped, .instead = {}});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().kind, ErrorKind::kUsage);
  EXPECT_TRUE(prober.requests.empty());
  EXPECT_EQ(mistyped.calls, 0U);
}

// Of whom home asks

TEST(VerifyDnsFaults, AtHome_AnotherPeersAddress_IsNotTheMails) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  auto& peers = box.host().wireguards["wg0"].peers;
  peers.push_back(peers.front());
  peers.back().allowed_ips = {test::prefix("10.0.1.3/32")};
  peers.back().endpoint = "198.51.100.77:51820";
  FakeDns dns;
  const auto told = told_by(checks_of(box, dns, {}, "mailu-home"));
  EXPECT_NE(told.find("198.51.100.1 has a name"), std::string::npos) << told;
  EXPECT_EQ(told.find("198.51.100.77"), std::string::npos) << told;
}

TEST(VerifyDnsFaults, AtHome_AnEndpointOnThisHost_IsNobodysAddress) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  box.host().wireguards["wg0"].peers.front().endpoint = "127.0.0.1:4000";  // udp2raw's
  FakeDns dns;
  const auto checks = checks_of(box, dns, {}, "mailu-home");
  EXPECT_TRUE(dns.questions.empty());
  const auto said = said_by(checks, "dns-ptr", Outcome::kSkipped);
  EXPECT_NE(said.find("--address ADDR"), std::string::npos) << told_by(checks);
}

// A list's that is none

TEST(VerifyDnsFaults, ListedByWhatHasNoTestEntry_FailsNothing) {
  FakeDns dns;
  good_dns(dns);
  dns.a(kListed, "127.0.0.4").remove(kOnEveryList, DnsType::kA);
  const auto checks = on_the_vps(dns);
  EXPECT_EQ(ids_of(checks, Outcome::kFailed), Ids{}) << told_by(checks);
  const auto said = said_by(checks, "dns-blocklist", Outcome::kSkipped);
  EXPECT_NE(said.find("it answers 127.0.0.4, but does not list 127.0.0.2"), std::string::npos) << told_by(checks);
}

TEST(VerifyDnsFaults, ListedByWhatDoesNotTellOfItsTestEntry_Fails) {
  FakeDns dns;
  good_dns(dns);
  dns.a(kListed, "127.0.0.4").instead[std::string(kOnEveryList) + ". A"] = servfail();
  const auto checks = on_the_vps(dns);
  EXPECT_EQ(ids_of(checks, Outcome::kFailed), (Ids{"dns-blocklist"})) << told_by(checks);
}

TEST(VerifyDnsFaults, AnIpv6AddressThatIsListed_Fails_WhicheverTestEntryTheListHas) {
  const auto on_the_list = [](std::string_view address) {
    return reversed_labels(test::address(address)) + ".bl.test";
  };
  EngineHost box(test::dual_vps());
  ASSERT_TRUE(box.enable(test::dual_vps_profile()));
  for (const auto* entry : {"127.0.0.2", "::ffff:7f00:2", ""}) {
    FakeDns dns;
    good_dns(dns);
    dns.a(on_the_list("2001:db8:10::10"), "127.0.0.4").remove(kOnEveryList, DnsType::kA);
    if (!std::string_view(entry).empty()) {
      dns.a(on_the_list(entry), "127.0.0.2");
    }
    const auto checks = checks_of(box, dns, expected(), "mailu-vps");
    const auto failed = said_by(checks, "dns-blocklist", Outcome::kFailed);
    EXPECT_EQ(failed.find("2001:db8:10::10 is not listed") == std::string::npos, std::string_view(entry).empty())
        << entry << "\n"
        << told_by(checks);
  }
}

}  // namespace
}  // namespace smtpegress
