// rtnetlink: as Linux sends our objects, and some of other programs.
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "fuzz/messages.hpp"
#include "fuzz/seeds.hpp"

namespace smtpegress::fuzz {
namespace {

Octets u32(std::uint16_t type, std::uint32_t value) {
  return attribute(type, octets(value));
}
Octets u8(std::uint16_t type, std::uint8_t value) {
  return attribute(type, octets(value));
}
Octets text(std::uint16_t type, const std::string& value) {
  return attribute(type, octets(std::string_view(value + '\0')));
}

void add_rules(Seeds& seeds) {
  const fib_rule_hdr ours{.family = AF_INET,
                          .dst_len = 0,
                          .src_len = 0,
                          .tos = 0,
                          .table = 100,
                          .res1 = 0,
                          .res2 = 0,
                          .action = FR_ACT_TO_TBL,
                          .flags = 0};
  seeds.add("policy_rule",
            joined({octets(ours), u32(FRA_TABLE, 100), u32(FRA_SUPPRESS_PREFIXLEN, 0xffffffff), u8(FRA_PROTOCOL, 25),
                    u32(FRA_PRIORITY, 10025), u32(FRA_FWMARK, 0x19), u32(FRA_FWMASK, 0xffffffff)}));
  auto other = ours;
  other.src_len = 24;
  other.flags = FIB_RULE_INVERT | FIB_RULE_IIF_DETACHED;
  seeds.add(
      "policy_rule",
      joined({octets(other), u32(FRA_TABLE, 51820), text(FRA_IIFNAME, "wg0"), attribute(FRA_SRC, Octets{10, 0, 0, 0}),
              u32(FRA_SUPPRESS_PREFIXLEN, 0), attribute(FRA_UID_RANGE, Octets(8)),
              attribute(FRA_DPORT_RANGE, Octets{25, 0, 25, 0}), u8(FRA_IP_PROTO, 6), u32(FRA_FWMASK, 0xff)}));
  other = ours;
  other.family = AF_INET6;
  other.action = FR_ACT_UNREACHABLE;
  seeds.add("policy_rule", joined({octets(other), u8(FRA_L3MDEV, 0), u32(FRA_PRIORITY, 1)}));
}

void add_routes(Seeds& seeds) {
  const rtmsg ours{.rtm_family = AF_INET,
                   .rtm_dst_len = 0,
                   .rtm_src_len = 0,
                   .rtm_tos = 0,
                   .rtm_table = 100,
                   .rtm_protocol = 25,
                   .rtm_scope = RT_SCOPE_LINK,
                   .rtm_type = RTN_UNICAST,
                   .rtm_flags = 0};
  seeds.add("route", joined({octets(ours), u32(RTA_TABLE, 100), u32(RTA_OIF, 7)}));
  auto other = ours;
  other.rtm_type = RTN_UNREACHABLE;
  other.rtm_scope = RT_SCOPE_UNIVERSE;
  seeds.add("route", joined({octets(other), u32(RTA_TABLE, 100), u32(RTA_PRIORITY, 0xffffffff)}));
  other = ours;
  other.rtm_dst_len = 24;
  other.rtm_scope = RT_SCOPE_UNIVERSE;
  seeds.add("route", joined({octets(other), u32(RTA_TABLE, 254), attribute(RTA_DST, Octets{192, 0, 2, 0}),
                             u32(RTA_OIF, 2), attribute(RTA_GATEWAY, Octets{192, 168, 1, 1}),
                             attribute(RTA_PREFSRC, Octets{192, 168, 1, 2}), u32(RTA_FLOW, 0), u32(RTA_PRIORITY, 100),
                             attribute(RTA_METRICS, u32(RTAX_MTU, 1400)), attribute(RTA_CACHEINFO, Octets(32))}));
  other.rtm_family = AF_INET6;
  other.rtm_dst_len = 64;
  seeds.add("route", joined({octets(other), attribute(RTA_DST, Octets(16)), u32(RTA_OIF, 9), u8(RTA_PREF, 0),
                             attribute(RTA_GATEWAY, Octets(16, 1)), attribute(RTA_VIA, Octets{2, 0, 10, 0, 0, 1})}));
}

void add_links(Seeds& seeds) {
  ifinfomsg link{};
  link.ifi_index = 7;
  link.ifi_flags = 0x10d1;
  seeds.add("link", joined({octets(link), text(IFLA_IFNAME, "wg0"), u32(IFLA_MTU, 1420), u8(IFLA_OPERSTATE, 6),
                            attribute(IFLA_LINKINFO, text(IFLA_INFO_KIND, "wireguard"))}));
  link.ifi_index = 3;
  seeds.add("link", joined({octets(link), text(IFLA_IFNAME, "br-mailu"), u32(IFLA_MTU, 1500), u32(IFLA_GROUP, 0),
                            attribute(IFLA_LINKINFO, joined({text(IFLA_INFO_KIND, "bridge"),
                                                             attribute(IFLA_INFO_DATA, u32(1, 1500))}))}));
  seeds.add(
      "link",
      joined({octets(link), text(IFLA_IFNAME, "mail0"), u32(IFLA_MTU, 1370), u32(IFLA_GROUP, 0x736d7470),
              text(IFLA_IFALIAS, "smtp-egress:x"), attribute(IFLA_ADDRESS, Octets{2, 0x73, 0x6d, 0x74, 0x70, 1}),
              attribute(
                  IFLA_LINKINFO,
                  joined({text(IFLA_INFO_KIND, "vxlan"),
                          attribute(IFLA_INFO_DATA, joined({u32(IFLA_VXLAN_ID, 25), u32(IFLA_VXLAN_LINK, 7),
                                                            attribute(IFLA_VXLAN_GROUP, Octets{10, 0, 1, 1}),
                                                            attribute(IFLA_VXLAN_PORT_RANGE, Octets{97, 193, 97, 194}),
                                                            u8(IFLA_VXLAN_LEARNING, 0)}))}))}));
  ifaddrmsg address{};
  address.ifa_family = AF_INET;
  address.ifa_prefixlen = 24;
  address.ifa_index = 7;
  seeds.add("address", joined({octets(address), attribute(IFA_ADDRESS, Octets{10, 0, 1, 1}),
                               attribute(IFA_LOCAL, Octets{10, 0, 1, 2}), text(IFA_LABEL, "wg0"), u32(IFA_FLAGS, 0x80),
                               attribute(IFA_CACHEINFO, Octets(16, 0xff))}));
  address.ifa_family = AF_INET6;
  address.ifa_prefixlen = 64;
  seeds.add("address", joined({octets(address), attribute(IFA_ADDRESS, Octets(16, 0xfe))}));
}

void add_neighbours(Seeds& seeds) {
  ndmsg header{};
  header.ndm_family = AF_INET;
  header.ndm_ifindex = 7;
  header.ndm_state = NUD_PERMANENT;
  seeds.add("neighbour", joined({octets(header), attribute(NDA_DST, Octets{169, 254, 25, 1}),
                                 attribute(NDA_LLADDR, Octets{2, 0x73, 0x6d, 0x74, 0x70, 1}), u32(NDA_PROBES, 0),
                                 attribute(NDA_CACHEINFO, Octets(16))}));
}

}  // namespace

void add_route_seeds(Seeds& seeds) {
  add_rules(seeds);
  add_routes(seeds);
  add_links(seeds);
  add_neighbours(seeds);
}

}  // namespace smtpegress::fuzz
