// Routes, lookups, links and addresses to and from rtnetlink bytes.
#include <gtest/gtest.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <cerrno>

#include "codec/netlink_bytes.hpp"
#include "netlink/route_codec.hpp"

namespace smtpegress::netlink {
namespace {

using test::payload_hex;
using test::raw;
using test::RawMessage;

constexpr int kTunnel = 7;  // interface index

std::vector<Link> links() {
  std::vector<Link> all(2);
  all[0].index = 1;
  all[0].name = IfName::parse("lo").value();
  all[1].index = kTunnel;
  all[1].name = IfName::parse("wg0").value();
  return all;
}

Route tunnel_default() {
  Route route;
  route.table = {100};
  route.interface = IfName::parse("wg0").value();
  route.protocol = kOurProtocol;
  return route;
}

Route unreachable_default() {
  Route route;
  route.table = {100};
  route.type = RouteType::kUnreachable;
  route.metric = 4278198272;
  route.protocol = kOurProtocol;
  return route;
}

rtmsg header(void (*change)(rtmsg&) = nullptr) {
  rtmsg h{};
  h.rtm_family = AF_INET;
  h.rtm_table = 100;
  h.rtm_protocol = 25;
  h.rtm_scope = RT_SCOPE_LINK;
  h.rtm_type = RTN_UNICAST;
  if (change != nullptr) {
    change(h);
  }
  return h;
}

RawMessage tunnel_message(const rtmsg& h = header()) {
  RawMessage message(RTM_NEWROUTE, raw(h));
  message.value<std::uint32_t>(RTA_TABLE, 100).value<std::uint32_t>(RTA_OIF, kTunnel);
  return message;
}

Route decoded(RawMessage message) {
  auto route = decode_route(message.message(), links());
  EXPECT_TRUE(route) << (route ? "" : route.error().message());
  return route.value_or(Route{});
}

TEST(RouteCodec, Encode_TunnelDefault_IsTheseBytes) {
  const auto message = encode_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, tunnel_default(), kTunnel);
  ASSERT_TRUE(message);
  EXPECT_EQ(nlmsg_hdr(message->get())->nlmsg_type, RTM_NEWROUTE);
  EXPECT_EQ(payload_hex(nlmsg_hdr(message->get())),
            "02000000 6419fd01 00000000 "  // rtmsg: AF_INET, table 100, protocol 25, scope link, unicast
            "08000f00 64000000 "           // RTA_TABLE 100
            "08000400 07000000");          // RTA_OIF 7
}

TEST(RouteCodec, Encode_UnreachableDefault_IsTheseBytes) {
  const auto message = encode_route(RTM_NEWROUTE, 0, unreachable_default(), 0);
  ASSERT_TRUE(message);
  EXPECT_EQ(payload_hex(nlmsg_hdr(message->get())),
            "02000000 64190007 00000000 "  // scope universe, unreachable
            "08000f00 64000000 "           // RTA_TABLE 100
            "08000600 002000ff");          // RTA_PRIORITY 4278198272
}

TEST(RouteCodec, Encode_RouteWithGateway_HasScopeUniverse) {
  auto route = tunnel_default();
  route.destination = Prefix::parse("198.51.100.0/24").value();
  route.gateway = IpAddress::parse("192.0.2.1").value();
  route.preferred_source = IpAddress::parse("192.0.2.2").value();
  const auto message = encode_route(RTM_NEWROUTE, 0, route, kTunnel);
  ASSERT_TRUE(message);
  EXPECT_EQ(payload_hex(nlmsg_hdr(message->get())),
            "02180000 64190001 00000000 "
            "08000f00 64000000 "
            "08000100 c6336400 "   // RTA_DST
            "08000400 07000000 "   // RTA_OIF
            "08000500 c0000201 "   // RTA_GATEWAY
            "08000700 c0000202");  // RTA_PREFSRC
  EXPECT_EQ(decode_route(nlmsg_hdr(message->get()), links()).value(), route);
}

TEST(RouteCodec, Decode_WhatTheKernelSendsForOurRoutes_IsOurs) {
  EXPECT_EQ(decoded(tunnel_message()), tunnel_default());
  RawMessage unreachable(RTM_NEWROUTE, raw(header([](rtmsg& h) {
                           h.rtm_scope = RT_SCOPE_UNIVERSE;
                           h.rtm_type = RTN_UNREACHABLE;
                         })));
  unreachable.value<std::uint32_t>(RTA_TABLE, 100).value<std::uint32_t>(RTA_PRIORITY, 4278198272);
  EXPECT_EQ(decoded(std::move(unreachable)), unreachable_default());
}

TEST(RouteCodec, Decode_TableAttribute_OutranksTheHeader) {
  RawMessage message(RTM_NEWROUTE, raw(header([](rtmsg& h) { h.rtm_table = RT_TABLE_COMPAT; })));
  message.value<std::uint32_t>(RTA_TABLE, 51820);
  EXPECT_EQ(decoded(std::move(message)).table.value, 51820U);
}

TEST(RouteCodec, Decode_WhatReportsState_IsIgnored) {
  auto message = tunnel_message(header([](rtmsg& h) { h.rtm_flags = RTNH_F_LINKDOWN | RTNH_F_DEAD | RTM_F_OFFLOAD; }));
  message.attribute(RTA_CACHEINFO, test::ByteVector(32, 9)).value<std::uint8_t>(RTA_PREF, 0);
  EXPECT_EQ(decoded(std::move(message)), tunnel_default());
}

struct Option {
  const char* name;
  std::uint16_t type;
  test::ByteVector payload;
};
void PrintTo(const Option& option, std::ostream* stream) {
  *stream << option.name;
}

class RouteCodecOption : public testing::TestWithParam<Option> {};

TEST_P(RouteCodecOption, Decode_FurtherOption_IsKeptAndNeverEqualsOurs) {
  auto message = tunnel_message();
  message.attribute(GetParam().type, GetParam().payload);
  const auto route = decoded(std::move(message));
  ASSERT_GE(route.other.size(), 1U);
  EXPECT_EQ(route.other.at(0), (UnknownAttribute{.type = GetParam().type, .bytes = GetParam().payload}));
  EXPECT_NE(route, tunnel_default());
  const auto again = encode_route(RTM_NEWROUTE, 0, route, kTunnel);
  ASSERT_TRUE(again);
  EXPECT_EQ(decode_route(nlmsg_hdr(again->get()), links()).value(), route);
}

INSTANTIATE_TEST_SUITE_P(All, RouteCodecOption,
                         testing::Values(Option{"metrics", RTA_METRICS, {8, 0, 2, 0, 0x78, 5, 0, 0}},
                                         Option{"multipath", RTA_MULTIPATH, test::ByteVector(16, 0)},
                                         Option{"encap", RTA_ENCAP, {4, 0, 1, 0}},
                                         Option{"nexthop id", RTA_NH_ID, raw(3)}, Option{"realm", RTA_FLOW, raw(9)},
                                         Option{"via", RTA_VIA, test::ByteVector(18, 0x20)},
                                         Option{"preference high", RTA_PREF, {1}},
                                         Option{"gateway of another size", RTA_GATEWAY, {1, 2}},
                                         Option{"of the future", 120, {1, 2, 3}}));

struct HeaderCase {
  const char* name;
  rtmsg header;
};
void PrintTo(const HeaderCase& c, std::ostream* stream) {
  *stream << c.name;
}

class RouteCodecHeader : public testing::TestWithParam<HeaderCase> {};

TEST_P(RouteCodecHeader, Decode_OptionInTheHeader_IsKeptAndEncodedBack) {
  const auto route = decoded(tunnel_message(GetParam().header));
  EXPECT_EQ(route.other.size(), 1U);
  EXPECT_NE(route, tunnel_default());
  const auto again = encode_route(RTM_NEWROUTE, 0, route, kTunnel);
  ASSERT_TRUE(again);
  EXPECT_EQ(std::memcmp(nlmsg_data(nlmsg_hdr(again->get())), &GetParam().header, sizeof(rtmsg)), 0);
}

INSTANTIATE_TEST_SUITE_P(All, RouteCodecHeader,
                         testing::Values(HeaderCase{"tos", header([](rtmsg& h) { h.rtm_tos = 0x10; })},
                                         HeaderCase{"source", header([](rtmsg& h) { h.rtm_src_len = 24; })},
                                         HeaderCase{"another scope",
                                                    header([](rtmsg& h) { h.rtm_scope = RT_SCOPE_UNIVERSE; })},
                                         HeaderCase{"onlink", header([](rtmsg& h) { h.rtm_flags = RTNH_F_ONLINK; })}));

TEST(RouteCodec, Decode_InterfaceThatIsNotListed_StaysANumber) {
  RawMessage message(RTM_NEWROUTE, raw(header()));
  message.value<std::uint32_t>(RTA_OIF, 99);
  const auto route = decoded(std::move(message));
  EXPECT_TRUE(route.interface.empty());
  EXPECT_EQ(route.other, (std::vector<UnknownAttribute>{{.type = RTA_OIF, .bytes = raw(99)}}));
}

TEST(RouteCodec, Decode_InterfaceWithoutAName_StaysANumber) {  // one that IfName refuses: the route is no other's
  const std::vector<Link> nameless{{.index = 9, .name = {}, .kind = {}}};
  RawMessage message(RTM_NEWROUTE, raw(header()));
  message.value<std::uint32_t>(RTA_OIF, 9);
  EXPECT_EQ(decode_route(message.message(), nameless).value().other,
            (std::vector<UnknownAttribute>{{.type = RTA_OIF, .bytes = raw(9)}}));
}

TEST(RouteCodec, Decode_MalformedGatewayBesideAGoodOne_IsKeptAndTheGoodOneToo) {
  RawMessage message(RTM_NEWROUTE, raw(header([](rtmsg& h) { h.rtm_scope = RT_SCOPE_UNIVERSE; })));
  message.attribute(RTA_GATEWAY, {10, 0, 0, 1}).attribute(RTA_GATEWAY, {10});
  const auto route = decoded(std::move(message));
  EXPECT_EQ(route.gateway, IpAddress::parse("10.0.0.1").value());
  EXPECT_EQ(route.other.size(), 1U);
}

TEST(RouteCodec, Decode_DestinationWithHostBits_IsKeptNotRead) {  // a Prefix has none
  RawMessage message(RTM_NEWROUTE, raw(header([](rtmsg& h) { h.rtm_dst_len = 24; })));
  message.attribute(RTA_DST, {192, 0, 2, 1});
  const auto route = decoded(std::move(message));
  EXPECT_EQ(route.destination.to_string(), "0.0.0.0/24");
  EXPECT_EQ(route.other, (std::vector<UnknownAttribute>{{.type = RTA_DST, .bytes = {192, 0, 2, 1}}}));
}

TEST(RouteCodec, Decode_TruncatedOrSpoilt_NeverCrashesNorEqualsOurs) {
  auto message = tunnel_message();
  for (std::size_t length = 0; length < message.size(); ++length) {
    const auto route = decode_route(message.message(length), links());
    EXPECT_TRUE(!route || *route != tunnel_default()) << length;
  }
  for (std::size_t i = sizeof(nlmsghdr); i < message.size(); ++i) {
    for (const int value : {0, 1, 3, 0x7f, 0x80, 0xff}) {
      const auto before = message.at(i);
      message.at(i) = static_cast<std::uint8_t>(value);
      (void)decode_route(message.message(), links());
      (void)decode_route_answer(message.message());
      message.at(i) = before;
    }
  }
}

TEST(RouteCodec, Decode_PrefixLongerThanAnAddress_IsAnError) {
  auto message = tunnel_message(header([](rtmsg& h) { h.rtm_dst_len = 33; }));
  EXPECT_EQ(decode_route(message.message(), links()).error().errnum, EBADMSG);
}

TEST(RouteCodec, IsCloned_OnlyWithThatFlag) {
  auto cloned = tunnel_message(header([](rtmsg& h) { h.rtm_flags = RTM_F_CLONED; }));
  EXPECT_FALSE(is_route_of(cloned.message(), IpFamily::kV4));
  auto plain = tunnel_message();
  EXPECT_TRUE(is_route_of(plain.message(), IpFamily::kV4));
  EXPECT_FALSE(is_route_of(plain.message(), IpFamily::kV6));
}

TEST(RouteCodec, EncodeQuery_Forwarded_IsTheseBytes) {
  RouteQuery query;
  query.destination = IpAddress::parse("203.0.113.25").value();
  query.source = IpAddress::parse("172.22.1.10").value();
  query.incoming = IfName::parse("br-mail").value();
  query.mark = 0x19;
  const auto message = encode_query(query, 3);
  ASSERT_TRUE(message);
  EXPECT_EQ(payload_hex(nlmsg_hdr(message->get())),
            "02202000 00000000 00100000 "  // /32 both; RTM_F_LOOKUP_TABLE
            "08000100 cb007119 "           // RTA_DST
            "08000200 ac16010a "           // RTA_SRC
            "08000300 03000000 "           // RTA_IIF
            "08001000 19000000");          // RTA_MARK
}

TEST(RouteCodec, EncodeQuery_WithPorts_NamesTheProtocolToo) {
  RouteQuery query;
  query.destination = IpAddress::parse("203.0.113.25").value();
  query.ip_protocol = 6;
  query.destination_port = 25;
  const auto ports = encode_query(query, 0);
  ASSERT_TRUE(ports);
  EXPECT_EQ(payload_hex(nlmsg_hdr(ports->get())),
            "02200000 00000000 00100000 "
            "08000100 cb007119 "   // RTA_DST
            "05001b00 06000000 "   // RTA_IP_PROTO
            "06001d00 00190000");  // RTA_DPORT, network order
  query.ip_protocol = 0;           // ports alone say nothing
  query.source_port = 25;
  const auto none = encode_query(query, 0);
  EXPECT_EQ(payload_hex(nlmsg_hdr(none->get())), "02200000 00000000 00100000 08000100 cb007119");
}

TEST(RouteCodec, EncodeQuery_OfAUser_NamesHim) {
  RouteQuery query;
  query.destination = IpAddress::parse("203.0.113.25").value();
  query.uid = 997;
  const auto message = encode_query(query, 0);
  ASSERT_TRUE(message);
  EXPECT_EQ(payload_hex(nlmsg_hdr(message->get())),
            "02200000 00000000 00100000 "
            "08000100 cb007119 "   // RTA_DST
            "08001900 e5030000");  // RTA_UID, host order
}

TEST(RouteCodec, DecodeAnswer_PreferredSource_IsRead) {
  auto message = tunnel_message();
  message.attribute(RTA_PREFSRC, {10, 0, 1, 2});
  const auto answer = decode_route_answer(message.message());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->preferred_source, IpAddress::parse("10.0.1.2").value());
}

TEST(RouteCodec, DecodeAnswer_GatewayOfTheOtherFamily_IsRead) {
  auto message = tunnel_message();
  test::ByteVector via{AF_INET6, 0, 0xfe, 0x80};
  via.resize(18);
  via.back() = 1;
  message.attribute(RTA_VIA, via);
  const auto answer = decode_route_answer(message.message());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->link, kTunnel);
  EXPECT_EQ(answer->table.value, 100U);
  EXPECT_EQ(answer->gateway, IpAddress::parse("fe80::1").value());
}

TEST(LinkCodec, Decode_Link_HasNameKindMtuAndState) {
  ifinfomsg h{};
  h.ifi_index = kTunnel;
  h.ifi_flags = IFF_UP;
  RawMessage info(0);
  info.text(IFLA_INFO_KIND, "wireguard");
  RawMessage message(RTM_NEWLINK, raw(h));
  message.text(IFLA_IFNAME, "wg0").value<std::uint32_t>(IFLA_MTU, 1420).attribute(IFLA_LINKINFO, info.payload());
  const auto link = decode_link(message.message());
  ASSERT_TRUE(link);
  EXPECT_EQ(link->index, kTunnel);
  EXPECT_EQ(link->name.str(), "wg0");
  EXPECT_EQ(link->kind, "wireguard");
  EXPECT_EQ(link->mtu, 1420U);
  EXPECT_TRUE(link->up);
}

TEST(LinkCodec, Decode_NameOutsideIfName_LeavesItEmpty) {
  RawMessage message(RTM_NEWLINK, raw(ifinfomsg{}));
  message.text(IFLA_IFNAME, "a\x01");
  const auto link = decode_link(message.message());
  ASSERT_TRUE(link);
  EXPECT_TRUE(link->name.empty());
  RawMessage nameless(RTM_NEWLINK, raw(ifinfomsg{}));
  EXPECT_EQ(decode_link(nameless.message()).error().errnum, EBADMSG);
}

TEST(LinkCodec, Decode_PointToPointAddress_IsTheLocalOne) {
  ifaddrmsg h{};
  h.ifa_family = AF_INET;
  h.ifa_prefixlen = 32;
  h.ifa_index = kTunnel;
  RawMessage message(RTM_NEWADDR, raw(h));
  message.attribute(IFA_ADDRESS, {10, 0, 0, 1}).attribute(IFA_LOCAL, {10, 0, 0, 2});
  const auto address = decode_address(message.message());
  ASSERT_TRUE(address);
  EXPECT_EQ(address->local, IpAddress::parse("10.0.0.2").value());
  EXPECT_EQ(address->link, kTunnel);
  EXPECT_EQ(address->prefix_length, 32);
}

TEST(LinkCodec, Decode_PrefixLongerThanAnAddress_IsAnError) {
  ifaddrmsg h{};
  h.ifa_family = AF_INET;
  h.ifa_prefixlen = 33;
  RawMessage message(RTM_NEWADDR, raw(h));
  message.attribute(IFA_LOCAL, {10, 0, 0, 2});
  EXPECT_EQ(decode_address(message.message()).error().errnum, EBADMSG);
}

TEST(LinkCodec, Decode_Ipv6AddressWithoutLocal_IsTheAddress) {
  ifaddrmsg h{};
  h.ifa_family = AF_INET6;
  h.ifa_prefixlen = 64;
  const auto ip = IpAddress::parse("2001:db8::2").value();
  RawMessage message(RTM_NEWADDR, raw(h));
  message.attribute(IFA_ADDRESS, {ip.bytes.begin(), ip.bytes.end()});
  EXPECT_EQ(decode_address(message.message()).value().local, ip);
  RawMessage none(RTM_NEWADDR, raw(h));
  EXPECT_EQ(decode_address(none.message()).error().errnum, EBADMSG);
}

}  // namespace
}  // namespace smtpegress::netlink
