// Netlink attributes read in place. Nothing is trusted: lengths are checked, and an attribute that the reader does not
// know is reported, not skipped, because what is skipped could make a foreign object look like ours.
#pragma once

#include <linux/netlink.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace smtpegress::netlink {

using Bytes = std::span<const std::uint8_t>;

struct Attribute {
  std::uint16_t type = 0;  ///< without NLA_F_NESTED and NLA_F_NET_BYTEORDER
  Bytes payload;
  Bytes raw;  ///< header, payload and padding
};

/// The value that `bytes` begins with, in the host's byte order. Precondition: there are enough of them.
template <class T>
[[nodiscard]] T load_host(Bytes bytes) noexcept {
  T value{};
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}
/// The same in network byte order.
template <class T>
[[nodiscard]] T load_big_endian(Bytes bytes) noexcept {
  const T value = load_host<T>(bytes);
  return std::endian::native == std::endian::little ? std::byteswap(value) : value;
}
[[nodiscard]] inline std::uint32_t load_be32(Bytes bytes) noexcept {
  return load_big_endian<std::uint32_t>(bytes);
}
[[nodiscard]] constexpr std::array<std::uint8_t, 2> be16_bytes(std::uint16_t value) noexcept {
  return {static_cast<std::uint8_t>(value >> 8U), static_cast<std::uint8_t>(value & 0xffU)};
}
[[nodiscard]] inline std::uint16_t load_be16(Bytes bytes) noexcept {
  return load_big_endian<std::uint16_t>(bytes);
}
/// Host byte order, as the registers of nf_tables and the structures of xt have it.
[[nodiscard]] inline std::uint32_t load_host32(Bytes bytes) noexcept {
  return load_host<std::uint32_t>(bytes);
}

/// Up to the first NUL, or all of it.
[[nodiscard]] inline std::string_view view_until_nul(Bytes bytes) noexcept {
  const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return all.substr(0, all.find('\0'));
}
[[nodiscard]] inline std::string text_until_nul(Bytes bytes) {
  return std::string(view_until_nul(bytes));
}

/// Takes the first attribute off the front of `rest`. Empty at the end and where a length is impossible; then `rest`
/// keeps what could not be read.
[[nodiscard]] inline std::optional<Attribute> next_attribute(Bytes& rest) noexcept {
  constexpr unsigned kTypeMask = 0x3fff;  // NLA_TYPE_MASK, linux/netlink.h
  if (rest.size() < sizeof(nlattr)) {
    return std::nullopt;
  }
  const auto header = load_host<nlattr>(rest);
  if (header.nla_len < sizeof header || header.nla_len > rest.size()) {
    return std::nullopt;
  }
  const std::size_t whole = std::min<std::size_t>(NLA_ALIGN(header.nla_len), rest.size());
  const Attribute attribute{.type = static_cast<std::uint16_t>(header.nla_type & kTypeMask),
                            .payload = rest.subspan(sizeof header, header.nla_len - sizeof header),
                            .raw = rest.first(whole)};
  rest = rest.subspan(whole);
  return attribute;
}

/// A list of attributes, by type. Reading a ruleset is mostly this, so what is short is inline.
class Attributes {
 public:
  explicit Attributes(Bytes list) noexcept;

  [[nodiscard]] bool has(std::uint16_t type) const noexcept {
    return type < kTypes && (present_ & (std::uint32_t{1} << type)) != 0;
  }
  /// All of `required` and nothing but those and `optional`: the list holds nothing that the caller does not read.
  [[nodiscard]] bool only(std::initializer_list<std::uint16_t> required,
                          std::initializer_list<std::uint16_t> optional = {}) const noexcept {
    const std::uint32_t needed = bits_of(required);
    return well_formed_ && (present_ & needed) == needed && (present_ & ~(needed | bits_of(optional))) == 0;
  }
  /// False where an attribute was malformed, came twice, or has a type that this class has no place for.
  [[nodiscard]] bool well_formed() const noexcept { return well_formed_; }

  /// Empty where absent.
  [[nodiscard]] Bytes bytes(std::uint16_t type) const noexcept {
    return has(type) ? Bytes(values_[type].data, values_[type].size) : Bytes{};
  }
  [[nodiscard]] std::optional<std::uint8_t> u8(std::uint16_t type) const noexcept {
    const Bytes value = bytes(type);
    return value.size() == 1 ? std::optional(value.front()) : std::nullopt;
  }
  [[nodiscard]] std::optional<std::uint32_t> be32(std::uint16_t type) const noexcept {
    return big_endian<std::uint32_t>(type);
  }
  [[nodiscard]] std::optional<std::uint64_t> be64(std::uint16_t type) const noexcept {
    return big_endian<std::uint64_t>(type);
  }
  /// Up to the first NUL; a view of the message.
  [[nodiscard]] std::optional<std::string_view> text(std::uint16_t type) const noexcept {
    return has(type) ? std::optional(view_until_nul(bytes(type))) : std::nullopt;
  }

 private:
  static constexpr std::size_t kTypes = 32;  // above every *_MAX in linux/netfilter/nf_tables.h that is read here
  static constexpr std::uint32_t bits_of(std::initializer_list<std::uint16_t> types) noexcept {
    std::uint32_t bits = 0;
    for (const auto type : types) {
      bits |= std::uint32_t{1} << type;
    }
    return bits;
  }
  template <class T>
  [[nodiscard]] std::optional<T> big_endian(std::uint16_t type) const noexcept {
    const Bytes value = bytes(type);
    return value.size() == sizeof(T) ? std::optional(load_big_endian<T>(value)) : std::nullopt;
  }

  struct Value {
    const std::uint8_t* data;
    std::size_t size;
  };
  // Set only where present_ says so: clearing it all took a tenth of the time to read a ruleset.
  std::array<Value, kTypes> values_;
  std::uint32_t present_ = 0;  // one bit a type
  bool well_formed_ = true;
};

/// A message's payload; behind `skip` bytes of a fixed header (NLMSG_ALIGNed). Empty where the message is too short.
[[nodiscard]] Bytes message_payload(const nlmsghdr* message, std::size_t skip) noexcept;

}  // namespace smtpegress::netlink
