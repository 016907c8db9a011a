#include "dns/resolv_conf.hpp"

#include <gtest/gtest.h>

namespace smtpegress::dns {
namespace {

using Texts = std::vector<std::string>;

TEST(ResolvConf, TheFirstThreeNameservers_AndNoOtherLine) {
  EXPECT_EQ(
      nameservers_in("# nameserver 192.0.2.1\nsearch example.org\nnameserver 192.0.2.53\r\nnameserver\t2001:db8::53 x\n"
                     "nameserver fe80::1%eth0\nnameserver 192.0.2.54"),
      (Texts{"192.0.2.53", "2001:db8::53", "fe80::1%eth0"}));
}

TEST(ResolvConf, WhatIsNoAddress_IsPassedOver) {
  EXPECT_EQ(nameservers_in("nameserver\nnameserver \nnameserver ns.example.org\nnameserverx 192.0.2.1\nnameserver "
                           "192.0.2.1%eth0\nnameserver 192.0.2.53"),
            (Texts{"192.0.2.53"}));
  EXPECT_EQ(nameservers_in(""), Texts{});
}

TEST(Resolver, IsAnAddress_WithAPortOrWithout) {
  for (const auto* text : {"192.0.2.53", "192.0.2.53@5353", "2001:db8::53", "fe80::1%eth0"}) {
    EXPECT_EQ(parse_resolver(text).value_or(""), text);
  }
  for (const auto* text :
       {"", "ns.example.org", "192.0.2.53@", "192.0.2.53@0", "192.0.2.53@1-2", "192.0.2.53:53", "@53"}) {
    EXPECT_FALSE(parse_resolver(text)) << text;
  }
}

}  // namespace
}  // namespace smtpegress::dns
