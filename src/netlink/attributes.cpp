#include "netlink/attributes.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace smtpegress::netlink {
namespace {

constexpr std::size_t kAlignment = 4;  // bytes; NLA_ALIGNTO and NLMSG_ALIGNTO, linux/netlink.h

constexpr std::size_t aligned(std::size_t length) noexcept {
  return (length + kAlignment - 1) & ~(kAlignment - 1);
}

template <class T>
T load(Bytes bytes) noexcept {
  T value{};
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

template <class T>
T from_big_endian(T value) noexcept {
  if constexpr (std::endian::native == std::endian::little) {
    return std::byteswap(value);
  }
  return value;
}

}  // namespace

std::optional<Attribute> next_attribute(Bytes& rest) noexcept {
  nlattr header{};
  if (rest.size() < sizeof header) {
    return std::nullopt;
  }
  header = load<nlattr>(rest);
  if (header.nla_len < sizeof header || header.nla_len > rest.size()) {
    return std::nullopt;
  }
  constexpr unsigned kTypeMask = 0x3fff;  // NLA_TYPE_MASK, linux/netlink.h
  const std::size_t whole = std::min(aligned(header.nla_len), rest.size());
  const Attribute attribute{.type = static_cast<std::uint16_t>(header.nla_type & kTypeMask),
                            .payload = rest.subspan(sizeof header, header.nla_len - sizeof header),
                            .raw = rest.first(whole)};
  rest = rest.subspan(whole);
  return attribute;
}

Attributes::Attributes(Bytes list) noexcept {
  while (const auto attribute = next_attribute(list)) {
    const std::uint32_t bit = attribute->type < kTypes ? std::uint32_t{1} << attribute->type : 0;
    if (bit == 0 || (present_ & bit) != 0) {
      well_formed_ = false;
      continue;
    }
    present_ |= bit;
    values_.at(attribute->type) = {.data = attribute->payload.data(), .size = attribute->payload.size()};
  }
  well_formed_ = well_formed_ && list.empty();
}

bool Attributes::has(std::uint16_t type) const noexcept {
  return type < kTypes && (present_ & (std::uint32_t{1} << type)) != 0;
}

bool Attributes::only(std::initializer_list<std::uint16_t> required,
                      std::initializer_list<std::uint16_t> optional) const noexcept {
  std::uint32_t needed = 0;
  std::uint32_t allowed = 0;
  for (const auto type : required) {
    needed |= std::uint32_t{1} << type;
  }
  for (const auto type : optional) {
    allowed |= std::uint32_t{1} << type;
  }
  return well_formed_ && (present_ & needed) == needed && (present_ & ~(needed | allowed)) == 0;
}

Bytes Attributes::bytes(std::uint16_t type) const noexcept {
  return has(type) ? Bytes(values_.at(type).data, values_.at(type).size) : Bytes{};
}

std::optional<std::uint8_t> Attributes::u8(std::uint16_t type) const noexcept {
  const Bytes value = bytes(type);
  return value.size() == 1 ? std::optional(value.front()) : std::nullopt;
}

std::optional<std::uint32_t> Attributes::be32(std::uint16_t type) const noexcept {
  const Bytes value = bytes(type);
  return value.size() == sizeof(std::uint32_t) ? std::optional(load_be32(value)) : std::nullopt;
}

std::optional<std::uint64_t> Attributes::be64(std::uint16_t type) const noexcept {
  const Bytes value = bytes(type);
  return value.size() == sizeof(std::uint64_t) ? std::optional(from_big_endian(load<std::uint64_t>(value)))
                                               : std::nullopt;
}

std::optional<std::string> Attributes::text(std::uint16_t type) const {
  return has(type) ? std::optional(text_until_nul(bytes(type))) : std::nullopt;
}

std::uint32_t load_be32(Bytes bytes) noexcept {
  return from_big_endian(load<std::uint32_t>(bytes));
}
std::uint32_t load_host32(Bytes bytes) noexcept {
  return load<std::uint32_t>(bytes);
}
std::uint16_t load_host16(Bytes bytes) noexcept {
  return load<std::uint16_t>(bytes);
}
std::uint16_t load_be16(Bytes bytes) noexcept {
  return from_big_endian(load<std::uint16_t>(bytes));
}

std::string text_until_nul(Bytes bytes) {
  return {bytes.begin(), std::ranges::find(bytes, std::uint8_t{0})};
}

Bytes message_payload(const nlmsghdr* message, std::size_t skip) noexcept {
  const std::size_t offset = sizeof(nlmsghdr) + aligned(skip);
  if (message->nlmsg_len < offset) {
    return {};
  }
  return Bytes(reinterpret_cast<const std::uint8_t*>(message), message->nlmsg_len).subspan(offset);
}

}  // namespace smtpegress::netlink
