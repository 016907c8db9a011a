#include "netlink/wireguard_codec.hpp"

#include <arpa/inet.h>
#include <linux/genetlink.h>
#include <linux/time_types.h>
#include <linux/wireguard.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include <cerrno>
#include <new>

#include "netlink/attribute_view.hpp"
#include "netlink/exchange.hpp"

namespace smtpegress::netlink {
namespace {

constexpr std::uint8_t kControllerVersion = 2;  // genl_ctrl, net/netlink/genetlink.c

std::unexpected<Error> malformed(const IfName& name, std::string_view what) {
  return system_error("read WireGuard interface", name.str(), EBADMSG, {},
                      "the kernel's answer has a malformed " + std::string(what));
}

NlMessage generic_message(std::uint16_t family, int flags, std::uint8_t command, std::uint8_t version, int type,
                          const char* text) {
  NlMessage message = new_message(family, NLM_F_REQUEST | flags);
  genlmsghdr header{.cmd = command, .version = version, .reserved = 0};
  if (nlmsg_append(message.get(), &header, sizeof header, NLMSG_ALIGNTO) < 0 ||
      nla_put_string(message.get(), type, text) < 0) {
    throw std::bad_alloc();
  }
  return message;
}

/// A sockaddr_in or sockaddr_in6 as "address:port", "[address]:port".
std::string endpoint_of(Bytes bytes) {
  if (const auto v4 = value_of<sockaddr_in>(bytes); v4 && v4->sin_family == AF_INET) {
    IpAddress address{.family = IpFamily::kV4};
    std::memcpy(address.bytes.data(), &v4->sin_addr, sizeof v4->sin_addr);
    return address.to_string() + ':' + std::to_string(ntohs(v4->sin_port));
  }
  if (const auto v6 = value_of<sockaddr_in6>(bytes); v6 && v6->sin6_family == AF_INET6) {
    IpAddress address{.family = IpFamily::kV6};
    std::memcpy(address.bytes.data(), &v6->sin6_addr, sizeof v6->sin6_addr);
    return '[' + address.to_string() + "]:" + std::to_string(ntohs(v6->sin6_port));
  }
  return {};
}

std::optional<Prefix> allowed_ip_of(Bytes nest) {
  std::uint16_t family = 0;
  std::uint8_t length = 0;
  Bytes address;
  const bool whole = for_each_attribute(nest, [&](const Attribute& attribute) {
    if (attribute.type == WGALLOWEDIP_A_FAMILY) {
      family = value_of<std::uint16_t>(attribute.payload).value_or(0);
    } else if (attribute.type == WGALLOWEDIP_A_CIDR_MASK) {
      length = value_of<std::uint8_t>(attribute.payload).value_or(0);
    } else if (attribute.type == WGALLOWEDIP_A_IPADDR) {
      address = attribute.payload;
    }
  });
  const auto parsed = address_of(family == AF_INET6 ? IpFamily::kV6 : IpFamily::kV4, address);
  if (!whole || !parsed || (family != AF_INET && family != AF_INET6) || length > parsed->size() * 8) {
    return std::nullopt;
  }
  const Prefix network{.address = *parsed, .length = length};
  return network.contains(*parsed) ? std::optional(network) : std::nullopt;  // the kernel clears host bits
}

bool read_allowed_ips(WireGuardPeer& peer, Bytes nest) {
  bool good = true;
  const bool whole = for_each_attribute(nest, [&](const Attribute& attribute) {
    if (const auto prefix = allowed_ip_of(attribute.payload)) {
      peer.allowed_ips.push_back(*prefix);
    } else {
      good = false;
    }
  });
  return whole && good;
}

std::optional<WireGuardPeer> peer_of(Bytes nest) {
  WireGuardPeer peer;
  bool good = true;
  const bool whole = for_each_attribute(nest, [&](const Attribute& attribute) {
    switch (attribute.type) {
      case WGPEER_A_PUBLIC_KEY:
        peer.public_key = attribute.payload.size() == kWireGuardKeySize ? base64(attribute.payload) : "";
        break;
      case WGPEER_A_ENDPOINT:
        peer.endpoint = endpoint_of(attribute.payload);
        break;
      case WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL:
        good = read_into(peer.keepalive, attribute.payload) && good;
        break;
      case WGPEER_A_LAST_HANDSHAKE_TIME: {
        __kernel_timespec time{};
        good = read_into(time, attribute.payload) && time.tv_sec >= 0 && good;
        peer.last_handshake = time.tv_sec;
        break;
      }
      case WGPEER_A_ALLOWEDIPS:
        good = read_allowed_ips(peer, attribute.payload) && good;
        break;
      default:
        break;
    }
  });
  return whole && good && !peer.public_key.empty() ? std::optional(std::move(peer)) : std::nullopt;
}

void merge(std::vector<WireGuardPeer>& peers, WireGuardPeer peer) {
  if (!peers.empty() && peers.back().public_key == peer.public_key) {
    auto& known = peers.back().allowed_ips;  // continued from the message before: only the key and further addresses
    known.insert(known.end(), peer.allowed_ips.begin(), peer.allowed_ips.end());
    return;
  }
  peers.push_back(std::move(peer));
}

}  // namespace

std::string base64(std::span<const std::uint8_t> bytes) {
  static constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto group = bytes.subspan(i, std::min<std::size_t>(3, bytes.size() - i));
    std::uint32_t bits = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      bits = bits << 8 | (j < group.size() ? group[j] : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      text += j <= group.size() ? kAlphabet[bits >> (18 - 6 * j) & 0x3f] : '=';
    }
  }
  return text;
}

NlMessage encode_family_query() {
  return generic_message(GENL_ID_CTRL, 0, CTRL_CMD_GETFAMILY, kControllerVersion, CTRL_ATTR_FAMILY_NAME, WG_GENL_NAME);
}

std::optional<std::uint16_t> decode_family(const nlmsghdr* message) {
  const Bytes payload = payload_of(message);
  std::optional<std::uint16_t> family;
  const bool whole = header_of<genlmsghdr>(payload) &&
                     for_each_attribute(attributes_after<genlmsghdr>(payload), [&](const Attribute& attribute) {
                       if (attribute.type == CTRL_ATTR_FAMILY_ID) {
                         family = value_of<std::uint16_t>(attribute.payload);
                       }
                     });
  return whole ? family : std::nullopt;
}

NlMessage encode_device_query(std::uint16_t family, const IfName& name) {
  return generic_message(family, NLM_F_DUMP, WG_CMD_GET_DEVICE, WG_GENL_VERSION, WGDEVICE_A_IFNAME, name.str().c_str());
}

Result<void> decode_device(WireGuardDevice& device, const nlmsghdr* message) {
  const Bytes payload = payload_of(message);
  if (!header_of<genlmsghdr>(payload)) {
    return malformed(device.name, "header");
  }
  bool good = true;
  const bool whole = for_each_attribute(attributes_after<genlmsghdr>(payload), [&](const Attribute& attribute) {
    if (attribute.type == WGDEVICE_A_FWMARK) {
      good = read_into(device.fwmark, attribute.payload) && good;
    }
    if (attribute.type == WGDEVICE_A_LISTEN_PORT) {
      good = read_into(device.listen_port, attribute.payload) && good;
    }
    if (attribute.type == WGDEVICE_A_PUBLIC_KEY) {
      good = attribute.payload.size() == kWireGuardKeySize && good;
      device.public_key = good ? base64(attribute.payload) : "";
    }
    if (attribute.type != WGDEVICE_A_PEERS) {
      return;
    }
    good = for_each_attribute(attribute.payload,
                              [&](const Attribute& nest) {
                                if (auto peer = peer_of(nest.payload)) {
                                  merge(device.peers, std::move(*peer));
                                } else {
                                  good = false;
                                }
                              }) &&
           good;
  });
  if (!whole || !good) {
    return malformed(device.name, "peer, key, port or mark");
  }
  return {};
}

}  // namespace smtpegress::netlink
