// Tunnel interfaces (linux/if_link.h, linux/if_tunnel.h) and neighbours (linux/neighbour.h).
#include "netlink/tunnel_codec.hpp"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/if_tunnel.h>
#include <linux/ip6_tunnel.h>
#include <linux/neighbour.h>
#include <netinet/in.h>

#include <array>

#include "netlink/route_message.hpp"

namespace smtpegress::netlink {
namespace {

constexpr std::uint8_t kHopLimit = 64;  // IPDEFTTL, linux/ip.h; else the wrapped packet's own

std::uint16_t port_in(Bytes bytes) {
  return bytes.size() == 2 ? load_be16(bytes) : std::uint16_t{0};
}

std::optional<IpAddress> any_address_of(Bytes bytes) {
  const auto address = address_of(bytes.size() == 4 ? IpFamily::kV4 : IpFamily::kV6, bytes);
  return address && !all_zero(bytes) ? address : std::nullopt;
}

void read_vxlan(const Attribute& attribute, Encapsulation& found) {
  const Bytes value = attribute.payload;
  switch (attribute.type) {
    case IFLA_VXLAN_ID:
      found.id = value_of<std::uint32_t>(value).value_or(0);
      break;
    case IFLA_VXLAN_LINK:
      found.link = value_of<int>(value).value_or(0);
      break;
    case IFLA_VXLAN_LOCAL:
    case IFLA_VXLAN_LOCAL6:
      found.local = any_address_of(value);
      break;
    case IFLA_VXLAN_GROUP:
    case IFLA_VXLAN_GROUP6:
      found.remote = any_address_of(value);
      break;
    case IFLA_VXLAN_PORT:
      found.port = port_in(value);
      break;
    case IFLA_VXLAN_PORT_RANGE:
      if (value.size() == sizeof(ifla_vxlan_port_range)) {
        found.source_ports = {load_be16(value.first(2)), load_be16(value.subspan(2))};
      }
      break;
    case IFLA_VXLAN_LEARNING:
      found.learns = value_of<std::uint8_t>(value).value_or(0) != 0;
      break;
    default:
      break;
  }
}

void read_ip_tunnel(const Attribute& attribute, Encapsulation& found) {
  switch (attribute.type) {
    case IFLA_IPTUN_LINK:
      found.link = value_of<int>(attribute.payload).value_or(0);
      break;
    case IFLA_IPTUN_LOCAL:
      found.local = any_address_of(attribute.payload);
      break;
    case IFLA_IPTUN_REMOTE:
      found.remote = any_address_of(attribute.payload);
      break;
    default:
      break;
  }
}

bool is_ip_tunnel(std::string_view kind) {
  return kind == "ipip" || kind == "sit" || kind == "ip6tnl";
}

void put_vxlan(const LinkSpec& link, int lower, MessageBuilder& builder) {
  const bool v4 = link.remote.family == IpFamily::kV4;
  builder.u32(IFLA_VXLAN_ID, link.id).u32(IFLA_VXLAN_LINK, static_cast<std::uint32_t>(lower));
  if (link.local) {
    builder.address(v4 ? IFLA_VXLAN_LOCAL : IFLA_VXLAN_LOCAL6, *link.local);
  }
  const auto [first, end] = link.source_ports;
  const std::array range{be16_bytes(first)[0], be16_bytes(first)[1], be16_bytes(end)[0], be16_bytes(end)[1]};
  builder.address(v4 ? IFLA_VXLAN_GROUP : IFLA_VXLAN_GROUP6, link.remote)
      .bytes(IFLA_VXLAN_PORT, be16_bytes(link.port))
      .bytes(IFLA_VXLAN_PORT_RANGE, range)
      .u8(IFLA_VXLAN_LEARNING, link.learns ? 1 : 0)
      .u8(IFLA_VXLAN_TTL, kHopLimit);
}

void put_ip_tunnel(const LinkSpec& link, int lower, MessageBuilder& builder) {
  builder.u32(IFLA_IPTUN_LINK, static_cast<std::uint32_t>(lower));
  if (link.local) {
    builder.address(IFLA_IPTUN_LOCAL, *link.local);
  }
  builder.address(IFLA_IPTUN_REMOTE, link.remote).u8(IFLA_IPTUN_TTL, kHopLimit);
  builder.u8(IFLA_IPTUN_PROTO, link.kind == "ipip" ? IPPROTO_IPIP : 0);  // the others take both families
  if (link.kind == "ip6tnl") {
    builder.u32(IFLA_IPTUN_FLAGS, IP6_TNL_F_IGN_ENCAP_LIMIT);  // no option that takes a further 8 bytes
  }
}

Result<NlMessage> written(MessageBuilder& builder, std::string object) {
  NlMessage message = builder.take();
  if (message == nullptr) {
    return system_error("write interface", std::move(object), EINVAL);
  }
  return message;
}

ifinfomsg header_for(int index) {
  ifinfomsg header{};
  header.ifi_index = index;
  return header;
}

}  // namespace

std::optional<Encapsulation> decode_encapsulation(std::string_view kind, Bytes data) {
  Encapsulation found;
  if (kind == "vxlan") {
    (void)for_each_attribute(data, [&](const Attribute& attribute) { read_vxlan(attribute, found); });
  } else if (is_ip_tunnel(kind)) {
    (void)for_each_attribute(data, [&](const Attribute& attribute) { read_ip_tunnel(attribute, found); });
  } else {
    return std::nullopt;
  }
  return found;
}

Result<std::optional<Neighbour>> decode_neighbour(const nlmsghdr* message, int link) {
  const Bytes payload = payload_of(message);
  const auto header = header_of<ndmsg>(payload);
  if (!header) {
    return malformed("neighbours");
  }
  const auto family = family_from(header->ndm_family);
  if (!family || header->ndm_ifindex != link || header->ndm_state != NUD_PERMANENT) {
    return std::optional<Neighbour>{};
  }
  std::optional<IpAddress> address;
  MacAddress mac;
  const bool whole = for_each_attribute(attributes_after<ndmsg>(payload), [&](const Attribute& attribute) {
    if (attribute.type == NDA_DST) {
      address = address_of(*family, attribute.payload);
    } else if (attribute.type == NDA_LLADDR && attribute.payload.size() == mac.bytes.size()) {
      std::ranges::copy(attribute.payload, mac.bytes.begin());
    }
  });
  if (!whole || !address) {
    return malformed("neighbours");
  }
  return std::optional(Neighbour{.address = *address, .mac = mac});
}

Result<NlMessage> encode_new_link(const LinkSpec& link, int lower) {
  MessageBuilder builder(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK);
  builder.header(ifinfomsg{}).text(IFLA_IFNAME, link.name.str()).u32(IFLA_MTU, link.mtu);
  builder.u32(IFLA_GROUP, kHalfMadeGroup);
  if (link.mac != MacAddress{}) {
    builder.bytes(IFLA_ADDRESS, link.mac.bytes);
  }
  builder.open(IFLA_LINKINFO).text(IFLA_INFO_KIND, link.kind).open(IFLA_INFO_DATA);
  link.kind == "vxlan" ? put_vxlan(link, lower, builder) : put_ip_tunnel(link, lower, builder);
  builder.close().close();
  return written(builder, to_string(link));
}

Result<NlMessage> encode_finished_link(const LinkSpec& link, int index) {
  auto header = header_for(index);
  header.ifi_flags = link.up ? unsigned{IFF_UP} : 0U;
  header.ifi_change = IFF_UP;
  if (link.mac != MacAddress{}) {
    header.ifi_flags |= IFF_NOARP;  // its neighbours are set: nothing is asked, and nothing answered
    header.ifi_change |= IFF_NOARP;
  }
  MessageBuilder builder(RTM_NEWLINK, NLM_F_ACK);
  builder.header(header).u32(IFLA_GROUP, 0).u32(IFLA_MTU, link.mtu).text(IFLA_IFALIAS, link.alias);
  return written(builder, to_string(link));
}

Result<NlMessage> encode_deleted_link(const LinkSpec& link, int index) {
  MessageBuilder builder(RTM_DELLINK, NLM_F_ACK);
  builder.header(header_for(index));
  return written(builder, to_string(link));
}

Result<NlMessage> encode_neighbour(const Neighbour& neighbour, int index) {
  ndmsg header{};
  header.ndm_family = family_to(neighbour.address.family);
  header.ndm_ifindex = index;
  header.ndm_state = NUD_PERMANENT;
  MessageBuilder builder(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK);
  builder.header(header).address(NDA_DST, neighbour.address).bytes(NDA_LLADDR, neighbour.mac.bytes);
  return written(builder, "neighbour " + neighbour.address.to_string());
}

Result<NlMessage> encode_address(const IpAddress& address, int index) {
  ifaddrmsg header{};
  header.ifa_family = family_to(address.family);
  header.ifa_prefixlen = static_cast<std::uint8_t>(address.size() * 8);
  header.ifa_flags = address.family == IpFamily::kV6 ? IFA_F_NODAD : 0;
  header.ifa_scope = RT_SCOPE_UNIVERSE;
  header.ifa_index = static_cast<unsigned>(index);
  MessageBuilder builder(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK);
  builder.header(header).address(IFA_LOCAL, address).address(IFA_ADDRESS, address);
  return written(builder, "address " + address.to_string());
}

Result<NlMessage> encode_neighbour_request(int index) {
  MessageBuilder builder(RTM_GETNEIGH, NLM_F_REQUEST | NLM_F_DUMP);
  builder.header(ndmsg{}).u32(NDA_IFINDEX, static_cast<std::uint32_t>(index));
  return written(builder, "neighbours");
}

bool same_tunnel(const Link& standing, const LinkSpec& wanted, int lower) {
  const bool is_vxlan = wanted.kind == "vxlan";
  const Encapsulation as_wanted{.local = wanted.local,
                                .remote = wanted.remote,
                                .link = lower,
                                .id = wanted.id,
                                .port = wanted.port,
                                .source_ports = wanted.source_ports,
                                .learns = wanted.learns};
  return standing.kind == wanted.kind && standing.encapsulation == as_wanted &&
         (!is_vxlan || standing.mac == wanted.mac);
}

}  // namespace smtpegress::netlink
