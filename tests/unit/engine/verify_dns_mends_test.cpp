// The mends of verify --dns can be followed as they stand, and what they cannot know they do not claim.
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
using test::kOnEveryList;
using test::kReverse;
using test::kVps;
using test::on_the_vps;
using test::said_by;
using test::servfail;
using test::told_by;

constexpr std::string_view kHome = "198.51.100.7";

void replace_spf(FakeDns& dns, std::string_view record) {
  dns.remove("example.org", DnsType::kTxt);
  dns.txt("example.org", record);
}

struct Mend {
  std::string name;
  std::function<void(FakeDns&)> happens;
  Ids failing;
  std::string id;  ///< of the check that says:
  std::vector<std::string> said;
  Outcome outcome = Outcome::kFailed;
  DnsExpectations expectations = expected();
  friend void PrintTo(const Mend& value, std::ostream* out) { *out << value.name; }
};

class DnsMends : public testing::TestWithParam<Mend> {};

TEST_P(DnsMends, SaysWhatCanBeFollowed) {
  const auto& mend = GetParam();
  FakeDns dns;
  good_dns(dns);
  mend.happens(dns);
  const auto checks = on_the_vps(dns, mend.expectations);
  EXPECT_EQ(ids_of(checks, Outcome::kFailed), mend.failing) << told_by(checks);
  for (const auto& said : mend.said) {
    EXPECT_NE(said_by(checks, mend.id, mend.outcome).find(said), std::string::npos) << said << "\n" << told_by(checks);
  }
}

const DnsExpectations kNoMailName{.mail_name = {}, .mail_domains = {dns_name("example.org")}, .blocklists = {}};

/// The mail's name leads home, by a CNAME.
void name_is_an_alias(FakeDns& dns) {
  dns.remove(kMail, DnsType::kA);
  dns.cname(kMail, "home.dyn.example").a(kMail, kHome).a("home.dyn.example", kHome);
}

std::vector<Mend> beside_an_alias() {
  return {
      {"address_of_an_alias",
       name_is_an_alias,
       {"dns-forward", "dns-mx", "dns-spf"},
       "dns-forward",
       {"publish `mail.example.org. IN A 203.0.113.10` in place of `mail.example.org. IN CNAME home.dyn.example.`",
        "leads to 198.51.100.7 now", "would come to 203.0.113.10 instead"}},
      {"address_of_an_alias_to_nothing",
       [](FakeDns& dns) {
         dns.remove("example.org", DnsType::kMx);
         dns.mx("example.org", 10, "mx.example.org").cname("mx.example.org", "gone.test");
       },
       {"dns-mx", "dns-spf"},
       "dns-mx",
       {"publish `mx.example.org. IN A 203.0.113.10` in place of `mx.example.org. IN CNAME gone.test.`"},
       Outcome::kFailed,
       kNoMailName},
      {"mta_sts_of_an_alias",
       [](FakeDns& dns) {
         dns.remove("_mta-sts.example.org", DnsType::kTxt);
         dns.cname("_mta-sts.example.org", "_mta-sts.provider.test").txt("_mta-sts.example.org", "v=STSv1; id=a-b");
       },
       {"dns-mta-sts"},
       "dns-mta-sts",
       {"id=1\"` in place of `_mta-sts.example.org. IN CNAME _mta-sts.provider.test.`: "}},
      {"spf_of_an_alias",
       [](FakeDns& dns) {
         replace_spf(dns, "v=spf1 -all");
         dns.cname("example.org", "provider.test");
       },
       {"dns-spf"},
       "dns-spf",
       {"ip4:203.0.113.10 -all\"` in place of `example.org. IN CNAME provider.test.`"}},
      {"ptr_in_another_zone",  // RFC 2317
       [](FakeDns& dns) {
         dns.remove(kReverse, DnsType::kPtr);
         dns.cname(kReverse, "10.8-15.113.0.203.in-addr.arpa");
       },
       {"dns-ptr"},
       "dns-ptr",
       {"publish `10.8-15.113.0.203.in-addr.arpa. IN PTR mail.example.org.`"}},
      {"ehlo_of_an_alias",
       [](FakeDns& dns) {
         dns.remove("example.org", DnsType::kMx);
         dns.mx("example.org", 10, "mx.test").a("mx.test", kVps).cname(kMail, "vps.test");
       },
       {},
       "dns-ehlo",
       {"it is an alias of vps.test"},
       Outcome::kPassed},
      {"mx_by_two_aliases",
       [](FakeDns& dns) {
         dns.mx("example.org", 20, "mx.test").cname("mx.test", "mx2.test").cname("mx2.test", kMail).a("mx.test", kVps);
       },
       {"dns-mx"},
       "dns-mx",
       {"publish `example.org. IN MX 20 mail.example.org.` in place of `example.org. IN MX 20 mx.test.`"}},
  };
}

std::vector<Mend> of_addresses() {
  const auto mx_to = [](std::string_view address) {
    return [address](FakeDns& dns) { dns.mx("example.org", 5, "mx.test").a("mx.test", address); };
  };
  return {
      {"address_beside_another",
       [](FakeDns& dns) {
         dns.remove(kMail, DnsType::kA);
         dns.a(kMail, kHome);
       },
       {"dns-forward", "dns-spf"},
       "dns-forward",
       {"publish `mail.example.org. IN A 203.0.113.10`. But mail.example.org leads to 198.51.100.7 now",
        "would come to 203.0.113.10 too", "give 203.0.113.10 a name of its own"}},
      {"ehlo_that_leads_nowhere_beside_a_name_that_leads_back",
       [](FakeDns& dns) {
         dns.remove(kMail, DnsType::kA);
         dns.ptr(kReverse, "x.test").a("x.test", kVps);
       },
       {"dns-ehlo", "dns-mx", "dns-spf"},
       "dns-ehlo",
       {"mail.example.org has no address", "publish `mail.example.org. IN A 203.0.113.10`"}},
      {"ehlo_beside_names_that_lead_nowhere",
       [](FakeDns& dns) {
         dns.remove(kReverse, DnsType::kPtr);
         dns.ptr(kReverse, "a.test").ptr(kReverse, "x.test").a("x.test", kVps);
       },
       {"dns-ehlo"},
       "dns-ehlo",
       {"or have the mail server say x.test in EHLO"}},
      {"ehlo_and_a_bogus_ptr",
       [](FakeDns& dns) { dns.instead[std::string(kReverse) + ". PTR"] = bogus(); },
       {"dns-dnssec"},
       "dns-ehlo",
       {"first what failed above (`dns-dnssec`)"},
       Outcome::kSkipped},
      {"mx_to_loopback", mx_to("127.0.0.1"), {"dns-mx"}, "dns-mx", {"no public address, but 127.0.0.1"}},
      {"mx_to_a_link_local_address", mx_to("169.254.1.1"), {"dns-mx"}, "dns-mx", {"no public address"}},
      {"mx_to_this_host", mx_to("0.0.0.0"), {"dns-mx"}, "dns-mx", {"no public address"}},
      {"mx_to_loopback_of_ipv6", mx_to("::1"), {"dns-mx"}, "dns-mx", {"no public address"}},
      {"mx_to_private_addresses",
       [](FakeDns& dns) { dns.mx("example.org", 5, "mx.test").a("mx.test", "10.0.0.5").a("mx.test", "fd00::5"); },
       {"dns-mx"},
       "dns-mx",
       {"publish `example.org. IN MX 10 mail.example.org.` in place of `example.org. IN MX 5 mx.test.`"}},
      {"mx_of_its_own_to_private_addresses",
       [](FakeDns& dns) {
         dns.mx("example.org", 5, "mx.example.org").a("mx.example.org", "10.0.0.5").a("mx.example.org", "fd00::5");
       },
       {"dns-mx"},
       "dns-mx",
       {"publish `mx.example.org. IN A 203.0.113.10` in place of `mx.example.org. IN A 10.0.0.5` and "
        "`mx.example.org. IN AAAA fd00::5`"}},
      {"mx_of_anothers_to_a_private_address",
       mx_to("10.0.0.5"),
       {"dns-mx"},
       "dns-mx",
       {"publish `example.org. IN MX 10 mail.example.org.` in place of `example.org. IN MX 5 mx.test.`"},
       Outcome::kFailed,
       kNoMailName},
      {"mx_of_anothers_to_nowhere",
       [](FakeDns& dns) { dns.mx("example.org", 5, "gone.test"); },
       {"dns-mx"},
       "dns-mx",
       {"publish `example.org. IN MX 10 mail.example.org.` in place of `example.org. IN MX 5 gone.test.`"},
       Outcome::kFailed,
       kNoMailName},
  };
}

/// Of names that lead nowhere, and it is not known which one is wanted.
std::vector<Mend> of_ptrs() {
  const auto ptr_to = [](std::string_view name) {
    return [name](FakeDns& dns) {
      dns.remove(kReverse, DnsType::kPtr);
      dns.ptr(kReverse, name);
    };
  };
  const auto another = [](std::string_view name) {
    return "publish `10.113.0.203.in-addr.arpa. IN PTR <the name that the mail server says in EHLO>.` in place of "
           "`10.113.0.203.in-addr.arpa. IN PTR " +
           std::string(name) + "`, where the VPS's provider lets you name its address (\"reverse DNS\")";
  };
  const auto of_any = [](std::string name, std::function<void(FakeDns&)> happens, std::vector<std::string> said) {
    return Mend{std::move(name), std::move(happens), {"dns-forward"}, "dns-forward",
                std::move(said), Outcome::kFailed,   kNoMailName};
  };
  return {
      of_any("ptr_to_a_domains_name", ptr_to("out.example.org"), {"publish `out.example.org. IN A 203.0.113.10`"}),
      of_any("ptr_to_a_providers_name", ptr_to("vps1.provider.net"),
             {another("vps1.provider.net.") + "; or have the provider give vps1.provider.net the address\n"}),
      of_any("ptr_to_localhost", ptr_to("localhost"), {another("localhost.") + "\n"}),
      of_any("ptr_to_the_root", ptr_to(""), {". has no address", another(".") + "\n"}),
      of_any("ptr_to_an_address", ptr_to(kVps), {another("203.0.113.10.") + "\n"}),
  };
}

/// The domain's own addresses take its mail where there is no MX.
std::function<void(FakeDns&)> no_mx(std::string_view address) {
  return [address](FakeDns& dns) {
    dns.remove("example.org", DnsType::kMx);
    replace_spf(dns, "v=spf1 a:mail.example.org -all");
    if (!address.empty()) {
      dns.a("example.org", address);
    }
  };
}

std::vector<Mend> of_domains() {
  return {
      {"no_mx_but_the_address",
       no_mx(kVps),
       {},
       "dns-mx",
       {"its own address, 203.0.113.10; `example.org. IN MX 10 example.org.` would say so"},
       Outcome::kPassed},
      {"no_mx_but_another_address", no_mx("198.51.100.80"), {}, "dns-mx", {"no mail server"}, Outcome::kSkipped},
      {"no_mx_but_a_private_address",
       no_mx("10.0.0.5"),
       {"dns-mx"},
       "dns-mx",
       {"publish `example.org. IN MX 10 mail."}},
      {"no_mx_and_no_name_that_leads_anywhere",
       [](FakeDns& dns) {
         dns.remove("example.org", DnsType::kMx);
         dns.remove(kMail, DnsType::kA);
         replace_spf(dns, "v=spf1 ip4:203.0.113.10 -all");
       },
       {"dns-forward", "dns-mx"},
       "dns-mx",
       {"publish `example.org. IN MX 10 <the name of the server that takes its mail>.`"}},
      {"no_spf_of_whoever_else_sends",
       [](FakeDns& dns) { dns.remove("example.org", DnsType::kTxt); },
       {"dns-spf"},
       "dns-spf",
       {"whoever else sends for example.org belongs in it too"}},
      {"spf_that_says_nothing_of_others",
       [](FakeDns& dns) { replace_spf(dns, "v=spf1 a"); },
       {"dns-spf"},
       "dns-spf",
       {"publish `example.org. IN TXT \"v=spf1 ip4:203.0.113.10 a\"` in place of"}},
      {"spf_with_slips",
       [](FakeDns& dns) { replace_spf(dns, "v=spf1 ipv4:198.51.100.7 mxx -all"); },
       {"dns-spf"},
       "dns-spf",
       {"\"v=spf1 ip4:203.0.113.10 ip4:198.51.100.7 -all\"", "leaves out 'mxx'"}},
      {"spf_with_a_dead_include_behind_what_matches",
       [](FakeDns& dns) {
         replace_spf(dns, "v=spf1 mx:x.test include:dead.thirdparty.example -all");
         dns.mx("x.test", 10, "out.test").a("out.test", kVps);
         dns.instead["dead.thirdparty.example. TXT"] = servfail();
       },
       {},
       "dns-spf",
       {": mx:x.test"},
       Outcome::kPassed},
      {"mta_sts_of_another_version",
       [](FakeDns& dns) {
         dns.remove("_mta-sts.example.org", DnsType::kTxt);
         dns.txt("_mta-sts.example.org", "v=STSv10; id=1");
       },
       {},
       "dns-mta-sts",
       {"it does not"},
       Outcome::kSkipped},
  };
}

std::vector<Mend> of_others() {
  const auto unsigned_server = [](FakeDns& dns) {
    for (const auto* what : {"mail.example.org. A", "mail.example.org. AAAA"}) {
      dns.instead[what] =
          dns.answer({dns_name(kMail), std::string_view(what).ends_with("AAAA") ? DnsType::kAaaa : DnsType::kA});
      dns.instead[what].security = DnsSecurity::kInsecure;
    }
    dns.instead["_25._tcp.mail.example.org. TLSA"] = servfail();
  };
  return {
      {"tlsa_that_no_sender_asks_for",
       unsigned_server,
       {},
       "dns-tlsa",
       {"mail.example.org is not signed (DNSSEC): no sender asks for it"},
       Outcome::kSkipped},
      {"tlsa_that_nobody_judges",
       [](FakeDns& dns) {
         dns.security = DnsSecurity::kUnjudged;
         dns.instead["_25._tcp.mail.example.org. TLSA"] = servfail();
       },
       {},
       "dns-tlsa",
       {"nobody tells"},
       Outcome::kSkipped},
      {"tlsa_that_senders_ask_for_in_vain",
       [](FakeDns& dns) { dns.instead["_25._tcp.mail.example.org. TLSA"] = servfail(); },
       {"dns-resolver"},
       "dns-resolver",
       {"_25._tcp.mail.example.org. TLSA (SERVFAIL)"}},
      {"tlsa_by_way_of_two_domains",
       [](FakeDns& dns) {
         dns.mx("example.net", 10, kMail).txt("example.net", "v=spf1 mx -all");
         auto unsigned_one = dns.answer({dns_name("example.net"), DnsType::kMx});
         unsigned_one.security = DnsSecurity::kInsecure;
         dns.instead["example.net. MX"] = unsigned_one;
       },
       {},
       "dns-tlsa",
       {"3 1 1, signed, but not for mail to example.net, whose MX is not"},
       Outcome::kPassed,
       {.mail_name = dns_name(kMail),
        .mail_domains = {dns_name("example.net"), dns_name("example.org")},
        .blocklists = {}}},
      {"a_list_that_there_is_not",
       [](FakeDns& dns) { dns.remove(kOnEveryList, DnsType::kA); },
       {},
       "dns-blocklist",
       {"nor is 127.0.0.2, which every list has"},
       Outcome::kSkipped},
      {"a_list_of_everything",
       [](FakeDns& dns) { dns.a(kListed, "127.0.0.2").a("1.0.0.127.bl.test", "127.0.0.2"); },
       {},
       "dns-blocklist",
       {"it lists 127.0.0.1 too"},
       Outcome::kSkipped},
  };
}

const auto kNameOf = [](const auto& parameter) { return parameter.param.name; };
INSTANTIATE_TEST_SUITE_P(BesideAnAlias, DnsMends, testing::ValuesIn(beside_an_alias()), kNameOf);
INSTANTIATE_TEST_SUITE_P(OfAddresses, DnsMends, testing::ValuesIn(of_addresses()), kNameOf);
INSTANTIATE_TEST_SUITE_P(OfPtrs, DnsMends, testing::ValuesIn(of_ptrs()), kNameOf);
INSTANTIATE_TEST_SUITE_P(OfDomains, DnsMends, testing::ValuesIn(of_domains()), kNameOf);
INSTANTIATE_TEST_SUITE_P(OfOthers, DnsMends, testing::ValuesIn(of_others()), kNameOf);

TEST(VerifyDns, TlsaOfAnUnsignedServer_IsNotAskedFor) {
  FakeDns dns;
  good_dns(dns);
  dns.security = DnsSecurity::kInsecure;
  (void)on_the_vps(dns);
  EXPECT_TRUE(
      std::ranges::none_of(dns.questions, [](const DnsQuestion& question) { return question.type == DnsType::kTlsa; }));
}

TEST(VerifyDns, MoreThanIsAsked_IsNoNameServersFault) {
  FakeDns dns;
  good_dns(dns);
  auto many = expected();
  for (int i = 0; i < 300; ++i) {
    many.mail_domains.push_back(dns_name("d" + std::to_string(i) + ".test"));
  }
  const auto said = said_by(on_the_vps(dns, many), "dns-resolver", Outcome::kFailed);
  EXPECT_NE(said.find("more than 600 questions are not asked at once"), std::string::npos) << said;
}

TEST(VerifyDns, OfTwoAddressesThatSpfRefuses_BothAreInOneRecord) {
  EngineHost box(test::dual_vps());
  ASSERT_TRUE(box.enable(test::dual_vps_profile()));
  FakeDns dns;
  good_dns(dns);
  replace_spf(dns, "v=spf1 -all");
  dns.a(kMail, "2001:db8:10::10")
      .ptr("0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.8.b.d.0.1.0.0.2.ip6.arpa", kMail);
  auto checks = checks_of(box, dns, expected(), "mailu-vps");
  std::erase_if(checks, [](const Check& check) { return check.outcome != Outcome::kFailed; });
  ASSERT_EQ(ids_of(checks, Outcome::kFailed), (Ids{"dns-spf", "dns-spf"})) << told_by(checks);
  EXPECT_EQ(checks[0].mend, checks[1].mend);
  EXPECT_NE(checks[0].mend.find("\"v=spf1 ip4:203.0.113.10 ip6:2001:db8:10::10 -all\""), std::string::npos)
      << checks[0].mend;
}

TEST(VerifyDns, AResolverAtAPortOfItsOwn_IsNamedAsDigHasIt) {
  class Dead final : public DnsResolver {
   public:
    Result<std::vector<DnsAnswer>> ask(const std::vector<DnsQuestion>& questions) override {
      return std::vector<DnsAnswer>(questions.size());
    }
    [[nodiscard]] std::string asked() const override { return "192.0.2.53@5353, 192.0.2.54"; }
    [[nodiscard]] std::string why_unjudged() const override { return ""; }
  } dead;
  EngineHost box(test::vps());
  ASSERT_TRUE(box.enable(test::vps_profile()));
  const auto report = box.engine.verify("mailu-vps", {}, {}, {.resolver = &dead, .instead = expected()});
  ASSERT_TRUE(report);
  const auto [ids, said] = test::failures(*report);
  EXPECT_NE(said.find("`dig -p 5353 @192.0.2.53 example.org`"), std::string::npos) << said;
}

}  // namespace
}  // namespace smtpegress
