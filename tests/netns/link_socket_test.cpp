// Interfaces in the running kernel: what put_link makes is what `ip` shows, and it neither changes nor deletes others'.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "netns/fresh_namespace.hpp"
#include "netns/route_host.hpp"

namespace smtpegress::netlink {
namespace {

using test::in_fresh_namespace;
using test::ip_json;
using test::output_of;
using test::shell;

/// Over wg0 of make_host(), 10.9.0.2/24, MTU 1400.
LinkSpec mail0() {
  LinkSpec link;
  link.name = name("mail0");
  link.kind = "vxlan";
  link.alias = "smtp-egress:test";
  link.lower = name("wg0");
  link.local = ip("10.9.0.2");
  link.remote = ip("10.9.0.1");
  link.id = 25;
  link.port = 25025;
  link.source_ports = {25025, 25026};
  link.mtu = 1350;
  link.mac = {.bytes = {2, 0x73, 0x6d, 0x74, 0x70, 2}};
  link.neighbours = {{ip("169.254.25.1"), {.bytes = {2, 0x73, 0x6d, 0x74, 0x70, 1}}},
                     {ip("fe80::1"), {.bytes = {2, 0x73, 0x6d, 0x74, 0x70, 1}}}};
  return link;
}

Route route_into_mail0() {
  Route route;
  route.table = {100};
  route.interface = name("mail0");
  route.gateway = ip("169.254.25.1");
  route.protocol = kOurProtocol;
  route.other = on_link();
  return route;
}

Link found(RouteSocket& socket, const std::string& wanted) {
  const auto links = must(socket.links());
  const auto link = std::ranges::find(links, name(wanted), &Link::name);
  EXPECT_NE(link, links.end()) << wanted;
  return link == links.end() ? Link{} : *link;
}

bool exists(const std::string& wanted) {
  return output_of("ip link show " + wanted).status == 0;
}

TEST(LinkSocket, PutLink_IsWhatIpShows_AndListsBack) {
  in_fresh_namespace([] {
    make_host();
    auto socket = opened();
    auto wanted = mail0();
    wanted.addresses = {ip("10.0.9.2"), ip("fd00:9::2")};
    must(socket.put_link(wanted, {}));
    const auto shown = ip_json("link show mail0").at(0);
    const auto& data = shown.at("linkinfo").at("info_data");
    EXPECT_EQ(shown.at("ifalias"), "smtp-egress:test");
    EXPECT_EQ(shown.at("mtu"), 1350);
    EXPECT_EQ(shown.at("address"), "02:73:6d:74:70:02");
    EXPECT_EQ(shown.at("group"), "0");
    EXPECT_NE(shown.at("flags").dump().find("\"UP\""), std::string::npos);
    EXPECT_NE(shown.at("flags").dump().find("NOARP"), std::string::npos);
    EXPECT_EQ(data.at("id"), 25);
    EXPECT_EQ(data.at("local"), "10.9.0.2");
    EXPECT_EQ(data.at("remote"), "10.9.0.1");
    EXPECT_EQ(data.at("link"), "wg0");
    EXPECT_EQ(data.at("port"), 25025);
    EXPECT_EQ(data.at("port_range").at("low"), 25025);
    EXPECT_EQ(data.at("port_range").at("high"), 25026);
    EXPECT_EQ(data.at("learning"), false);
    EXPECT_EQ(output_of("ip -o address show dev mail0 scope global").text.find("tentative"), std::string::npos);
    const auto link = found(socket, "mail0");
    EXPECT_EQ(link.alias, wanted.alias);
    EXPECT_EQ(link.neighbours, wanted.neighbours);
    EXPECT_EQ(link.encapsulation->source_ports, wanted.source_ports);
    EXPECT_TRUE(link.up && !link.half_made);
    must(socket.delete_link(wanted));
    EXPECT_FALSE(exists("mail0"));
    EXPECT_EQ(must_fail(socket.delete_link(wanted)).errnum, ENODEV);
  });
}

TEST(LinkSocket, PutLink_OnOneOfOurs_ChangesItInPlaceOrMakesItAnew_AndKeepsItsRoutes) {
  in_fresh_namespace([] {
    make_host();
    auto socket = opened();
    must(socket.put_link(mail0(), {}));
    const int index = found(socket, "mail0").index;
    const auto route = route_into_mail0();
    must(socket.add_route(route));
    EXPECT_EQ(routes_of(socket, {100}), std::vector{route}) << "as the kernel gives it back";
    shell("ip link set mail0 mtu 1000 && ip neighbour flush dev mail0 nud permanent");
    must(socket.put_link(mail0(), {}));
    EXPECT_EQ(found(socket, "mail0").index, index);
    EXPECT_EQ(found(socket, "mail0").mtu, 1350U);
    EXPECT_EQ(found(socket, "mail0").neighbours, mail0().neighbours);
    auto moved = mail0();
    moved.port = 25026;
    moved.source_ports = {25026, 25027};
    must(socket.put_link(moved, {}));
    EXPECT_NE(found(socket, "mail0").index, index);
    EXPECT_EQ(found(socket, "mail0").encapsulation->port, 25026);
    EXPECT_EQ(routes_of(socket, {100}), std::vector{route});
  });
}

TEST(LinkSocket, PutLink_RefusedInPlaceOfOneOfOurs_PutsThatBackWithItsRoutes) {
  in_fresh_namespace([] {
    make_host();
    auto socket = opened();
    must(socket.put_link(mail0(), {}));
    const auto route = route_into_mail0();
    must(socket.add_route(route));
    auto no_such_kind = mail0();
    no_such_kind.kind = "nosuch";
    auto no_such_address = mail0();  // made, and then refused
    no_such_address.port = 25026;
    no_such_address.addresses = {ip("ff02::1")};
    for (const auto& refused : {no_such_kind, no_such_address}) {
      const auto error = must_fail(socket.put_link(refused, mail0()));
      EXPECT_EQ(error.message().find("put back"), std::string::npos) << error.message();
      const auto link = found(socket, "mail0");
      EXPECT_EQ(link.encapsulation->port, mail0().port);
      EXPECT_EQ(link.neighbours, mail0().neighbours);
      EXPECT_EQ(routes_of(socket, {100}), std::vector{route});
    }
    auto nor_this = mail0();
    nor_this.kind = "nosuch";
    const auto error = must_fail(socket.put_link(no_such_kind, nor_this));
    EXPECT_NE(error.message().find("could not be put back"), std::string::npos) << error.message();
    EXPECT_FALSE(exists("mail0"));
  });
}

TEST(LinkSocket, PutLink_WithIpv6SwitchedOff_SaysThat) {
  in_fresh_namespace([] {
    make_host();
    auto socket = opened();
    shell("sysctl -qw net.ipv6.conf.default.disable_ipv6=1");
    auto wanted = mail0();
    wanted.addresses = {ip("fd00:9::2")};
    const auto error = must_fail(socket.put_link(wanted, {}));
    EXPECT_NE(error.message().find("IPv6 is switched off"), std::string::npos) << error.message();
    EXPECT_EQ(error.message().find("CAP_NET_ADMIN"), std::string::npos) << error.message();
    EXPECT_FALSE(exists("mail0"));
  });
}

TEST(LinkSocket, Others_AreNeitherChangedNorDeleted) {
  in_fresh_namespace([] {
    make_host();
    auto socket = opened();
    for (const std::string alias : {"", "smtp-egress:test2", "smtp-egress:", "theirs"}) {
      shell("ip link add mail0 type vxlan id 7 remote 10.9.0.1 dev wg0 dstport 4789");
      if (!alias.empty()) {
        shell("ip link set mail0 alias " + alias);
      }
      const auto before = output_of("ip -d link show mail0").text;
      EXPECT_EQ(must_fail(socket.put_link(mail0(), {})).errnum, EEXIST);
      EXPECT_EQ(must_fail(socket.delete_link(mail0())).errnum, ENODEV);
      EXPECT_EQ(output_of("ip -d link show mail0").text, before);
      shell("ip link del mail0");
    }
  });
}

TEST(LinkSocket, HalfMade_IsFinishedOrDeleted) {
  in_fresh_namespace([] {
    make_host();
    auto socket = opened();
    const std::string make =
        "ip link add mail0 group 1936553072 type vxlan id 25 remote 10.9.0.1 dev wg0 dstport 25025 nolearning";
    shell(make);
    EXPECT_TRUE(found(socket, "mail0").half_made);
    must(socket.put_link(mail0(), {}));
    EXPECT_EQ(found(socket, "mail0").alias, mail0().alias);
    must(socket.delete_link(mail0()));
    shell(make);
    must(socket.delete_link(mail0()));
    EXPECT_FALSE(exists("mail0"));
  });
}

TEST(LinkSocket, Refusals_LeaveNothing_AndSayWhatToDo) {
  in_fresh_namespace([] {
    make_host();
    auto socket = opened();
    auto no_such_kind = mail0();
    no_such_kind.kind = "nosuch";
    const auto error = must_fail(socket.put_link(no_such_kind, {}));
    EXPECT_EQ(error.errnum, EOPNOTSUPP);
    EXPECT_NE(error.message().find("modprobe nosuch"), std::string::npos) << error.message();
    auto no_link = mail0();
    no_link.lower = name("tailscale0");
    EXPECT_EQ(must_fail(socket.put_link(no_link, {})).errnum, ENODEV);
    shell("ip link add other type vxlan id 25 remote 10.9.0.7 dev wg0 dstport 25025");
    const auto taken = must_fail(socket.put_link(mail0(), {}));
    EXPECT_EQ(taken.errnum, EEXIST);
    EXPECT_NE(taken.message().find("inner.port"), std::string::npos) << taken.message();
    shell("ip link del other");
    const int other = ::socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in port{};
    port.sin_family = AF_INET;
    port.sin_port = htons(mail0().port);
    ASSERT_EQ(::bind(other, reinterpret_cast<const sockaddr*>(&port), sizeof port), 0);
    const auto in_use = must_fail(socket.put_link(mail0(), {}));
    EXPECT_EQ(in_use.errnum, EADDRINUSE);
    EXPECT_NE(in_use.message().find("another program uses udp/25025"), std::string::npos) << in_use.message();
    EXPECT_FALSE(exists("mail0"));
    ::close(other);
    auto refused = mail0();  // made, and then refused: no interface has such an address
    refused.addresses = {ip("ff02::1")};
    EXPECT_FALSE(socket.put_link(refused, {}));
    EXPECT_FALSE(exists("mail0"));
  });
}

}  // namespace
}  // namespace smtpegress::netlink
