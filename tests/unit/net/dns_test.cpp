// Names and records out of bytes that are whoever's.
#include <gtest/gtest.h>

#include "net/dns_record.hpp"
#include "support/fake_dns.hpp"

namespace smtpegress {
namespace {

using test::dns_name;
using test::Octets;
using test::wire_name;

TEST(DnsName, IsTheSame_InAnyCase_WithOrWithoutItsLastDot) {
  EXPECT_EQ(dns_name("Mail.Example.ORG."), dns_name("mail.example.org"));
  EXPECT_EQ(dns_name("mail.example.org").to_string(), "mail.example.org.");
  EXPECT_TRUE(dns_name("").is_root());
}

TEST(DnsName, RefusesWhatIsNone) {
  for (const auto& text : {"", ".", "a..b", "-a.b", "a b", "192.0.2.1", "mail/24", "a:25"}) {
    EXPECT_FALSE(DnsName::parse(text)) << text;
  }
  EXPECT_FALSE(DnsName::parse(std::string(64, 'x')));
  EXPECT_TRUE(DnsName::parse(std::string(63, 'x')));
  EXPECT_FALSE(DnsName::parse_full("mail"));
  EXPECT_FALSE(DnsName::parse_full("mail."));
  EXPECT_TRUE(DnsName::parse_full("mail.example"));
}

TEST(DnsName, OutOfBytes_OddOnesAreEscaped_AndNoLongerAName) {
  EXPECT_EQ(DnsName::from_wire(wire_name("Mail.example.org")), dns_name("mail.example.org"));
  EXPECT_EQ(DnsName::from_wire(Octets{0}), DnsName());
  const auto odd = DnsName::from_wire(Octets{4, 'a', '.', '\x1b', '"', 0});
  ASSERT_TRUE(odd);
  EXPECT_EQ(odd->str(), "a\\046\\027\\034");
  EXPECT_FALSE(DnsName::parse(odd->str()));
}

TEST(DnsName, OutOfBytes_CutShortOrWithMoreBehind_IsNone) {
  EXPECT_FALSE(DnsName::from_wire(Octets{}));
  EXPECT_FALSE(DnsName::from_wire(Octets{3, 'a', 'b'}));
  EXPECT_FALSE(DnsName::from_wire(Octets{1, 'a'}));
  EXPECT_FALSE(DnsName::from_wire(Octets{1, 'a', 0, 0}));
  EXPECT_FALSE(DnsName::from_wire(Octets{0xc0, 12}));  // a pointer: they are resolved by the library
  EXPECT_FALSE(DnsName::from_wire(Octets(256, 1)));
}

TEST(DnsName, IsWithin_ByWholeLabels) {
  EXPECT_TRUE(dns_name("mail.example.org").is_within(dns_name("example.org")));
  EXPECT_TRUE(dns_name("example.org").is_within(dns_name("example.org")));
  EXPECT_TRUE(dns_name("example.org").is_within(dns_name("")));
  EXPECT_FALSE(dns_name("badexample.org").is_within(dns_name("example.org")));
  EXPECT_FALSE(dns_name("org").is_within(dns_name("example.org")));
}

TEST(DnsName, WithPrefix_TooLong_IsNone) {
  EXPECT_EQ(dns_name("example.org").with_prefix("_25._tcp.mail"), dns_name("_25._tcp.mail.example.org"));
  const auto label = std::string(63, 'x');
  EXPECT_FALSE(dns_name(label + "." + label + "." + label + ".example").with_prefix(label));
}

TEST(ReverseName, IsThatOfTheArpaZones) {
  EXPECT_EQ(reverse_name(test::address("203.0.113.10")).str(), "10.113.0.203.in-addr.arpa");
  EXPECT_EQ(reverse_name(test::address("2001:db8::10")).str(),
            "0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

TEST(DnsRecords, AreRead_OrAreNothing) {
  EXPECT_EQ(read_address(Octets{203, 0, 113, 10}), test::address("203.0.113.10"));
  EXPECT_FALSE(read_address(Octets{203, 0, 113}));
  EXPECT_EQ(read_text(Octets{2, 'v', '=', 4, 's', 'p', 'f', '1'}), "v=spf1");
  EXPECT_FALSE(read_text(Octets{3, 'v', '='}));
  EXPECT_FALSE(read_text(Octets{}));
  EXPECT_EQ(read_mx(Octets{1, 2, 1, 'a', 0}), (MxRecord{258, dns_name("a")}));
  EXPECT_TRUE(read_mx(Octets{0, 0, 0})->exchange.is_root());
  EXPECT_FALSE(read_mx(Octets{0, 0}));
}

TEST(DnsRecords, ATlsaDigestHasItsLength) {
  Octets record{3, 1, 1};
  EXPECT_FALSE(read_tlsa(record));
  record.resize(3 + 32);
  EXPECT_EQ(read_tlsa(record)->to_string(), "3 1 1");
  record.push_back(0);
  EXPECT_FALSE(read_tlsa(record));
  record[2] = 0;
  EXPECT_TRUE(read_tlsa(record));
  record[0] = 4;
  EXPECT_FALSE(read_tlsa(record));
}

TEST(DnsRecords, AnMtaStsRecordHasAnId) {
  EXPECT_EQ(read_mta_sts_id("v=STSv1; id=20260101"), "20260101");
  EXPECT_EQ(read_mta_sts_id("v=STSv1;id=a;"), "a");
  for (const auto& text : {"v=STSv1", "v=STSv1; id=", "v=STSv1; id=a-b", "v=STSv1; id=a b"}) {
    EXPECT_FALSE(read_mta_sts_id(text)) << text;
  }
  EXPECT_FALSE(read_mta_sts_id("v=STSv1; id=" + std::string(33, '1')));
}

TEST(QuotedText, IsWhatAZoneFileTakes_InSeveralStringsWhereItIsLong) {
  EXPECT_EQ(quoted_text("v=spf1 -all"), "\"v=spf1 -all\"");
  EXPECT_EQ(quoted_text(""), "\"\"");
  EXPECT_EQ(quoted_text("a\"b\\c\x1b\xff"), "\"a\\\"b\\\\c\\027\\255\"");
  EXPECT_EQ(quoted_text(std::string(256, 'x')), "\"" + std::string(255, 'x') + "\" \"x\"");
}

TEST(Shown, IsPrintable_AndBounded) {
  EXPECT_EQ(shown("why\n"), "why\\010");
  EXPECT_EQ(shown(std::string(400, 'x')), std::string(300, 'x') + "…");
}

}  // namespace
}  // namespace smtpegress
