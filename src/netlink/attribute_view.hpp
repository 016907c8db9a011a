// Typed reading on top of attributes.hpp: fixed headers, values of an exact size, addresses. For rtnetlink, ctnetlink
// and generic netlink; nothing is read through a cast pointer.
#pragma once

#include <linux/netlink.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <type_traits>

#include "netlink/attributes.hpp"
#include "smtpegress/net_types.hpp"

namespace smtpegress::netlink {

/// What follows the netlink header; empty where there is none.
[[nodiscard]] inline Bytes payload_of(const nlmsghdr* message) {
  return message_payload(message, 0);
}

/// The family's own header at the start of a payload; nothing where the payload is too short.
template <class T>
[[nodiscard]] std::optional<T> header_of(Bytes payload) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (payload.size() < sizeof(T)) {
    return std::nullopt;
  }
  T value;
  std::memcpy(&value, payload.data(), sizeof(T));
  return value;
}

/// What follows that header. Precondition: header_of<T> found one.
template <class T>
[[nodiscard]] Bytes attributes_after(Bytes payload) {
  return payload.subspan(std::min<std::size_t>(NLMSG_ALIGN(sizeof(T)), payload.size()));
}

/// A value of exactly T's size; nothing where the kernel's is of another size.
template <class T>
[[nodiscard]] std::optional<T> value_of(Bytes bytes) {
  return bytes.size() == sizeof(T) ? header_of<T>(bytes) : std::nullopt;
}

/// Puts a value of exactly T's size into `target`; false, and `target` as it was, where the size is another.
template <class T>
[[nodiscard]] bool read_into(T& target, Bytes bytes) {
  const auto value = value_of<T>(bytes);
  if (value) {
    target = *value;
  }
  return value.has_value();
}

template <class T>
[[nodiscard]] bool read_into(std::optional<T>& target, Bytes bytes) {
  const auto value = value_of<T>(bytes);
  if (value) {
    target = value;
  }
  return value.has_value();
}

/// Calls visit(Attribute) for each; false where the run ends in something that is no whole attribute.
template <class Visit>
[[nodiscard]] bool for_each_attribute(Bytes run, Visit&& visit) {
  while (const auto attribute = next_attribute(run)) {
    visit(*attribute);
  }
  return run.empty();
}

[[nodiscard]] inline std::optional<IpAddress> address_of(IpFamily family, Bytes bytes) {
  IpAddress address{.family = family};
  if (bytes.size() != address.size()) {
    return std::nullopt;
  }
  std::ranges::copy(bytes, address.bytes.begin());
  return address;
}

}  // namespace smtpegress::netlink
