#include "smtpegress/net_types.hpp"

#include <gtest/gtest.h>

#include <string>

namespace smtpegress {
namespace {

template <class T>
std::string refusal(std::string_view text) {
  const auto parsed = T::parse(text);
  return parsed ? "accepted" : parsed.error().message();
}

TEST(IpAddress, Parse_V4AndV6_PrintTheSameAgain) {
  EXPECT_EQ(IpAddress::parse("203.0.113.10")->to_string(), "203.0.113.10");
  EXPECT_EQ(IpAddress::parse("2001:db8::19")->to_string(), "2001:db8::19");
  EXPECT_EQ(IpAddress::parse("2001:db8::19")->size(), 16U);
  EXPECT_EQ(IpAddress::parse("203.0.113.10")->size(), 4U);
}

TEST(IpAddress, Parse_AnythingElse_IsRefusedWithAnExample) {
  for (const auto* text :
       {"", "1.2.3", "1.2.3.256", " 1.2.3.4", "1.2.3.4 ", "01.2.3.4x", "host", "1.2.3.4/24", "::g"}) {
    EXPECT_EQ(refusal<IpAddress>(text),
              std::string("'") + text + "': is not an IP address; write it like 203.0.113.10");
  }
}

TEST(IpAddress, Parse_AnEmbeddedNul_IsRefused) {
  EXPECT_FALSE(IpAddress::parse(std::string_view("1.2.3.4\0.5", 10)));
}

TEST(IpAddress, Parse_TheV6TailOfAFailedV4_LeavesNothingBehind) {
  EXPECT_EQ(*IpAddress::parse("::"), (IpAddress{IpFamily::kV6, {}}));
}

TEST(Prefix, Parse_NetworkAndBareAddress) {
  EXPECT_EQ(Prefix::parse("192.168.203.0/24")->to_string(), "192.168.203.0/24");
  EXPECT_EQ(Prefix::parse("192.168.203.10")->to_string(), "192.168.203.10/32");
  EXPECT_EQ(Prefix::parse("2001:db8::/32")->to_string(), "2001:db8::/32");
  EXPECT_TRUE(Prefix::parse("0.0.0.0/0")->is_default());
}

TEST(Prefix, Parse_HostBits_AreRefusedAndTheNetworkMeantIsNamed) {
  EXPECT_EQ(refusal<Prefix>("192.168.203.5/24"),
            "'192.168.203.5/24': has host bits set; the network is 192.168.203.0/24");
  EXPECT_EQ(refusal<Prefix>("10.1.2.3/9"), "'10.1.2.3/9': has host bits set; the network is 10.0.0.0/9");
  EXPECT_EQ(refusal<Prefix>("2001:db8::1/64"), "'2001:db8::1/64': has host bits set; the network is 2001:db8::/64");
}

TEST(Prefix, Parse_LengthOutOfRange_IsRefusedWithTheRange) {
  for (const auto* text :
       {"10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/x", "10.0.0.0/8 ", "10.0.0.0/256", "10.0.0.0/0x8"}) {
    EXPECT_EQ(refusal<Prefix>(text),
              std::string("'") + text + "': has a prefix length that is not a number from 0 to 32");
  }
  EXPECT_EQ(refusal<Prefix>("2001:db8::/129"),
            "'2001:db8::/129': has a prefix length that is not a number from 0 to 128");
}

TEST(Prefix, Around_ClearsHostBits_AndIsNoLongerThanTheAddress) {
  const auto around = [](const char* address, std::uint8_t length) {
    return Prefix::around(*IpAddress::parse(address), length).to_string();
  };
  EXPECT_EQ(around("10.1.2.3", 9), "10.0.0.0/9");
  EXPECT_EQ(around("10.1.2.3", 0), "0.0.0.0/0");
  EXPECT_EQ(around("10.1.2.3", 200), "10.1.2.3/32");
  EXPECT_EQ(around("2001:db8::ffff", 121), "2001:db8::ff80/121");
}

TEST(Prefix, Parse_NoNetwork_IsRefusedWithAnExample) {
  EXPECT_EQ(refusal<Prefix>("mailu"), "'mailu': is not a network; write it like 192.168.203.0/24");
  EXPECT_EQ(refusal<Prefix>("/24"), "'/24': is not a network; write it like 192.168.203.0/24");
}

TEST(Prefix, Contains_AddressesAndSmallerNetworksOfItsFamily) {
  const auto network = *Prefix::parse("192.168.200.0/21");
  EXPECT_TRUE(network.contains(*IpAddress::parse("192.168.203.7")));
  EXPECT_FALSE(network.contains(*IpAddress::parse("192.168.208.1")));
  EXPECT_TRUE(network.contains(*Prefix::parse("192.168.203.0/24")));
  EXPECT_FALSE(network.contains(*Prefix::parse("192.168.0.0/16")));
  EXPECT_FALSE(Prefix::parse("0.0.0.0/0")->contains(*IpAddress::parse("::1")));
}

TEST(Prefix, Overlaps_IsSymmetricAndFalseForNeighbours) {
  const auto wide = *Prefix::parse("10.0.0.0/8");
  const auto narrow = *Prefix::parse("10.9.0.0/16");
  EXPECT_TRUE(wide.overlaps(narrow));
  EXPECT_TRUE(narrow.overlaps(wide));
  EXPECT_FALSE(narrow.overlaps(*Prefix::parse("10.8.0.0/16")));
}

TEST(Mark, Parse_HexDecimalAndMask) {
  EXPECT_EQ(*Mark::parse("0x19"), (Mark{0x19, 0xffffffff}));
  EXPECT_EQ(*Mark::parse("25"), (Mark{25, 0xffffffff}));
  EXPECT_EQ(*Mark::parse("0x19/0xff"), (Mark{0x19, 0xff}));
  EXPECT_EQ(Mark::parse("25")->to_string(), "0x19");
  EXPECT_EQ(Mark::parse("0x19/255")->to_string(), "0x19/0xff");
}

TEST(Mark, Parse_Zero_IsRefusedBecauseEveryPacketHasIt) {
  const std::string reason = ": is mark 0, which every unmarked packet has; choose another, such as 0x19";
  EXPECT_EQ(refusal<Mark>("0"), "'0'" + reason);
  EXPECT_EQ(refusal<Mark>("0x0/0xff"), "'0x0/0xff'" + reason);
}

TEST(Mark, Parse_OutsideItsMask_IsRefusedAndAFittingMaskNamed) {
  EXPECT_EQ(refusal<Mark>("0x119/0xff"), "'0x119/0xff': has bits outside its mask; 0x119/0x1ff would fit");
  EXPECT_EQ(refusal<Mark>("1/0"), "'1/0': has bits outside its mask; 0x1/0x1 would fit");
}

TEST(Mark, Parse_NotANumberOf32Bits_IsRefusedWithExamples) {
  for (const auto* text : {"", "0x", "smtp", "-1", "0x1ffffffff", "0x19/", "0x19/0xg", "25 "}) {
    EXPECT_EQ(refusal<Mark>(text),
              std::string("'") + text + "': is not a mark; write it like 0x19 or 0x19/0xff (32 bits)");
  }
}

TEST(IfName, Parse_UpToFifteenBytes) {
  EXPECT_EQ(IfName::parse("wg0")->str(), "wg0");
  EXPECT_EQ(IfName::parse("br-d84153c50ec9")->str(), "br-d84153c50ec9");
  EXPECT_EQ(IfName::parse("eth0.100@x")->str(), "eth0.100@x");
}

TEST(IfName, Parse_SixteenBytes_IsRefusedWithTheLimit) {
  EXPECT_EQ(refusal<IfName>("abcdefghijklmnop"), "'abcdefghijklmnop': has 16 bytes; an interface name has at most 15");
}

TEST(IfName, Parse_OddBytes_AreRefusedAndShownEscaped) {
  const std::string reason = ": is not an interface name: no white space, '/', ':', '*', '\"' or control characters";
  EXPECT_EQ(refusal<IfName>("wg 0"), "'wg 0'" + reason);
  EXPECT_EQ(refusal<IfName>("../etc"), "'../etc'" + reason);
  EXPECT_EQ(refusal<IfName>("a:b"), "'a:b'" + reason);
  EXPECT_EQ(refusal<IfName>("br*"), "'br*'" + reason);
  EXPECT_EQ(refusal<IfName>("wg\x1b[0m"), "'wg\\x1b[0m'" + reason);
  EXPECT_EQ(refusal<IfName>("wg\xc3\xa4"), "'wg\\xc3\\xa4'" + reason);
  EXPECT_EQ(refusal<IfName>("."), "'.'" + reason);
  EXPECT_EQ(refusal<IfName>(".."), "'..'" + reason);
}

TEST(IfName, Parse_Empty_IsRefusedWithAnExample) {
  EXPECT_EQ(refusal<IfName>(""), "'': is not an interface name; write it like wg0");
}

TEST(PortRange, Parse_OnePortAndARange) {
  EXPECT_EQ(*PortRange::parse("25"), (PortRange{25, 25}));
  EXPECT_EQ(*PortRange::parse("25-26"), (PortRange{25, 26}));
  EXPECT_EQ(PortRange::parse("65535")->to_string(), "65535");
  EXPECT_EQ(PortRange::parse("25-26")->to_string(), "25-26");
}

TEST(PortRange, Parse_AnythingElse_IsRefusedWithExamples) {
  for (const auto* text : {"", "0", "0-5", "65536", "26-25", "25-", "-25", "smtp", "25,26", "0x19"}) {
    EXPECT_EQ(refusal<PortRange>(text),
              std::string("'") + text + "': is not a port; write 25 or a range like 25-26 (1 to 65535)");
  }
}

TEST(PortRange, ContainsAndOverlaps_BothEndsIncluded) {
  const PortRange range{25, 30};
  EXPECT_TRUE(range.contains(25));
  EXPECT_TRUE(range.contains(30));
  EXPECT_FALSE(range.contains(31));
  EXPECT_TRUE(range.overlaps({30, 40}));
  EXPECT_FALSE(range.overlaps({31, 40}));
}

}  // namespace
}  // namespace smtpegress
