// What is masked, what stays, and that the same is the same.
#include "report/mask.hpp"

#include <gtest/gtest.h>

#include "support/hosts.hpp"

namespace smtpegress::report {
namespace {

constexpr std::string_view kKey = "jeSW0frBOUKFd2mwkpdqhqCQdMVfw0VYfdOCnCqo1TA=";
constexpr std::string_view kOtherKey = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";

std::string masked(std::string_view text, Familiar familiar = {}) {
  return Masker(std::move(familiar)).mask(text);
}

/// Stays as it is.
void expect_kept(std::string_view text) {
  EXPECT_EQ(masked(text), text);
}

TEST(Mask, APublicAddress_KeepsItsFamilyPortAndPrefixLength) {
  EXPECT_EQ(masked("endpoint 198.41.0.4:51820"), "endpoint {public4-1}:51820");
  EXPECT_EQ(masked("endpoint [2a01:4f8::25]:51820"), "endpoint [{public6-1}]:51820");
  EXPECT_EQ(masked("default via 198.41.0.1 dev eth0"), "default via {public4-1} dev eth0");
  EXPECT_EQ(masked("198.41.0.0/24, 2a01:4f8::/32"), "{public4-1}/24, {public6-1}/32");
  EXPECT_EQ(masked("fe80::1%eth0 2A01:4F8::25%eth0"), "fe80::1%eth0 {public6-1}%eth0");
}

TEST(Mask, AddressesForDocumentation_AreTreatedAsReal) {
  EXPECT_EQ(masked("192.0.2.25 198.51.100.2 203.0.113.10 2001:db8::1"),
            "{public4-1} {public4-2} {public4-3} {public6-1}");
}

TEST(Mask, InProse_PunctuationIsNoPartOfTheAddress) {
  EXPECT_EQ(masked("from 198.41.0.4."), "from {public4-1}.");
  EXPECT_EQ(masked("to 2a01:4f8::25: no route"), "to {public6-1}: no route");
  EXPECT_EQ(masked("(198.41.0.4)"), "({public4-1})");
  EXPECT_EQ(masked("endpoint=198.41.0.4,198.41.0.5"), "endpoint={public4-1},{public4-2}");
  EXPECT_EQ(masked("\"public_ip6\":\"2a01:4f8::\""), "\"public_ip6\":\"{public6-1}\"");
  EXPECT_EQ(masked("endpoint:2a01:4f8::25"), "endpoint:{public6-1}");
  EXPECT_EQ(masked("198.41.0.4"), "{public4-1}");
}

TEST(Mask, TheSameAddress_HasTheSameWordHoweverItIsWritten) {
  Masker masker;
  EXPECT_EQ(masker.mask("198.41.0.4 and 198.41.0.5"), "{public4-1} and {public4-2}");
  EXPECT_EQ(masker.mask("198.41.0.5 and 198.041.000.004"), "{public4-2} and {public4-1}");
  EXPECT_EQ(masker.mask("2a01:4f8:0:0:0:0:0:25"), "{public6-1}");
  EXPECT_EQ(masker.mask("2A01:4F8::25"), "{public6-1}");
}

TEST(Mask, WhatTellsNobodyApart_Stays) {
  expect_kept("10.0.1.2/32 172.16.0.0/12 192.168.203.0/24 100.64.0.1 169.254.1.1 127.0.0.1 0.0.0.0/0");
  expect_kept("fd00:203::/64 fe80::1 ::1 ::/0 ff02::1");
  expect_kept("ip daddr & 0.0.0.255, 255.255.255.0, 255.255.240.0, 240.0.0.0/4, 255.255.255.255");
  expect_kept("ip6 daddr & ::ffff:ffff:ffff:ffff, e000::/4, ffff:ffff:ffff:ffff::");
  expect_kept("0.0.0.0/1 128.0.0.0/1 64.0.0.0/2 2000::/3");  // AllowedIPs in place of a default route
}

TEST(Mask, AShortNetworkWithHostBits_IsAnAddress) {
  EXPECT_EQ(masked("198.41.0.4/1 2a01:4f8::25/3"), "{public4-1}/1 {public6-1}/3");
}

TEST(Mask, WhatOnlyLooksLikeAnAddress_Stays) {
  expect_kept("inet smtp-egress-mailu-home:mark std::string 12:34:56 6.1.0-25 3.7.0 1.2.3 256.1.2.3 300.300.300.300");
  expect_kept("handle 9, 0 packets; conf/br-5c1e7a90d2f4/rp_filter fwmark 0x19/0xff");
  expect_kept("2d1c3c6e-6f0b-4a55-9c3b-8a4f1f6f2a11");
  expect_kept("a:b:c ::: :: : . .. 1. 1.2 1.2.3. {} ");
}

TEST(Mask, AnAddressInALongerRunOfNumbers_IsFound) {
  EXPECT_EQ(masked("10.198.41.0.4"), "10.{public4-1}");
  EXPECT_EQ(masked("v198.41.0.4-r1"), "v{public4-1}-r1");
  EXPECT_EQ(masked("::ffff:198.41.0.4"), "{public6-1}");
  EXPECT_EQ(masked("64:ff9b::198.41.0.4"), "{public6-1}");
}

TEST(Mask, Keys_AreCountedAndNothingOfThemStays) {
  Masker masker;
  const auto text = masker.mask(std::string("peer ") + std::string(kKey) + " of " + std::string(kOtherKey));
  EXPECT_EQ(text, "peer {key-1} of {key-2}");
  EXPECT_EQ(masker.mask("PublicKey=" + std::string(kKey) + ";"), "PublicKey={key-1};");
  EXPECT_EQ(masker.mask("x/" + std::string(kKey)), "{key-3}");  // longer than a key: no half of one stays
  expect_kept("TWFpbA== /usr/share/smtp-egress/profiles/mailu-home.json=");
}

TEST(Mask, EthernetAddresses_AndWhatIsMadeOfThem) {
  EXPECT_EQ(masked("ether 52:54:00:12:34:56 ether 52:54:00:12:34:57 ether 52:54:00:12:34:56"),
            "ether {mac-1} ether {mac-2} ether {mac-1}");
  EXPECT_EQ(masked("fe80::5054:ff:fe12:3456/64 fd00::5054:ff:fe12:3456 fe80::1"), "{local6-1}/64 {local6-2} fe80::1");
  EXPECT_EQ(masked("2a01:4f8::5054:ff:fe12:3456"), "{public6-1}");
}

TEST(Mask, AnInterfaceCalledAfterItsEthernetAddress_HasTheAddresssWord) {
  EXPECT_EQ(masked("2: enx525400123456 up ether 52:54:00:12:34:56"), "2: enx{mac-1} up ether {mac-1}");
  EXPECT_EQ(masked("net.ipv4.conf.wlx525400123456.rp_filter, net/ipv6/conf/wwx525400123456/forwarding"),
            "net.ipv4.conf.wlx{mac-1}.rp_filter, net/ipv6/conf/wwx{mac-1}/forwarding");
  EXPECT_EQ(masked("\"enx5254001234AB\" enx5254001234ab.7"), "\"enx{mac-1}\" enx{mac-1}.7");
  expect_kept("enx5254001234567 xenx525400123456 enx52540012345 enp0s25 br-525400123456");
}

TEST(Mask, Names_AreWholeWordsInEitherCase) {
  const Familiar familiar{.names = {{"mx.example.org", "server"}, {"alice", "tenant"}, {"atlas", "host"}}};
  EXPECT_EQ(masked("mx.example.org:25, MX.Example.org. \"alice\" alice's Atlas", familiar),
            "{server-1}:25, {server-1}. \"{tenant-1}\" {tenant-1}'s {host-1}");
  EXPECT_EQ(masked("mx.example.organ smtp-alice alice-2 atlas_ a", familiar),
            "mx.example.organ smtp-alice alice-2 atlas_ a");
}

TEST(Mask, ANameOfAKnownDomain_KeepsItsTogetherness) {
  const Familiar familiar{.names = {{"example.org", "domain"}, {"mail.example.org", "server"}, {"atlas", "host"}}};
  EXPECT_EQ(masked("example.org mx1.example.org. _dmarc.Example.org @example.org *.example.org", familiar),
            "{domain-1} {domain-1-host-1}. {domain-1-host-2} @{domain-1} *.{domain-1}");
  EXPECT_EQ(masked("4.3.2.1.mail.example.org", familiar), "{server-1-host-1}");
  EXPECT_EQ(masked("myexample.org example.org.net mx.atlas", familiar), "myexample.org example.org.net mx.atlas");
}

TEST(Mask, ANameBeyondAscii_IsOne) {
  const Familiar familiar{.names = {{"müller.example", "domain"}, {"alice", "tenant"}}};
  EXPECT_EQ(masked("müller.example mx.müller.example “alice”", familiar), "{domain-1} {domain-1-host-1} “{tenant-1}”");
}

TEST(Mask, WhatAnInterfaceOrAnInstanceIsCalled_Stays) {
  const Familiar familiar{.names = {{"alice", "tenant"}, {"bob", "tenant"}}, .kept = {"alice"}};
  EXPECT_EQ(masked("7: alice up, bob net.ipv4.conf.alice.rp_filter", familiar),
            "7: alice up, {tenant-1} net.ipv4.conf.alice.rp_filter");
}

TEST(Mask, BehindAnEscape_SomethingElseBegins) {
  EXPECT_EQ(masked("\\x09198.41.0.4 \\x1b2a01:4f8::1 \\x0aalice", {.names = {{"alice", "tenant"}}}),
            "\\x09{public4-1} \\x1b{public6-1} \\x0a{tenant-1}");
}

TEST(Mask, ThisHostsOwnAddresses_AreToldFromOthers) {
  const Familiar familiar{
      .own = {test::address("198.41.0.4"), test::address("2a01:4f8::25"), test::address("10.0.1.2")}};
  EXPECT_EQ(masked("198.41.0.4 198.41.0.5 2a01:4f8::25 10.0.1.2", familiar), "{own4-1} {public4-1} {own6-1} 10.0.1.2");
}

TEST(Mask, AKnownNetwork_KeepsItsAddressesTogether) {
  const Familiar familiar{.networks = {{test::prefix("2a01:4f8:203::/64"), "source6-1"},
                                       {test::prefix("ea01:4f8:203::/64"), "sidestep6-1"}}};
  EXPECT_EQ(masked("2a01:4f8:203::/64 2a01:4f8:203::10 2a01:4f8:203::11 2a01:4f8:203::10/128", familiar),
            "{source6-1}/64 {source6-1-host-1} {source6-1-host-2} {source6-1-host-1}/128");
  EXPECT_EQ(masked("ea01:4f8:203::10 e000::1", familiar), "{sidestep6-1-host-1} {sidestep6-unknown-1}");
}

TEST(Mask, WhereRepliesSidestepDocker_TellsOfASourceThatIsNotKnown) {
  EXPECT_EQ(masked("| ea01:4f8:203::/64 ea01:4f8:203::"), "| {sidestep6-unknown-1}/64 {sidestep6-unknown-1}");
  EXPECT_EQ(masked("& 0.0.0.255 | 246.41.0.0"), "& 0.0.0.255 | {sidestep4-unknown-1}");
  const Familiar familiar{.of_nobody = {test::prefix("240.168.203.0/24"), test::prefix("ed00:203::/64")}};
  EXPECT_EQ(masked("240.168.203.10 ed00:203::10 240.1.2.3", familiar),
            "240.168.203.10 ed00:203::10 {sidestep4-unknown-1}");
  EXPECT_EQ(masked("ed00:203::5054:ff:fe12:3456", familiar), "{sidestep6-unknown-1}") << "made of an Ethernet address";
}

TEST(Mask, WhatStandsBesideAnAddress_IsLookedAtOnceItIsGone) {
  EXPECT_EQ(masked("52::::126"), "{public6-1}{public6-2}");
  EXPECT_EQ(masked("198.41.0.4abcd::1"), "{public4-1}{public6-1}");
  EXPECT_EQ(masked("atlas198.41.0.4", {.names = {{"atlas", "host"}}}), "{host-1}{public4-1}");
  EXPECT_EQ(masked("128.0.0.0/01:4f8::5"), "{public4-1}/{public6-1}") << "what is behind the slash is no length";
  EXPECT_EQ(masked("ff02::198.41.0.4"), "ff02{public6-1}") << "an IPv6 address of nobody, but for what is in it";
  EXPECT_EQ(masked("::3.4.5.6f"), "::{public4-1}f") << "and but for what its last group begins";
  EXPECT_EQ(masked("fe80::1. And"), "fe80::1. And");
}

TEST(Mask, WhatIsMasked_IsMaskedForGood) {
  for (const auto* text : {"198.41.0.4.5.6.7", "198.41.0.4::5", "1:2:3:4:5:6:7:8:9::", "2a01::1:198.41.0.4:2a01::2",
                           "10.198.41.0.4.198.41.0.5/24/24"}) {
    const auto once = masked(text);
    EXPECT_EQ(masked(once), once) << text;
  }
}

}  // namespace
}  // namespace smtpegress::report
