// SPF by the rules of RFC 7208: what a record says of an address, and a record that lets it send.
#include "model/spf.hpp"

#include <gtest/gtest.h>

#include <ostream>

#include "support/fake_dns.hpp"

namespace smtpegress {
namespace {

using test::dns_name;
using test::FakeDns;

constexpr std::string_view kV4 = "203.0.113.10";
constexpr std::string_view kV6 = "2001:db8::10";

/// What the cases' records lead to.
void internet(FakeDns& dns) {
  dns.a("example.org", "203.0.113.80").a("mail.example.org", kV4).a("mail.example.org", kV6);
  dns.mx("example.org", 10, "mail.example.org").mx("mx.test", 10, "mail.example.org");
  dns.a("near.test", "203.0.113.99").a("near.test", "2001:db8::99");
  dns.txt("pass.test", "v=spf1 +all").txt("fail.test", "v=spf1 -all").txt("soft.test", "v=spf1 ~all");
  dns.txt("neutral.test", "v=spf1 ?all").txt("wrong.test", "v=spf1 foo").txt("none.test", "hello");
  dns.txt("loop.test", "v=spf1 include:loop.test -all").txt("round.test", "v=spf1 redirect=round.test");
  dns.txt("relative.test", "v=spf1 a:mail.example.org -all");
  dns.a("10.113.0.203._spf.example.org", "127.0.0.2")
      .a("postmaster.example.org.mail.example.org.helo.test", "127.0.0.2");
  dns.a("0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.test", "127.0.0.2");
  dns.ptr("10.113.0.203.in-addr.arpa", "mail.example.org").ptr("10.113.0.203.in-addr.arpa", "liar.test");
  dns.txt("dead.test", "x");
  dns.instead["dead.test. TXT"] = dns.instead["dead.test. A"] = {.status = DnsStatus::kFailed, .why = "SERVFAIL"};
}

struct Case {
  std::string record;
  SpfResult result;
  std::string_view from = kV4;
  friend void PrintTo(const Case& value, std::ostream* out) { *out << value.record << " from " << value.from; }
};

class Spf : public testing::TestWithParam<Case> {};

TEST_P(Spf, SaysWhatTheRfcSays) {
  FakeDns dns;
  internet(dns);
  dns.txt("example.org", GetParam().record);
  const auto verdict = test::judged(dns, [&](DnsBook& book) {
    return check_spf(book, dns_name("example.org"), test::address(GetParam().from), "mail.example.org");
  });
  EXPECT_EQ(verdict.result, GetParam().result) << word_for(verdict.result) << ": " << verdict.why;
  EXPECT_FALSE(verdict.why.empty());
}

using enum SpfResult;
INSTANTIATE_TEST_SUITE_P(
    Every, Spf,
    testing::Values(
        Case{"v=spf1 -all", kFail}, Case{"v=spf1 ~all", kSoftFail}, Case{"v=spf1 ?all", kNeutral},
        Case{"v=spf1 all", kPass}, Case{"V=SPF1 +ALL", kPass}, Case{"v=spf1", kNeutral}, Case{"v=spf1  -all ", kFail},
        Case{"v=spf10 -all", kNone}, Case{"spf2.0/pra -all", kNone},  // Sender ID, another thing
        Case{"v=spf1 ip4:203.0.113.10 -all", kPass}, Case{"v=spf1 ip4:203.0.113.0/24 -all", kPass},
        Case{"v=spf1 ip4:203.0.113.99/24 -all", kPass},  // host bits may be set
        Case{"v=spf1 ip4:192.0.2.0/24 -all", kFail}, Case{"v=spf1 ip4:203.0.113.10 -all", kFail, kV6},
        Case{"v=spf1 ip6:2001:db8::/32 -all", kPass, kV6}, Case{"v=spf1 ip6:2001:db8::/32 -all", kFail},
        Case{"v=spf1 ip4:203.0.113.0/33 -all", kPermError}, Case{"v=spf1 ip4:203.0.113.0/024 -all", kPermError},
        Case{"v=spf1 ip4:2001:db8::1 -all", kPermError}, Case{"v=spf1 ip4 -all", kPermError},
        Case{"v=spf1 ipv4:203.0.113.10 -all", kPermError}, Case{"v=spf1 all:x -all", kPermError},
        Case{"v=spf1 -ip4:203.0.113.10 +all", kFail},
        // a
        Case{"v=spf1 a -all", kFail}, Case{"v=spf1 a/24 -all", kPass}, Case{"v=spf1 a:mail.example.org -all", kPass},
        Case{"v=spf1 A:Mail.Example.Org -all", kPass}, Case{"v=spf1 a:mail.example.org -all", kPass, kV6},
        Case{"v=spf1 a:near.test -all", kFail}, Case{"v=spf1 a:near.test/24 -all", kPass},
        Case{"v=spf1 a:near.test//64 -all", kPass, kV6}, Case{"v=spf1 a:near.test/24//64 -all", kPass, kV6},
        Case{"v=spf1 a:near.test/24//128 -all", kFail, kV6}, Case{"v=spf1 a:near.test/24//129 -all", kPermError},
        Case{"v=spf1 a:near.test/ -all", kPermError}, Case{"v=spf1 a: -all", kPermError},
        Case{"v=spf1 a:mail -all", kPermError}, Case{"v=spf1 a:192.0.2.1 -all", kPermError},
        Case{"v=spf1 a:dead.test -all", kTempError},
        // mx
        Case{"v=spf1 mx -all", kPass}, Case{"v=spf1 mx -all", kPass, kV6}, Case{"v=spf1 mx:mx.test -all", kPass},
        Case{"v=spf1 mx:none.test -all", kFail}, Case{"v=spf1 mx/24 -all", kPass},
        // include
        Case{"v=spf1 include:pass.test -all", kPass}, Case{"v=spf1 -include:pass.test ~all", kFail},
        Case{"v=spf1 include:fail.test ~all", kSoftFail}, Case{"v=spf1 include:soft.test -all", kFail},
        Case{"v=spf1 include:neutral.test -all", kFail}, Case{"v=spf1 include:none.test -all", kPermError},
        Case{"v=spf1 include:nowhere.test -all", kPermError}, Case{"v=spf1 include:wrong.test -all", kPermError},
        Case{"v=spf1 include:dead.test -all", kTempError}, Case{"v=spf1 include -all", kPermError},
        Case{"v=spf1 include:loop.test -all", kPermError}, Case{"v=spf1 include:relative.test -all", kPass},
        // redirect
        Case{"v=spf1 redirect=pass.test", kPass}, Case{"v=spf1 redirect=fail.test", kFail},
        Case{"v=spf1 redirect=pass.test -all", kFail}, Case{"v=spf1 redirect=none.test", kPermError},
        Case{"v=spf1 redirect=round.test", kPermError},
        Case{"v=spf1 redirect=pass.test redirect=pass.test", kPermError}, Case{"v=spf1 redirect= -all", kPermError},
        // exists, ptr, macros
        Case{"v=spf1 exists:%{ir}._spf.%{d} -all", kPass}, Case{"v=spf1 exists:%{ir}._spf.%{d2} -all", kPass},
        Case{"v=spf1 exists:%{i}._spf.%{d} -all", kFail}, Case{"v=spf1 exists:%{l}.%{o}.%{h}.helo.test -all", kPass},
        Case{"v=spf1 exists:%{ir}.%{v}.test -all", kPass, kV6},
        Case{"v=spf1 exists:%{L}.%{O1}.nothing.test -all", kFail}, Case{"v=spf1 exists:%{x}.test -all", kPermError},
        Case{"v=spf1 exists:%{i.test -all", kPermError}, Case{"v=spf1 exists:%(i).test -all", kPermError},
        Case{"v=spf1 exists:%{d0}.test -all", kPermError}, Case{"v=spf1 exists:%%%_%-.nothing.test -all", kFail},
        Case{"v=spf1 ptr -all", kPass}, Case{"v=spf1 ptr:example.org -all", kPass},
        Case{"v=spf1 ptr:liar.test -all", kFail},
        // modifiers
        Case{"v=spf1 exp=why.example.org -all", kFail}, Case{"v=spf1 foo=bar -all", kFail},
        Case{"v=spf1 foo=%{ -all", kPermError}, Case{"v=spf1 1x=bar -all", kPermError},
        Case{"v=spf1 =bar -all", kPermError},
        // lookups: eleven are too many, and so are three in vain
        Case{"v=spf1 a a a a a a a a a a -all", kFail}, Case{"v=spf1 a a a a a a a a a a a -all", kPermError},
        Case{"v=spf1 a a a a a a a a a a mx -all", kPermError}, Case{"v=spf1 a:v1.test a:v2.test -all", kFail},
        Case{"v=spf1 a:v1.test a:v2.test exists:v3.test -all", kPermError}),
    [](const auto& parameter) { return "Case" + std::to_string(parameter.index); });

TEST(SpfRecords, TwoOfThem_AreAnError_AndOtherTextsAreNone) {
  FakeDns dns;
  internet(dns);
  dns.txt("two.test", "v=spf1 -all").txt("two.test", "v=spf1 mx -all").txt("two.test", "hello");
  const auto verdict =
      test::judged(dns, [](DnsBook& book) { return check_spf(book, dns_name("two.test"), test::address(kV4), ""); });
  EXPECT_EQ(verdict, (SpfVerdict{kPermError, "two.test has 2 SPF records, and may have one"}));
}

TEST(SpfRecords, OfManyMailServers_AreAnError) {
  FakeDns dns;
  internet(dns);
  dns.txt("many.test", "v=spf1 mx -all");
  for (int i = 0; i < 11; ++i) {
    dns.mx("many.test", 10, "mx" + std::to_string(i) + ".test");
  }
  const auto verdict =
      test::judged(dns, [](DnsBook& book) { return check_spf(book, dns_name("many.test"), test::address(kV4), ""); });
  EXPECT_EQ(verdict.result, kPermError) << verdict.why;
}

/// A domain's verdict, and what of it is somebody's fault.
struct Judged {
  SpfResult result;
  std::size_t failed;
  auto operator<=>(const Judged&) const = default;
};
Judged with_faults(FakeDns& dns, std::string_view domain) {
  return test::judged(dns, [&](DnsBook& book) {
    const auto verdict = check_spf(book, dns_name(domain), test::address(kV4), "");
    return Judged{verdict.result, book.failed().size()};
  });
}

TEST(SpfRecords, WhatStandsBehindAMatch_IsNoFault) {
  FakeDns dns;
  internet(dns);
  dns.txt("first.test", "v=spf1 a:mail.example.org include:dead.test -all");
  EXPECT_EQ(with_faults(dns, "first.test"), (Judged{kPass, 0}));
  dns.txt("last.test", "v=spf1 include:dead.test a:mail.example.org -all");
  EXPECT_EQ(with_faults(dns, "last.test"), (Judged{kTempError, 1}));
}

TEST(SpfRecords, OfMailServers_TheFirstThatSaysSomethingEndsIt) {
  FakeDns dns;
  internet(dns);
  dns.txt("mx1.test", "v=spf1 mx -all").mx("mx1.test", 10, "mail.example.org").mx("mx1.test", 20, "dead.test");
  EXPECT_EQ(with_faults(dns, "mx1.test"), (Judged{kPass, 0}));
  dns.txt("mx2.test", "v=spf1 mx -all").mx("mx2.test", 10, "dead.test").mx("mx2.test", 20, "mail.example.org");
  EXPECT_EQ(with_faults(dns, "mx2.test"), (Judged{kTempError, 1}));
}

TEST(SpfRecords, OfPtr_ErrorsAreNoMatch_AndNoFault) {
  FakeDns dns;
  internet(dns);
  dns.txt("ptr.test", "v=spf1 ptr:dead.test ~all").ptr("10.113.0.203.in-addr.arpa", "dead.test");
  EXPECT_EQ(with_faults(dns, "ptr.test"), (Judged{kSoftFail, 0}));
  dns.instead["10.113.0.203.in-addr.arpa. PTR"] = {.status = DnsStatus::kFailed, .why = "SERVFAIL"};
  EXPECT_EQ(with_faults(dns, "ptr.test"), (Judged{kSoftFail, 0}));
}

TEST(SpfRecords, WhatARecordIncludes_IsAskedAtOnce) {
  FakeDns dns;
  internet(dns);
  dns.txt("wide.test", "v=spf1 a:mail.example.org include:soft.test include:neutral.test mx:mx.test -all");
  (void)test::judged(dns, [](DnsBook& book) { return check_spf(book, dns_name("wide.test"), test::address(kV6), ""); });
  EXPECT_EQ(dns.calls, 2U);
}

class SpfMended : public testing::TestWithParam<std::vector<std::string>> {};

/// Whatever stood there, what is to be published in its place lets the address send, and says what it said besides.
TEST_P(SpfMended, LetsTheAddressSend_WithoutALookup) {
  for (const auto from : {kV4, kV6}) {
    FakeDns dns;
    const auto record = spf_covering(GetParam(), {test::address(from)}).record;
    dns.txt("example.org", record);
    const auto verdict = test::judged(
        dns, [&](DnsBook& book) { return check_spf(book, dns_name("example.org"), test::address(from), ""); });
    EXPECT_EQ(verdict.result, kPass) << record << ": " << verdict.why;
    EXPECT_EQ(dns.questions.size(), 1U);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Every, SpfMended,
    testing::Values(std::vector<std::string>{}, std::vector<std::string>{"v=spf1 -all"},
                    std::vector<std::string>{"v=spf1 mx ipv4:203.0.113.10 ~all"},
                    std::vector<std::string>{"v=spf1 mx -all", "v=spf1 include:a.test redirect=b.test"},
                    std::vector<std::string>{"v=spf1 redirect=b.test"},
                    std::vector<std::string>{"v=spf1 a:1.test a:2.test a:3.test a:4.test a:5.test a:6.test a:7.test "
                                             "a:8.test a:9.test a:10.test a:11.test -all"}));

TEST(SpfCovering, KeepsWhatStoodThere_AndEndsAsItEnded) {
  const std::vector<IpAddress> one{test::address(kV4)};
  const auto record = [&](const std::vector<std::string>& records) { return spf_covering(records, one).record; };
  EXPECT_EQ(record({}), "v=spf1 ip4:203.0.113.10 ~all");
  EXPECT_EQ(record({"v=spf1 mx -all"}), "v=spf1 ip4:203.0.113.10 mx -all");
  EXPECT_EQ(record({"v=spf1 mx"}), "v=spf1 ip4:203.0.113.10 mx");
  EXPECT_EQ(record({"v=spf1 redirect=b.test"}), "v=spf1 ip4:203.0.113.10 redirect=b.test");
  EXPECT_EQ(record({"v=spf1 mx -all", "v=spf1 mx a redirect=b.test"}),
            "v=spf1 ip4:203.0.113.10 mx a include:b.test -all");
}

TEST(SpfCovering, SeveralAddresses_AreInOneRecord) {
  EXPECT_EQ(spf_covering({"v=spf1 ip4:203.0.113.10 -all"}, {test::address(kV4), test::address(kV6)}),
            SpfCovering{"v=spf1 ip4:203.0.113.10 ip6:2001:db8::10 -all"});
}

TEST(SpfCovering, WhatIsNoTerm_IsRepairedOrNamed) {
  const std::vector<IpAddress> one{test::address(kV6)};
  EXPECT_EQ(spf_covering({"v=spf1 mxx a -all exp=why.test"}, one),
            (SpfCovering{"v=spf1 ip6:2001:db8::10 a -all exp=why.test", {"mxx"}}));
  EXPECT_EQ(spf_covering({"v=spf1 ipv4:198.51.100.7 ?IPv6:2001:db8::/32 -all"}, one),
            SpfCovering{"v=spf1 ip6:2001:db8::10 ip4:198.51.100.7 ?IP6:2001:db8::/32 -all"});
  EXPECT_EQ(spf_covering({"v=spf1 ipv4:mail.test -all v pv", "v=spf1 ~all"}, one),
            (SpfCovering{"v=spf1 ip6:2001:db8::10 -all", {"ipv4:mail.test", "v", "pv", "~all"}}));
}

TEST(DnsBook, WhatIsAside_IsAskedWhenNothingGraveIsLeft_AndIsNoFault) {
  DnsBook book;
  const DnsQuestion grave{dns_name("example.org"), DnsType::kMx};
  const DnsQuestion aside{dns_name("bl.test"), DnsType::kA};
  const auto look_at_both = [&] {
    (void)book.look(grave);
    (void)book.look(aside, DnsBook::Matter::kAside);
    return book.take_wanted();
  };
  EXPECT_EQ(look_at_both(), std::vector{grave});
  book.add(grave, {.status = DnsStatus::kFailed});
  EXPECT_EQ(look_at_both(), std::vector{aside});
  book.add(aside, {.status = DnsStatus::kUnanswered});
  EXPECT_TRUE(look_at_both().empty());
  EXPECT_EQ(book.size(), 1U);
  ASSERT_EQ(book.failed().size(), 1U);
  EXPECT_EQ(book.failed().front().question, grave);
}

TEST(DnsBook, WhatTheLastJudgementDidNotLookAt_IsNoFault) {
  DnsBook book;
  const DnsQuestion needless{dns_name("dead.test"), DnsType::kA};
  const DnsQuestion needed{dns_name("example.org"), DnsType::kA};
  (void)book.look(needless);
  (void)book.look(needed, DnsBook::Matter::kAside);
  (void)book.look(needed);  // one of those who look is enough
  EXPECT_EQ(book.take_wanted(), (std::vector{needless, needed}));
  book.add(needless, {.status = DnsStatus::kFailed});
  book.add(needed, {.status = DnsStatus::kFailed});
  (void)book.look(needed);
  EXPECT_TRUE(book.take_wanted().empty());
  EXPECT_EQ(book.size(), 1U);
  ASSERT_EQ(book.failed().size(), 1U);
  EXPECT_EQ(book.failed().front().question, needed);
}

TEST(DnsBook, TakesALimitedNumberOfQuestions) {
  DnsBook book;
  for (int i = 0; i < 700; ++i) {
    (void)book.look({dns_name("n" + std::to_string(i) + ".test"), DnsType::kA});
  }
  EXPECT_EQ(book.take_wanted().size(), 600U);
  EXPECT_EQ(book.look({dns_name("n699.test"), DnsType::kA}).status, DnsStatus::kUnanswered);
  EXPECT_TRUE(book.take_wanted().empty());
  ASSERT_EQ(book.failed().size(), 1U);
  EXPECT_FALSE(book.failed().front().is_asked);
}

}  // namespace
}  // namespace smtpegress
