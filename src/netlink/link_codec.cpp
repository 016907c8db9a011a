// Links and their addresses (linux/if_link.h, linux/if_addr.h).
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>

#include "netlink/route_codec.hpp"
#include "netlink/route_message.hpp"
#include "netlink/tunnel_codec.hpp"

namespace smtpegress::netlink {
namespace {

void read_link_info(Bytes link_info, Link& link) {
  Bytes data;
  // A malformed nest just has no kind: that is what hardware looks like as well.
  (void)for_each_attribute(link_info, [&](const Attribute& attribute) {
    if (attribute.type == IFLA_INFO_KIND) {
      link.kind = text_until_nul(attribute.payload);
    } else if (attribute.type == IFLA_INFO_DATA) {
      data = attribute.payload;
    }
  });
  link.encapsulation = decode_encapsulation(link.kind, data);
}

}  // namespace

Result<Link> decode_link(const nlmsghdr* message) {
  const Bytes payload = payload_of(message);
  const auto header = header_of<ifinfomsg>(payload);
  if (!header) {
    return malformed("links");
  }
  Link link;
  link.index = header->ifi_index;
  link.up = (header->ifi_flags & IFF_UP) != 0;
  std::string name;
  std::uint32_t group = 0;
  const bool whole = for_each_attribute(attributes_after<ifinfomsg>(payload), [&](const Attribute& attribute) {
    switch (attribute.type) {
      case IFLA_IFNAME:
        name = text_until_nul(attribute.payload);
        break;
      case IFLA_MTU:
        link.mtu = value_of<std::uint32_t>(attribute.payload).value_or(0);
        break;
      case IFLA_IFALIAS:
        link.alias = text_until_nul(attribute.payload);
        break;
      case IFLA_GROUP:
        group = value_of<std::uint32_t>(attribute.payload).value_or(0);
        break;
      case IFLA_ADDRESS:
        if (attribute.payload.size() == link.mac.bytes.size()) {
          std::ranges::copy(attribute.payload, link.mac.bytes.begin());
        }
        break;
      case IFLA_LINKINFO:
        read_link_info(attribute.payload, link);
        break;
      default:
        break;
    }
  });
  if (!whole || name.empty()) {
    return malformed("links");
  }
  link.name = IfName::parse(name).value_or(IfName{});
  link.half_made = group == kHalfMadeGroup && link.alias.empty() && link.encapsulation;
  return link;
}

Result<InterfaceAddress> decode_address(const nlmsghdr* message) {
  const Bytes payload = payload_of(message);
  const auto header = header_of<ifaddrmsg>(payload);
  const auto family = header ? family_from(header->ifa_family) : std::nullopt;
  if (!family) {
    return malformed("addresses");
  }
  // On a point-to-point link IFA_ADDRESS is the other end's; IPv6 sends IFA_LOCAL only there.
  std::optional<IpAddress> local;
  std::optional<IpAddress> address;
  std::uint32_t flags = header->ifa_flags;  // the attribute has those for which a byte is too small as well
  const bool whole = for_each_attribute(attributes_after<ifaddrmsg>(payload), [&](const Attribute& attribute) {
    if (attribute.type == IFA_LOCAL) {
      local = address_of(*family, attribute.payload);
    } else if (attribute.type == IFA_ADDRESS) {
      address = address_of(*family, attribute.payload);
    } else if (attribute.type == IFA_FLAGS) {
      flags = value_of<std::uint32_t>(attribute.payload).value_or(flags);
    }
  });
  const auto own = local ? local : address;
  if (!whole || !own || header->ifa_prefixlen > own->size() * 8) {
    return malformed("addresses");
  }
  return InterfaceAddress{.link = static_cast<int>(header->ifa_index),
                          .local = *own,
                          .prefix_length = header->ifa_prefixlen,
                          .flags = flags};
}

}  // namespace smtpegress::netlink
