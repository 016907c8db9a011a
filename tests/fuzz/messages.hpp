// Netlink messages for the fuzzers: an input is what stands behind the netlink header.
#pragma once

#include <linux/netlink.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <type_traits>

#include "fuzz/fuzz.hpp"

namespace smtpegress::fuzz {

/// Beyond every type that a kernel has, in all of the protocols read here.
inline constexpr std::uint16_t kUnknownType = 0x3ff0;

inline void append(Octets& bytes, Bytes more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
  bytes.resize((bytes.size() + NLA_ALIGNTO - 1) / NLA_ALIGNTO * NLA_ALIGNTO);
}

template <class T>
requires std::is_trivially_copyable_v<T> Octets octets(const T& value) {
  Octets bytes(sizeof value);
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

inline Octets octets(std::string_view text) {
  return {text.begin(), text.end()};
}

inline Octets attribute(std::uint16_t type, Bytes payload) {
  const nlattr header{.nla_len = static_cast<std::uint16_t>(sizeof(nlattr) + payload.size()), .nla_type = type};
  Octets bytes = octets(header);
  append(bytes, payload);
  return bytes;
}

/// `parts`, each padded.
inline Octets joined(std::initializer_list<Octets> parts) {
  Octets whole;
  for (const auto& part : parts) {
    append(whole, part);
  }
  return whole;
}

/// In a buffer of exactly its size, so that the sanitizer sees what is read beyond.
class Message {
 public:
  explicit Message(Bytes payload, std::uint16_t type = 0, std::uint16_t flags = 0)
      : size_(sizeof(nlmsghdr) + payload.size()), bytes_(std::make_unique_for_overwrite<std::uint8_t[]>(size_)) {
    const nlmsghdr header{.nlmsg_len = static_cast<std::uint32_t>(size_),
                          .nlmsg_type = type,
                          .nlmsg_flags = flags,
                          .nlmsg_seq = 0,
                          .nlmsg_pid = 0};
    std::memcpy(bytes_.get(), &header, sizeof header);
    std::ranges::copy(payload, bytes_.get() + sizeof header);
  }
  [[nodiscard]] const nlmsghdr* header() const { return reinterpret_cast<const nlmsghdr*>(bytes_.get()); }

 private:
  std::size_t size_;
  std::unique_ptr<std::uint8_t[]> bytes_;
};

/// The payload with an attribute more that nobody knows.
inline Octets with_unknown(Bytes payload) {
  return joined({{payload.begin(), payload.end()}, attribute(kUnknownType, Octets(4))});
}

/// A decoder's error is one of the message, not of the host.
inline void must_be_malformed(const Error& error) {
  must(error.errnum == EBADMSG, "a message that cannot be read is EBADMSG");
  must_be_readable(error);
}

}  // namespace smtpegress::fuzz
