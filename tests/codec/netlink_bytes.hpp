// Netlink messages for codec tests: written byte by byte, so that a golden does not depend on the code it tests.
#pragma once

#include <linux/netlink.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "netlink/handles.hpp"

namespace smtpegress::test {

using ByteVector = std::vector<std::uint8_t>;

template <class T>
ByteVector raw(const T& value) {
  ByteVector bytes(sizeof value);
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

/// One attribute by itself, to nest in another.
inline ByteVector attribute(std::uint16_t type, const ByteVector& payload) {
  auto bytes = raw(nlattr{.nla_len = static_cast<std::uint16_t>(sizeof(nlattr) + payload.size()), .nla_type = type});
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  bytes.resize((bytes.size() + NLA_ALIGNTO - 1) / NLA_ALIGNTO * NLA_ALIGNTO);
  return bytes;
}
inline ByteVector operator+(ByteVector left, const ByteVector& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}
/// In network order, as nf_tables has most numbers.
inline ByteVector be32(std::uint32_t value) {
  return raw(std::byteswap(value));
}

/// A message in the making; attributes are padded to 4 bytes, as the kernel does.
class RawMessage {
 public:
  explicit RawMessage(std::uint16_t type, const ByteVector& header = {}) : bytes_(sizeof(nlmsghdr)) {
    nlmsghdr start{};
    start.nlmsg_type = type;
    std::memcpy(bytes_.data(), &start, sizeof start);
    append(header);
  }
  RawMessage& attribute(std::uint16_t type, const ByteVector& payload) {
    const nlattr header{.nla_len = static_cast<std::uint16_t>(sizeof(nlattr) + payload.size()), .nla_type = type};
    append(raw(header));
    append(payload);
    return *this;
  }
  template <class T>
  RawMessage& value(std::uint16_t type, T number) {
    return attribute(type, raw(number));
  }
  RawMessage& text(std::uint16_t type, std::string_view string) {
    ByteVector bytes(string.begin(), string.end());
    bytes.push_back(0);
    return attribute(type, bytes);
  }
  /// Without the netlink header: to nest in another message.
  [[nodiscard]] ByteVector payload() const { return {bytes_.begin() + sizeof(nlmsghdr), bytes_.end()}; }

  /// Its length field set to `length`, or to what it has. The buffer is an exact copy, so that ASan sees any overrun.
  [[nodiscard]] const nlmsghdr* message() { return message(bytes_.size()); }
  [[nodiscard]] const nlmsghdr* message(std::size_t length) {
    exact_.assign(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(length));
    exact_.resize(std::max(length, sizeof(nlmsghdr)));
    exact_.shrink_to_fit();
    auto* header = reinterpret_cast<nlmsghdr*>(exact_.data());
    header->nlmsg_len = static_cast<std::uint32_t>(length);
    return header;
  }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  /// To spoil one.
  [[nodiscard]] std::uint8_t& at(std::size_t offset) { return bytes_.at(offset); }

 private:
  void append(const ByteVector& more) {
    bytes_.insert(bytes_.end(), more.begin(), more.end());
    bytes_.resize((bytes_.size() + 3) / 4 * 4);
  }
  ByteVector bytes_;
  ByteVector exact_;
};

/// A message's bytes behind the netlink header, in hexadecimal, four bytes a group.
inline std::string payload_hex(const nlmsghdr* message) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(message);
  std::string text;
  for (std::size_t i = sizeof(nlmsghdr); i < message->nlmsg_len; ++i) {
    if (i != sizeof(nlmsghdr) && i % 4 == 0) {
      text += ' ';
    }
    text += kDigits[bytes[i] >> 4];
    text += kDigits[bytes[i] & 0xf];
  }
  return text;
}

}  // namespace smtpegress::test
