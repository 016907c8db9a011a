#include "netlink/nft_set_codec.hpp"

// libc's structures before linux/*, see nft_layout.hpp.
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

#include <libnftnl/udata.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "netlink/attributes.hpp"
#include "netlink/nft_rule_reader.hpp"

namespace smtpegress::netlink {
namespace {

// nft's numbers of types (enum datatypes, nftables' include/datatype.h). The kernel keeps them for nft, which lists and
// reads elements by them. A key of two parts has both, six bits each.
constexpr std::uint32_t kIpv4Type = 7;
constexpr std::uint32_t kIpv6Type = 8;
constexpr std::uint32_t kInterfaceType = 41;
constexpr unsigned kTypeBits = 6;
// nft's enum byteorder, include/datatype.h.
constexpr std::uint32_t kMixedOrder = 0;
constexpr std::uint32_t kHostOrder = 1;
constexpr std::uint32_t kNetworkOrder = 2;

std::uint32_t type_number(IpFamily family) {
  return family == IpFamily::kV4 ? kIpv4Type : kIpv6Type;
}
std::size_t size_of(IpFamily family) {
  return IpAddress{.family = family}.size();
}

std::uint32_t key_type(const nft::SetType& type) {
  const std::uint32_t address = type.by_address ? type_number(*type.by_address) : 0;
  if (!type.by_interface) {
    return address;
  }
  return type.by_address ? kInterfaceType << kTypeBits | address : kInterfaceType;
}
std::size_t key_size(const nft::SetType& type) {
  return (type.by_interface ? std::size_t{IFNAMSIZ} : 0) + (type.by_address ? size_of(*type.by_address) : 0);
}
std::uint32_t key_order(const nft::SetType& type) {
  if (type.by_interface) {
    return type.by_address ? kMixedOrder : kHostOrder;
  }
  return kNetworkOrder;
}

/// All that there are: so few that the type of an observed one is looked up among them.
std::array<nft::SetType, 9> all_types() {
  using enum IpFamily;
  return {{{true, {}, {}},
           {false, kV4, {}},
           {false, kV6, {}},
           {true, kV4, {}},
           {true, kV6, {}},
           {false, kV4, kV4},
           {false, kV6, kV6},
           {true, kV4, kV4},
           {true, kV6, kV6}}};
}

/// A TLV of user data with a number, which nft writes in its own byte order.
void add_number(std::vector<std::uint8_t>& userdata, std::uint8_t type, std::uint32_t number) {
  std::array<std::uint8_t, sizeof number> bytes{};
  std::memcpy(bytes.data(), &number, sizeof number);
  userdata.push_back(type);
  userdata.push_back(sizeof number);
  userdata.insert(userdata.end(), bytes.begin(), bytes.end());
}

void put_bytes(nlmsghdr* message, std::uint16_t type, const std::uint8_t* bytes, std::size_t size) {
  auto* nest = mnl_attr_nest_start(message, type);
  mnl_attr_put(message, NFTA_DATA_VALUE, size, bytes);
  mnl_attr_nest_end(message, nest);
}

void put_element(nlmsghdr* message, const nft::SetType& type, const nft::SetElement& element, Values values) {
  std::array<std::uint8_t, IFNAMSIZ + sizeof(in6_addr)> key{};
  auto* end = key.data();
  if (type.by_interface) {
    std::ranges::copy(element.interface, end);
    end += IFNAMSIZ;
  }
  if (type.by_address) {
    end = std::copy_n(element.address.bytes.data(), element.address.size(), end);
  }
  auto* nest = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
  put_bytes(message, NFTA_SET_ELEM_KEY, key.data(), static_cast<std::size_t>(end - key.data()));
  if (type.to && values == Values::kWith) {
    put_bytes(message, NFTA_SET_ELEM_DATA, element.to->bytes.data(), element.to->size());
  }
  mnl_attr_nest_end(message, nest);
}

IpAddress address_of_bytes(IpFamily family, Bytes bytes) {
  IpAddress address{.family = family};
  std::ranges::copy(bytes.first(address.size()), address.bytes.begin());
  return address;
}

/// Nothing where key or value have another length, or the interface's name goes on behind its NUL.
std::optional<nft::SetElement> decode_element(Bytes payload, const nft::SetType& type) {
  const Attributes attributes(payload);
  Bytes key = data_value(attributes, NFTA_SET_ELEM_KEY);
  const Bytes value = data_value(attributes, NFTA_SET_ELEM_DATA);
  if (key.size() != key_size(type) || value.size() != (type.to ? size_of(*type.to) : 0)) {
    return std::nullopt;
  }
  nft::SetElement element;
  if (type.by_interface) {
    const auto name = key.first(IFNAMSIZ);
    element.interface = text_until_nul(name);
    const auto padding = name.subspan(element.interface.size());
    if (padding.empty() || std::ranges::any_of(padding, [](std::uint8_t byte) { return byte != 0; })) {
      return std::nullopt;
    }
    key = key.subspan(IFNAMSIZ);
  }
  if (type.by_address) {
    element.address = address_of_bytes(*type.by_address, key);
  }
  if (type.to) {
    element.to = address_of_bytes(*type.to, value);
  }
  element.altered = !attributes.only({NFTA_SET_ELEM_KEY}, {NFTA_SET_ELEM_DATA, NFTA_SET_ELEM_PAD});
  return element;
}

}  // namespace

void put_set(nlmsghdr* message, const nft::SetKey& set) {
  mnl_attr_put_strz(message, NFTA_SET_TABLE, set.table.name.c_str());
  mnl_attr_put_strz(message, NFTA_SET_NAME, set.name.c_str());
}

void put_new_set(nlmsghdr* message, const nft::SetKey& set, const nft::SetType& type, std::uint32_t id) {
  put_set(message, set);
  mnl_attr_put_u32(message, NFTA_SET_FLAGS, htonl(type.to ? std::uint32_t{NFT_SET_MAP} : 0));
  mnl_attr_put_u32(message, NFTA_SET_KEY_TYPE, htonl(key_type(type)));
  mnl_attr_put_u32(message, NFTA_SET_KEY_LEN, htonl(static_cast<std::uint32_t>(key_size(type))));
  std::vector<std::uint8_t> userdata;
  add_number(userdata, NFTNL_UDATA_SET_KEYBYTEORDER, key_order(type));
  if (type.to) {
    mnl_attr_put_u32(message, NFTA_SET_DATA_TYPE, htonl(type_number(*type.to)));
    mnl_attr_put_u32(message, NFTA_SET_DATA_LEN, htonl(static_cast<std::uint32_t>(size_of(*type.to))));
    add_number(userdata, NFTNL_UDATA_SET_DATABYTEORDER, kNetworkOrder);
  }
  mnl_attr_put_u32(message, NFTA_SET_ID, htonl(id));
  mnl_attr_put(message, NFTA_SET_USERDATA, userdata.size(), userdata.data());
}

void put_elements(nlmsghdr* message, const nft::SetKey& set, const nft::SetType& type,
                  const std::vector<nft::SetElement>& elements, Values values) {
  mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, set.table.name.c_str());
  mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, set.name.c_str());
  auto* list = mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
  for (const auto& element : elements) {
    put_element(message, type, element, values);
  }
  mnl_attr_nest_end(message, list);
}

const char* wrong_with(const nft::SetElement& element, const nft::SetType& type) {
  if (type.by_interface == element.interface.empty() || element.interface.size() >= IFNAMSIZ ||
      element.interface.find('\0') != std::string::npos) {
    return "an interface's name has 1 to 15 bytes, and stands where the set has one";
  }
  if (type.by_address && element.address.family != *type.by_address) {
    return "the address is of another family than the set's";
  }
  if (type.to.has_value() != element.to.has_value() || (type.to && element.to->family != *type.to)) {
    return "a map's element has a value of the map's family, and a set's has none";
  }
  return "";
}

Result<nft::ObservedSet> decode_set(const nlmsghdr* message) {
  const Attributes attributes(message_payload(message, sizeof(nfgenmsg)));
  const auto table = attributes.text(NFTA_SET_TABLE);
  const auto name = attributes.text(NFTA_SET_NAME);
  const auto family = message_payload(message, 0);
  if (!table || !name || family.size() < sizeof(nfgenmsg)) {
    return system_error("read ruleset", "a set", EBADMSG, {},
                        "the kernel sent a message without what every message of its kind has");
  }
  nft::ObservedSet set{.key = {{static_cast<nft::Family>(family.front()), std::string(*table)}, std::string(*name)},
                       .type = {},
                       .elements = {}};
  const auto flags = attributes.be32(NFTA_SET_FLAGS).value_or(0);
  const bool is_map = flags == NFT_SET_MAP;
  // A time limit, a counter in each element, a limit of size: nothing that ours has.
  const bool is_limited = Attributes(attributes.bytes(NFTA_SET_DESC)).has(NFTA_SET_DESC_SIZE);
  const bool plain = (flags == 0 || is_map) && !is_limited && !attributes.has(NFTA_SET_TIMEOUT) &&
                     !attributes.has(NFTA_SET_EXPR) && !attributes.has(NFTA_SET_EXPRESSIONS) &&
                     !attributes.has(NFTA_SET_OBJ_TYPE);
  for (const auto& type : all_types()) {
    const bool same_value =
        type.to.has_value() == is_map && (!is_map || (attributes.be32(NFTA_SET_DATA_TYPE) == type_number(*type.to) &&
                                                      attributes.be32(NFTA_SET_DATA_LEN) == size_of(*type.to)));
    if (plain && same_value && attributes.be32(NFTA_SET_KEY_TYPE) == key_type(type) &&
        attributes.be32(NFTA_SET_KEY_LEN) == key_size(type)) {
      set.type = type;
    }
  }
  return set;
}

std::optional<std::vector<nft::SetElement>> decode_elements(const nlmsghdr* message, const nft::SetType& type) {
  const Attributes list(message_payload(message, sizeof(nfgenmsg)));
  Bytes rest = list.bytes(NFTA_SET_ELEM_LIST_ELEMENTS);
  std::vector<nft::SetElement> elements;
  while (const auto attribute = next_attribute(rest)) {
    auto element = decode_element(attribute->payload, type);
    if (!element) {
      return std::nullopt;
    }
    elements.push_back(std::move(*element));
  }
  return rest.empty() && list.well_formed() ? std::optional(std::move(elements)) : std::nullopt;
}

}  // namespace smtpegress::netlink
