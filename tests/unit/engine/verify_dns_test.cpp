// What the DNS says of the mail becomes a verdict: each fault its own check, with the record to publish.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "support/dns_checks.hpp"

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
using test::kReverse;
using test::kVps;
using test::on_the_vps;
using test::servfail;
using test::told_by;

TEST(VerifyDns, AllIsWell_ThatIsTold) {
  FakeDns dns;
  good_dns(dns);
  const auto checks = on_the_vps(dns);
  EXPECT_EQ(ids_of(checks, Outcome::kPassed), (Ids{"dns-resolver", "dns-dnssec", "dns-ptr", "dns-forward", "dns-ehlo",
                                                   "dns-mx", "dns-spf", "dns-tlsa", "dns-mta-sts", "dns-blocklist"}))
      << told_by(checks);
  EXPECT_EQ(checks.size(), 10U);
  EXPECT_LE(dns.calls, 3U);
}

struct DnsFault {
  std::string name;
  std::function<void(FakeDns&)> happens;
  Ids failing;       ///< in this order
  std::string said;  ///< by one of them
  friend void PrintTo(const DnsFault& value, std::ostream* out) { *out << value.name; }
};

auto spf(std::string record) {
  return [record = std::move(record)](FakeDns& dns) {
    dns.remove("example.org", DnsType::kTxt);
    dns.txt("example.org", record);
  };
}

std::vector<DnsFault> dns_faults() {
  return {
      {"no_ptr",
       [](FakeDns& dns) { dns.remove(kReverse, DnsType::kPtr); },
       {"dns-ptr"},
       "publish `10.113.0.203.in-addr.arpa. IN PTR mail.example.org.`"},
      {"ptr_of_a_stranger",
       [](FakeDns& dns) {
         dns.remove(kReverse, DnsType::kPtr);
         dns.ptr(kReverse, "x.test");
       },
       {"dns-forward", "dns-ehlo"},
       "`10.113.0.203.in-addr.arpa. IN PTR mail.example.org.` in place of `10.113.0.203.in-addr.arpa. IN PTR x.test.`"},
      {"a_ptr_that_is_no_name",
       [](FakeDns& dns) {
         dns.remove(kReverse, DnsType::kPtr);
         dns.add(kReverse, DnsType::kPtr, {3, 'a', '\x1b', 'b', 0});
       },
       {"dns-forward", "dns-ehlo"},
       "a\\027b has no address"},
      {"another_good_name",
       [](FakeDns& dns) {
         dns.remove(kReverse, DnsType::kPtr);
         dns.ptr(kReverse, "x.test").a("x.test", kVps);
       },
       {"dns-ehlo"},
       "have the mail server say x.test in EHLO"},
      {"forward_to_another",
       [](FakeDns& dns) {
         dns.remove(kMail, DnsType::kA);
         dns.a(kMail, "203.0.113.99");
       },
       {"dns-forward", "dns-spf"},
       "publish `mail.example.org. IN A 203.0.113.10`"},
      {"neither_name_leads_anywhere",
       [](FakeDns& dns) {
         dns.remove(kReverse, DnsType::kPtr);
         dns.ptr(kReverse, "x.test").remove(kMail, DnsType::kA);
       },
       {"dns-forward", "dns-ehlo", "dns-mx", "dns-spf"},
       "; and publish `mail.example.org. IN A 203.0.113.10`"},
      {"no_spf",
       [](FakeDns& dns) { dns.remove("example.org", DnsType::kTxt); },
       {"dns-spf"},
       "publish `example.org. IN TXT \"v=spf1 ip4:203.0.113.10 ~all\"`"},
      {"spf_fails",
       spf("v=spf1 -all"),
       {"dns-spf"},
       "\"v=spf1 ip4:203.0.113.10 -all\"` in place of `example.org. IN TXT \"v=spf1 -all\"`"},
      {"spf_with_odd_bytes", spf("v=spf1 \x1b[2J\" -all"), {"dns-spf"}, R"('\027[2J\"' of example.org is wrong)"},
      {"no_mx",
       [](FakeDns& dns) { dns.remove("example.org", DnsType::kMx); },
       {"dns-mx", "dns-spf"},
       "publish `example.org. IN MX 10 mail.example.org.`"},
      {"mx_is_an_alias",
       [](FakeDns& dns) { dns.mx("example.org", 20, "mx.test").cname("mx.test", kMail).a("mx.test", kVps); },
       {"dns-mx"},
       "publish `example.org. IN MX 20 mail.example.org.` in place of `example.org. IN MX 20 mx.test.`"},
      {"mx_to_nowhere",
       [](FakeDns& dns) { dns.mx("example.org", 5, "gone.test"); },
       {"dns-mx"},
       "in place of `example.org. IN MX 5 gone.test.`"},
      {"mx_to_a_private_address",
       [](FakeDns& dns) { dns.mx("example.org", 5, "home.test").a("home.test", "192.168.1.25"); },
       {"dns-mx"},
       "no public address, but 192.168.1.25"},
      {"null_mx",
       [](FakeDns& dns) {
         dns.remove("example.org", DnsType::kMx);
         dns.mx("example.org", 0, "");
       },
       {"dns-mx", "dns-spf"},
       "in place of `example.org. IN MX 0 .`"},
      {"bogus_zone",
       [](FakeDns& dns) {
         for (const auto* what :
              {"example.org. MX", "example.org. TXT", "mail.example.org. A", "mail.example.org. AAAA"}) {
           dns.instead[what] = bogus();
         }
       },
       {"dns-dnssec"},
       "not example.org. MX (signature expired), example.org. TXT (signature expired), mail.example.org. A (signature "
       "expired), and 1 more"},
      {"mta_sts_twice",
       [](FakeDns& dns) { dns.txt("_mta-sts.example.org", "v=STSv1; id=8"); },
       {"dns-mta-sts"},
       "it has 2 records"},
      {"mta_sts_without_id",
       [](FakeDns& dns) {
         dns.remove("_mta-sts.example.org", DnsType::kTxt);
         dns.txt("_mta-sts.example.org", "v=STSv1; id=a-b");
       },
       {"dns-mta-sts"},
       "no id"},
      {"listed",
       [](FakeDns& dns) { dns.a(kListed, "127.0.0.4").txt(kListed, "caught\na worm"); },
       {"dns-blocklist"},
       "it is, as 127.0.0.4: caught\\010a worm"},
      {"one_zone_fails",
       [](FakeDns& dns) { dns.instead["example.org. TXT"] = servfail(); },
       {"dns-resolver"},
       "dig +trace example.org. TXT"},
  };
}

class DnsFaults : public testing::TestWithParam<DnsFault> {};

TEST_P(DnsFaults, FailsItsOwnCheckAndShowsTheRecord) {
  FakeDns dns;
  good_dns(dns);
  GetParam().happens(dns);
  const auto checks = on_the_vps(dns);
  EXPECT_EQ(ids_of(checks, Outcome::kFailed), GetParam().failing) << told_by(checks);
  EXPECT_NE(told_by(checks).find(GetParam().said), std::string::npos) << told_by(checks);
  for (const auto& check : checks) {
    EXPECT_EQ(check.mend.empty(), check.outcome != Outcome::kFailed) << check.id;
  }
}

INSTANTIATE_TEST_SUITE_P(Every, DnsFaults, testing::ValuesIn(dns_faults()),
                         [](const auto& parameter) { return parameter.param.name; });

struct Told {
  std::string name;
  std::function<void(FakeDns&)> happens;
  std::string id;
  std::string said;
  friend void PrintTo(const Told& value, std::ostream* out) { *out << value.name; }
};

class DnsTold : public testing::TestWithParam<Told> {};

TEST_P(DnsTold, FailsNothing) {
  FakeDns dns;
  good_dns(dns);
  GetParam().happens(dns);
  auto checks = on_the_vps(dns);
  EXPECT_EQ(ids_of(checks, Outcome::kFailed), Ids{}) << told_by(checks);
  std::erase_if(checks, [&](const Check& check) { return check.id != GetParam().id; });
  EXPECT_NE(told_by(checks).find(GetParam().said), std::string::npos) << told_by(checks);
}

INSTANTIATE_TEST_SUITE_P(
    Every, DnsTold,
    testing::Values(
        Told{"no_tlsa", [](FakeDns& dns) { dns.remove("_25._tcp.mail.example.org", DnsType::kTlsa); }, "dns-tlsa",
             "`_25._tcp.mail.example.org. IN TLSA 3 1 1 <SHA-256 of its public key>`"},
        Told{"tlsa_of_web_servers",
             [](FakeDns& dns) {
               dns.remove("_25._tcp.mail.example.org", DnsType::kTlsa);
               dns.tlsa("_25._tcp.mail.example.org", 1);
             },
             "dns-tlsa", "1 1 1, which mail servers pass over"},
        Told{"malformed_tlsa",
             [](FakeDns& dns) {
               dns.remove("_25._tcp.mail.example.org", DnsType::kTlsa);
               dns.add("_25._tcp.mail.example.org", DnsType::kTlsa, {3, 1, 1, 0});
             },
             "dns-tlsa", "malformed"},
        Told{"unsigned_zones", [](FakeDns& dns) { dns.security = DnsSecurity::kInsecure; }, "dns-tlsa",
             "is not signed"},
        Told{"unsigned_domain", [](FakeDns& dns) { dns.security = DnsSecurity::kInsecure; }, "dns-dnssec", "it is not"},
        Told{"dnssec_not_judged",
             [](FakeDns& dns) {
               dns.security = DnsSecurity::kUnjudged;
               dns.why = "no anchor";
             },
             "dns-dnssec", "not judged: no anchor"},
        Told{"no_mta_sts", [](FakeDns& dns) { dns.remove("_mta-sts.example.org", DnsType::kTxt); }, "dns-mta-sts",
             "`_mta-sts.example.org. IN TXT \"v=STSv1; id=1\"`"},
        Told{"a_list_that_refuses", [](FakeDns& dns) { dns.a(kListed, "127.255.255.254"); }, "dns-blocklist",
             "does not serve this resolver"},
        Told{"a_list_that_is_none", [](FakeDns& dns) { dns.a(kListed, "198.51.100.1"); }, "dns-blocklist",
             "one no longer"},
        Told{"a_list_that_does_not_answer",
             [](FakeDns& dns) { dns.instead[std::string(kListed) + ". A"] = servfail(); }, "dns-blocklist",
             "it does not answer"},
        Told{"a_name_made_of_the_address", [](FakeDns& dns) { dns.ptr(kReverse, "static-203-0-113-10.provider.test"); },
             "dns-ptr", "as of a home line"},
        Told{"several_names", [](FakeDns& dns) { dns.ptr(kReverse, "x.test"); }, "dns-ptr",
             "mail.example.org, x.test"}),
    [](const auto& parameter) { return parameter.param.name; });

TEST(VerifyDns, AResolverThatFails_IsTheOneFault) {
  class Dead final : public DnsResolver {
   public:
    Result<std::vector<DnsAnswer>> ask(const std::vector<DnsQuestion>& questions) override {
      return std::vector<DnsAnswer>(questions.size());
    }
    [[nodiscard]] std::string asked() const override { return "192.0.2.53, 192.0.2.54"; }
    [[nodiscard]] std::string why_unjudged() const override { return ""; }
  } dead;
  EngineHost box(test::vps());
  ASSERT_TRUE(box.enable(test::vps_profile()));
  const auto report = box.engine.verify("mailu-vps", {}, {}, {.resolver = &dead, .instead = expected()});
  ASSERT_TRUE(report);
  const auto [ids, said] = test::failures(*report);
  EXPECT_EQ(ids, (std::set<std::string>{"dns-resolver"})) << said;
  EXPECT_NE(said.find("dig @192.0.2.53 example.org"), std::string::npos) << said;
}

TEST(VerifyDns, NotWishedFor_NothingIsLookedUp) {
  EngineHost box(test::vps());
  ASSERT_TRUE(box.enable(test::vps_profile({{{"mail_name", std::string(kMail)}, {"mail_domains", "example.org"}}})));
  const auto report = box.engine.verify("mailu-vps", {});
  ASSERT_TRUE(report);
  EXPECT_TRUE(std::ranges::none_of(report->checks, [](const Check& check) { return check.id.starts_with("dns-"); }));
}

TEST(VerifyDns, TheProfileNamesIt_AndOptionsReplaceThat) {
  EngineHost box(test::vps());
  ASSERT_TRUE(box.enable(
      test::vps_profile({{{"mail_name", std::string(kMail)}, {"mail_domains", "example.org,example.net"}}})));
  FakeDns dns;
  good_dns(dns);
  (void)checks_of(box, dns, {}, "mailu-vps");
  const auto asked_for = [&](std::string_view name) {
    return std::ranges::any_of(dns.questions,
                               [&](const DnsQuestion& question) { return question.name == dns_name(name); });
  };
  EXPECT_TRUE(asked_for("example.net"));
  EXPECT_FALSE(asked_for(kListed));
  dns.questions.clear();
  (void)checks_of(box, dns, {.mail_domains = {dns_name("example.org")}, .blocklists = {dns_name("bl.test")}},
                  "mailu-vps");
  EXPECT_FALSE(asked_for("example.net"));
  EXPECT_TRUE(asked_for(kListed));
}

TEST(VerifyDns, WhatNobodyNamed_IsSaid) {
  FakeDns dns;
  const auto checks = on_the_vps(dns, {});
  EXPECT_EQ(ids_of(checks, Outcome::kFailed), (Ids{"dns-ptr"}));
  EXPECT_EQ(ids_of(checks, Outcome::kSkipped), (Ids{"dns-ehlo", "dns-spf"})) << told_by(checks);
  EXPECT_NE(told_by(checks).find("IN PTR <the name that the mail server says in EHLO>.`"), std::string::npos);
}

TEST(VerifyDns, AtHome_AsksForTheTunnelsFarEnd) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  FakeDns dns;
  const auto checks = checks_of(box, dns, {}, "mailu-home");
  EXPECT_NE(told_by(checks).find("198.51.100.1 has a name"), std::string::npos) << told_by(checks);
}

TEST(VerifyDns, AnAddressThatIsPrivate_IsNotLookedUp) {
  auto host = test::vps();
  test::add_address(host, "eth0", "10.20.0.2/24");
  EngineHost box(std::move(host));
  ASSERT_TRUE(box.enable(test::vps_profile({{{"public_ip", "10.20.0.2"}}})));
  FakeDns dns;
  const auto checks = checks_of(box, dns, {}, "mailu-vps");
  EXPECT_TRUE(dns.questions.empty());
  EXPECT_NE(told_by(checks).find("--address ADDR"), std::string::npos) << told_by(checks);
}

TEST(VerifyDns, AnAddressThatIsNamed_IsLookedUpInPlaceOfWhatIsKnown) {
  EngineHost box(test::vps());
  ASSERT_TRUE(box.enable(test::vps_profile()));
  FakeDns dns;
  const auto report =
      box.engine.verify("mailu-vps", {}, {}, {.resolver = &dns, .addresses = {test::address("198.51.100.7")}});
  ASSERT_TRUE(report);
  const auto [ids, said] = test::failures(*report);
  EXPECT_EQ(ids, (std::set<std::string>{"dns-ptr"}));
  EXPECT_NE(said.find("7.100.51.198.in-addr.arpa"), std::string::npos) << said;
}

TEST(VerifyDns, OfTenants_EachAddressIsLookedUp_AndNoNameIsHeldAgainstAll) {
  auto host = test::vps();
  test::add_wireguard(host, "wg1", "10.0.2.1/24", "172.22.1.0/24");
  test::add_address(host, "eth0", "203.0.113.11/24");
  EngineHost box(std::move(host));
  const auto profile = parse_profile("mailu-vps", "test", R"({"side": "vps", "tenants": [
      {"name": "alice", "sources": ["192.168.203.0/24"], "public_ip": "203.0.113.10"},
      {"name": "bob", "sources": ["172.22.1.0/24"], "tunnel": "wg1", "public_ip": "203.0.113.11"}]})");
  ASSERT_TRUE(profile) << test::said(profile);
  ASSERT_TRUE(box.enable(*profile));
  FakeDns dns;
  good_dns(dns);
  const auto checks = checks_of(box, dns, expected(), "mailu-vps");
  EXPECT_EQ(ids_of(checks, Outcome::kFailed), Ids{"dns-ptr"}) << told_by(checks);
  EXPECT_EQ(std::ranges::count(checks, "dns-blocklist", &Check::id), 2);
  EXPECT_EQ(std::ranges::count(checks, "dns-spf", &Check::id), 0);
  EXPECT_NE(told_by(checks).find("of one"), std::string::npos);
}

TEST(VerifyDns, BothFamilies_EachAddressIsJudged) {
  EngineHost box(test::dual_vps());
  ASSERT_TRUE(box.enable(test::dual_vps_profile()));
  FakeDns dns;
  good_dns(dns);
  dns.a(kMail, "2001:db8:10::10")
      .ptr("0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.8.b.d.0.1.0.0.2.ip6.arpa", kMail);
  const auto checks = checks_of(box, dns, expected(), "mailu-vps");
  EXPECT_EQ(ids_of(checks, Outcome::kFailed), Ids{}) << told_by(checks);
  EXPECT_EQ(std::ranges::count(checks, "dns-spf", &Check::id), 2);
}

}  // namespace
}  // namespace smtpegress
