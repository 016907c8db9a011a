#include "netlink/conntrack_codec.hpp"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <cerrno>

#include "netlink/attribute_view.hpp"

namespace smtpegress::netlink {
namespace {

// Which parts of CTA_TUPLE_ORIG a dump's filter compares: net/netfilter/nf_internals.h (kernel ABI, in no uapi header).
constexpr std::uint32_t kFilterProtocol = 1U << 3;  // CTA_FILTER_F_CTA_PROTO_NUM

std::uint8_t family_number(IpFamily family) {
  return family == IpFamily::kV4 ? AF_INET : AF_INET6;
}

nlmsghdr* put_header(CtMessage& message, unsigned type, int flags, std::uint8_t family) {
  nlmsghdr* header = mnl_nlmsg_put_header(message.data());
  header->nlmsg_type = static_cast<std::uint16_t>((unsigned{NFNL_SUBSYS_CTNETLINK} << 8) | type);
  header->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  const nfgenmsg generic{.nfgen_family = family, .version = NFNETLINK_V0, .res_id = 0};
  std::memcpy(mnl_nlmsg_put_extra_header(header, sizeof generic), &generic, sizeof generic);
  return header;
}

struct Tuple {
  std::optional<IpAddress> source, destination;
  std::uint8_t protocol = 0;
  std::uint16_t source_port = 0, destination_port = 0;
  std::uint16_t zone = 0;

  /// Both ends are there, and of one family.
  [[nodiscard]] bool is_whole() const { return source && destination && source->family == destination->family; }
};

std::uint16_t port_of(Bytes bytes) {
  return ntohs(value_of<std::uint16_t>(bytes).value_or(0));
}

bool read_addresses(Tuple& tuple, Bytes nest) {
  return for_each_attribute(nest, [&](const Attribute& attribute) {
    switch (attribute.type) {
      case CTA_IP_V4_SRC:
        tuple.source = address_of(IpFamily::kV4, attribute.payload);
        break;
      case CTA_IP_V4_DST:
        tuple.destination = address_of(IpFamily::kV4, attribute.payload);
        break;
      case CTA_IP_V6_SRC:
        tuple.source = address_of(IpFamily::kV6, attribute.payload);
        break;
      case CTA_IP_V6_DST:
        tuple.destination = address_of(IpFamily::kV6, attribute.payload);
        break;
      default:
        break;
    }
  });
}

bool read_protocol(Tuple& tuple, Bytes nest) {
  return for_each_attribute(nest, [&](const Attribute& attribute) {
    switch (attribute.type) {
      case CTA_PROTO_NUM:
        tuple.protocol = value_of<std::uint8_t>(attribute.payload).value_or(0);
        break;
      case CTA_PROTO_SRC_PORT:
        tuple.source_port = port_of(attribute.payload);
        break;
      case CTA_PROTO_DST_PORT:
        tuple.destination_port = port_of(attribute.payload);
        break;
      default:
        break;
    }
  });
}

bool read_tuple(Tuple& tuple, Bytes nest) {
  bool whole = true;
  const bool outer = for_each_attribute(nest, [&](const Attribute& attribute) {
    if (attribute.type == CTA_TUPLE_IP) {
      whole = read_addresses(tuple, attribute.payload) && whole;
    } else if (attribute.type == CTA_TUPLE_PROTO) {
      whole = read_protocol(tuple, attribute.payload) && whole;
    } else if (attribute.type == CTA_TUPLE_ZONE) {
      tuple.zone = port_of(attribute.payload);
    }
  });
  return outer && whole;
}

void put_tuple(nlmsghdr* header, const Flow& flow) {
  const bool v4 = flow.source.family == IpFamily::kV4;
  nlattr* tuple = mnl_attr_nest_start(header, CTA_TUPLE_ORIG);
  nlattr* ip = mnl_attr_nest_start(header, CTA_TUPLE_IP);
  mnl_attr_put(header, v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, flow.source.size(), flow.source.bytes.data());
  mnl_attr_put(header, v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, flow.destination.size(), flow.destination.bytes.data());
  mnl_attr_nest_end(header, ip);
  nlattr* protocol = mnl_attr_nest_start(header, CTA_TUPLE_PROTO);
  mnl_attr_put_u8(header, CTA_PROTO_NUM, IPPROTO_TCP);
  mnl_attr_put_u16(header, CTA_PROTO_SRC_PORT, htons(flow.source_port));
  mnl_attr_put_u16(header, CTA_PROTO_DST_PORT, htons(flow.destination_port));
  mnl_attr_nest_end(header, protocol);
  mnl_attr_nest_end(header, tuple);
}

}  // namespace

CtMessage encode_flow_dump(IpFamily family, FlowFilter filter) {
  CtMessage message;
  nlmsghdr* header = put_header(message, IPCTNL_MSG_CT_GET, NLM_F_DUMP, family_number(family));
  if (filter == FlowFilter::kTcpInKernel) {
    nlattr* tuple = mnl_attr_nest_start(header, CTA_TUPLE_ORIG);
    nlattr* protocol = mnl_attr_nest_start(header, CTA_TUPLE_PROTO);
    mnl_attr_put_u8(header, CTA_PROTO_NUM, IPPROTO_TCP);
    mnl_attr_nest_end(header, protocol);
    mnl_attr_nest_end(header, tuple);
    nlattr* nest = mnl_attr_nest_start(header, CTA_FILTER);
    mnl_attr_put_u32(header, CTA_FILTER_ORIG_FLAGS, kFilterProtocol);
    mnl_attr_put_u32(header, CTA_FILTER_REPLY_FLAGS, 0);
    mnl_attr_nest_end(header, nest);
  }
  return message;
}

CtMessage encode_flow_delete(const Flow& flow) {
  CtMessage message;
  nlmsghdr* header = put_header(message, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, family_number(flow.source.family));
  put_tuple(header, flow);  // never left out: without a tuple this message means "delete all"
  mnl_attr_put_u32(header, CTA_ID, htonl(flow.id));
  if (flow.zone != 0) {
    mnl_attr_put_u16(header, CTA_ZONE, htons(flow.zone));
  }
  return message;
}

Result<std::optional<Flow>> decode_flow(const nlmsghdr* message) {
  const auto malformed = [] {
    return system_error("list", "tracked tcp flows", EBADMSG, {}, "a message was cut short");
  };
  const Bytes payload = payload_of(message);
  if (!header_of<nfgenmsg>(payload)) {
    return malformed();
  }
  Tuple original;
  Tuple reply;
  Flow flow;
  std::optional<std::uint32_t> id;
  bool whole = true;
  const bool outer = for_each_attribute(attributes_after<nfgenmsg>(payload), [&](const Attribute& attribute) {
    switch (attribute.type) {
      case CTA_TUPLE_ORIG:
        whole = read_tuple(original, attribute.payload) && whole;
        break;
      case CTA_TUPLE_REPLY:
        whole = read_tuple(reply, attribute.payload) && whole;
        break;
      case CTA_ZONE:
        flow.zone = port_of(attribute.payload);
        break;
      case CTA_ID:
        id = value_of<std::uint32_t>(attribute.payload);
        break;
      default:
        break;
    }
  });
  if (!outer || !whole) {
    return malformed();
  }
  if (original.protocol != IPPROTO_TCP) {
    return std::nullopt;
  }
  if (!original.is_whole() || !reply.is_whole() || !id) {
    return malformed();
  }
  flow.source = *original.source;
  flow.destination = *original.destination;
  flow.source_port = original.source_port;
  flow.destination_port = original.destination_port;
  flow.reply_source = *reply.source;
  flow.reply_destination = *reply.destination;
  flow.reply_source_port = reply.source_port;
  flow.reply_destination_port = reply.destination_port;
  flow.id = ntohl(*id);
  flow.zone = flow.zone != 0 ? flow.zone : original.zone;
  return flow;
}

}  // namespace smtpegress::netlink
