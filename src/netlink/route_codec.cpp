// Routes and route lookups (linux/rtnetlink.h). What the kernel sends and when: fib_dump_info in
// net/ipv4/fib_semantics.c.
#include "netlink/route_codec.hpp"

#include <linux/rtnetlink.h>

#include <array>
#include <cstddef>
#include <utility>

#include "netlink/route_message.hpp"

namespace smtpegress::netlink {
namespace {

// What the kernel reports about a route (its link, its offload), not what the route says.
constexpr std::uint32_t kStateFlags = RTNH_F_DEAD | RTNH_F_LINKDOWN | RTNH_F_OFFLOAD | RTNH_F_TRAP | RTNH_F_UNRESOLVED |
                                      RTM_F_OFFLOAD | RTM_F_TRAP | RTM_F_OFFLOAD_FAILED;
constexpr std::uint8_t kMediumPreference = 0;  // ICMPV6_ROUTER_PREF_MEDIUM, linux/icmpv6.h

/// The scope that `ip route add` chooses (iproute_modify in iproute2's ip/iproute.c); IPv6 has no scopes.
std::uint8_t usual_scope(const Route& route) {
  if (route.family == IpFamily::kV6) {
    return RT_SCOPE_UNIVERSE;
  }
  switch (static_cast<std::uint8_t>(route.type)) {
    case RTN_LOCAL:
    case RTN_NAT:
      return RT_SCOPE_HOST;
    case RTN_BROADCAST:
    case RTN_MULTICAST:
    case RTN_ANYCAST:
      return RT_SCOPE_LINK;
    case RTN_UNICAST: {
      const bool has_next_hop = route.gateway || std::ranges::any_of(route.other, [](const auto& a) {
                                  return a.type == RTA_MULTIPATH || a.type == RTA_VIA;
                                });
      return has_next_hop ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
    }
    default:
      return RT_SCOPE_UNIVERSE;
  }
}

/// IPv6 hangs routes that lead nowhere on the loopback interface (fib6_nh_init, net/ipv6/route.c); IPv4 on none.
bool leads_nowhere(const Route& route) {
  return route.type == RouteType::kBlackhole || route.type == RouteType::kUnreachable ||
         route.type == RouteType::kProhibit || route.type == RouteType::kThrow;
}
constexpr int kLoopback = 1;  // LOOPBACK_IFINDEX, net/net_namespace.h

void keep_header(Route& route, const rtmsg& header) {
  if (header.rtm_src_len != 0) {
    keep_header_field(route.other, offsetof(rtmsg, rtm_src_len), header.rtm_src_len);
  }
  if (header.rtm_tos != 0) {
    keep_header_field(route.other, offsetof(rtmsg, rtm_tos), header.rtm_tos);
  }
  if (header.rtm_scope != usual_scope(route)) {
    keep_header_field(route.other, offsetof(rtmsg, rtm_scope), header.rtm_scope);
  }
  if (const std::uint32_t flags = header.rtm_flags & ~kStateFlags; flags != 0) {
    keep_header_field(route.other, offsetof(rtmsg, rtm_flags), flags);
  }
}

bool read_address(std::optional<IpAddress>& target, IpFamily family, Bytes bytes) {
  const auto address = address_of(family, bytes);
  if (address) {
    target = address;
  }
  return address.has_value();
}

bool read_interface(IfName& target, std::span<const Link> links, Bytes bytes) {
  const auto index = value_of<int>(bytes);
  const auto link = std::ranges::find(links, index, &Link::index);
  if (link == links.end() || link->name.empty()) {
    return false;
  }
  target = link->name;
  return true;
}

bool read_known(Route& route, std::span<const Link> links, const Attribute& attribute) {
  switch (attribute.type) {
    case RTA_TABLE:
      return read_into(route.table.value, attribute.payload);
    case RTA_DST: {
      const auto address = address_of(route.family, attribute.payload);
      const bool is_network = address && Prefix{*address, route.destination.length}.contains(*address);
      route.destination.address = is_network ? *address : route.destination.address;
      return is_network;
    }
    case RTA_OIF:
      if (route.family == IpFamily::kV6 && leads_nowhere(route) && value_of<int>(attribute.payload) == kLoopback) {
        return true;
      }
      return read_interface(route.interface, links, attribute.payload);
    case RTA_GATEWAY:
      return read_address(route.gateway, route.family, attribute.payload);
    case RTA_PREFSRC:
      return read_address(route.preferred_source, route.family, attribute.payload);
    case RTA_PRIORITY:
      return read_into(route.metric, attribute.payload);
    case RTA_CACHEINFO:  // counters and ages
    case RTA_PAD:
      return true;
    case RTA_FLOW:
      return value_of<std::uint32_t>(attribute.payload) == 0U;
    case RTA_PREF:
      return value_of<std::uint8_t>(attribute.payload) == kMediumPreference;
    default:
      return false;
  }
}

/// A gateway of the other family: IPv4 by way of an IPv6 router.
std::optional<IpAddress> via_address(Bytes bytes) {
  const auto family = value_of<std::uint16_t>(bytes.first(std::min<std::size_t>(2, bytes.size())));
  const auto ip = family && *family < 256 ? family_from(static_cast<std::uint8_t>(*family)) : std::nullopt;
  return ip ? address_of(*ip, bytes.subspan(2)) : std::nullopt;
}

}  // namespace

Result<Route> decode_route(const nlmsghdr* message, std::span<const Link> links) {
  const Bytes payload = payload_of(message);
  const auto header = header_of<rtmsg>(payload);
  const auto family = header ? family_from(header->rtm_family) : std::nullopt;
  if (!family) {
    return malformed("routes");
  }
  Route route;
  route.family = *family;
  route.table = {header->rtm_table};
  route.destination = {.address = {.family = *family}, .length = header->rtm_dst_len};
  route.type = static_cast<RouteType>(header->rtm_type);
  route.protocol = {header->rtm_protocol};
  const bool whole = for_each_attribute(attributes_after<rtmsg>(payload), [&](const Attribute& attribute) {
    if (!read_known(route, links, attribute)) {
      keep(route.other, attribute.type, attribute.payload);
    }
  });
  if (!whole || route.destination.length > route.destination.address.size() * 8) {
    return malformed("routes");
  }
  keep_header(route, *header);
  std::ranges::sort(route.other);
  return route;
}

Result<DecodedAnswer> decode_route_answer(const nlmsghdr* message) {
  const Bytes payload = payload_of(message);
  const auto header = header_of<rtmsg>(payload);
  const auto family = header ? family_from(header->rtm_family) : std::nullopt;
  if (!family) {
    return malformed("a route lookup's answer");
  }
  DecodedAnswer answer;
  answer.table = {header->rtm_table};
  answer.type = static_cast<RouteType>(header->rtm_type);
  bool sizes = true;
  const bool whole = for_each_attribute(attributes_after<rtmsg>(payload), [&](const Attribute& attribute) {
    switch (attribute.type) {
      case RTA_TABLE:
        sizes = read_into(answer.table.value, attribute.payload) && sizes;
        break;
      case RTA_OIF:
        sizes = read_into(answer.link, attribute.payload) && sizes;
        break;
      case RTA_GATEWAY:
        sizes = read_address(answer.gateway, *family, attribute.payload) && sizes;
        break;
      case RTA_PREFSRC:
        sizes = read_address(answer.preferred_source, *family, attribute.payload) && sizes;
        break;
      case RTA_VIA:
        answer.gateway = via_address(attribute.payload);
        break;
      default:
        break;
    }
  });
  if (!whole || !sizes) {
    return malformed("a route lookup's answer");
  }
  return answer;
}

bool is_ip_message(const nlmsghdr* message) {
  const auto header = header_of<rtgenmsg>(payload_of(message));  // the family is every rtnetlink header's first byte
  return header && family_from(header->rtgen_family);
}

bool is_route_of(const nlmsghdr* message, IpFamily family) {
  const auto header = header_of<rtmsg>(payload_of(message));
  return !header || (header->rtm_family == family_to(family) && (header->rtm_flags & RTM_F_CLONED) == 0);
}

Result<NlMessage> encode_route(std::uint16_t type, int flags, const Route& route, int link) {
  rtmsg header{};
  header.rtm_family = family_to(route.family);
  header.rtm_dst_len = route.destination.length;
  header.rtm_table = header_table(route.table);
  header.rtm_protocol = route.protocol.value;
  header.rtm_scope = usual_scope(route);
  header.rtm_type = static_cast<std::uint8_t>(route.type);
  const bool fits = restore_header_fields(header, route.other);
  MessageBuilder builder(type, flags);
  builder.header(header).u32(RTA_TABLE, route.table.value);
  if (!route.destination.is_default()) {
    builder.address(RTA_DST, route.destination.address);
  }
  if (link != 0) {
    builder.u32(RTA_OIF, static_cast<std::uint32_t>(link));
  }
  if (route.gateway) {
    builder.address(RTA_GATEWAY, *route.gateway);
  }
  if (route.preferred_source) {
    builder.address(RTA_PREFSRC, *route.preferred_source);
  }
  if (route.metric != 0) {
    builder.u32(RTA_PRIORITY, route.metric);
  }
  NlMessage message = builder.attributes(route.other).take();
  if (!fits || message == nullptr) {
    return system_error("write route", to_string(route), EINVAL);
  }
  return message;
}

Result<NlMessage> encode_query(const RouteQuery& query, int incoming) {
  const auto host_bits = [](const IpAddress& address) { return static_cast<std::uint8_t>(address.size() * 8); };
  rtmsg header{};
  header.rtm_family = family_to(query.destination.family);
  header.rtm_dst_len = host_bits(query.destination);
  header.rtm_src_len = query.source ? host_bits(*query.source) : std::uint8_t{0};
  if (query.destination.family == IpFamily::kV4) {
    header.rtm_flags = RTM_F_LOOKUP_TABLE;  // without it IPv4 says "main" whichever table it was; IPv6 refuses the flag
  }
  MessageBuilder builder(RTM_GETROUTE, NLM_F_REQUEST);
  builder.header(header).address(RTA_DST, query.destination);
  if (query.source) {
    builder.address(RTA_SRC, *query.source);
  }
  if (incoming != 0) {
    builder.u32(RTA_IIF, static_cast<std::uint32_t>(incoming));
  }
  if (query.mark != 0) {
    builder.u32(RTA_MARK, query.mark);
  }
  if (query.uid) {
    builder.u32(RTA_UID, *query.uid);
  }
  if (query.ip_protocol != 0) {
    builder.u8(RTA_IP_PROTO, query.ip_protocol);
    for (const auto& [type, port] :
         {std::pair{RTA_SPORT, query.source_port}, std::pair{RTA_DPORT, query.destination_port}}) {
      if (port != 0) {
        builder.bytes(type, be16_bytes(port));
      }
    }
  }
  NlMessage message = builder.take();
  if (message == nullptr) {
    return system_error("look up route to", query.destination.to_string(), EINVAL);
  }
  return message;
}

}  // namespace smtpegress::netlink
