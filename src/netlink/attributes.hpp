// Netlink attributes read in place. Nothing is trusted: lengths are checked, and an attribute that the reader does not
// know is reported, not skipped, because what is skipped could make a foreign object look like ours.
#pragma once

#include <linux/netlink.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>

namespace smtpegress::netlink {

using Bytes = std::span<const std::uint8_t>;

struct Attribute {
  std::uint16_t type = 0;  ///< without NLA_F_NESTED and NLA_F_NET_BYTEORDER
  Bytes payload;
  Bytes raw;  ///< header, payload and padding
};

/// Takes the first attribute off the front of `rest`. Empty at the end and where a length is impossible; then `rest`
/// keeps what could not be read.
[[nodiscard]] std::optional<Attribute> next_attribute(Bytes& rest) noexcept;

/// A list of attributes, by type.
class Attributes {
 public:
  explicit Attributes(Bytes list) noexcept;

  [[nodiscard]] bool has(std::uint16_t type) const noexcept;
  /// All of `required` and nothing but those and `optional`: the list holds nothing that the caller does not read.
  [[nodiscard]] bool only(std::initializer_list<std::uint16_t> required,
                          std::initializer_list<std::uint16_t> optional = {}) const noexcept;
  /// False where an attribute was malformed, came twice, or has a type that this class has no place for.
  [[nodiscard]] bool well_formed() const noexcept { return well_formed_; }

  [[nodiscard]] Bytes bytes(std::uint16_t type) const noexcept;  ///< empty where absent
  [[nodiscard]] std::optional<std::uint8_t> u8(std::uint16_t type) const noexcept;
  [[nodiscard]] std::optional<std::uint32_t> be32(std::uint16_t type) const noexcept;
  [[nodiscard]] std::optional<std::uint64_t> be64(std::uint16_t type) const noexcept;
  [[nodiscard]] std::optional<std::string> text(std::uint16_t type) const;  ///< up to the first NUL

 private:
  static constexpr std::size_t kTypes = 32;  // above every *_MAX in linux/netfilter/nf_tables.h that is read here
  struct Value {
    const std::uint8_t* data;
    std::size_t size;
  };
  // Set only where present_ says so: clearing it all took a tenth of the time to read a ruleset.
  std::array<Value, kTypes> values_;
  std::uint32_t present_ = 0;  // one bit a type
  bool well_formed_ = true;
};

[[nodiscard]] std::uint32_t load_be32(Bytes bytes) noexcept;  ///< precondition: at least 4 bytes
/// Host byte order, as the registers of nf_tables and the structures of xt have it.
[[nodiscard]] std::uint32_t load_host32(Bytes bytes) noexcept;
[[nodiscard]] std::uint16_t load_host16(Bytes bytes) noexcept;
[[nodiscard]] std::uint16_t load_be16(Bytes bytes) noexcept;
[[nodiscard]] std::string text_until_nul(Bytes bytes);

/// A message's payload; behind `skip` bytes of a fixed header (NLMSG_ALIGNed). Empty where the message is too short.
[[nodiscard]] Bytes message_payload(const nlmsghdr* message, std::size_t skip) noexcept;

}  // namespace smtpegress::netlink
