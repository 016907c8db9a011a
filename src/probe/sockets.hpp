// Addresses as the socket calls take them.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>
#include <optional>

#include "smtpegress/net_types.hpp"

namespace smtpegress::probe {

/// A sockaddr of either family, and its length.
struct SocketAddress {
  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  } storage{.v6 = {}};
  socklen_t length = sizeof storage;
  [[nodiscard]] sockaddr* get() { return &storage.any; }
  [[nodiscard]] const sockaddr* get() const { return &storage.any; }
};

[[nodiscard]] inline SocketAddress socket_address(const IpAddress& address, std::uint16_t port) {
  SocketAddress result;
  if (address.family == IpFamily::kV4) {
    result.storage.v4 = {};
    result.storage.v4.sin_family = AF_INET;
    result.storage.v4.sin_port = htons(port);
    std::memcpy(&result.storage.v4.sin_addr, address.bytes.data(), sizeof(in_addr));
    result.length = sizeof(sockaddr_in);
  } else {
    result.storage.v6.sin6_family = AF_INET6;
    result.storage.v6.sin6_port = htons(port);
    std::memcpy(&result.storage.v6.sin6_addr, address.bytes.data(), sizeof(in6_addr));
  }
  return result;
}

/// Out of the beginning of `bytes`, a sockaddr of `size` bytes; nothing where it is neither IPv4's nor IPv6's.
[[nodiscard]] inline std::optional<IpAddress> address_in(const void* bytes, std::size_t size) {
  sa_family_t family = AF_UNSPEC;
  if (bytes == nullptr || size < sizeof family) {
    return std::nullopt;
  }
  std::memcpy(&family, bytes, sizeof family);
  IpAddress address;
  if (family == AF_INET && size >= sizeof(sockaddr_in)) {
    sockaddr_in in{};
    std::memcpy(&in, bytes, sizeof in);
    std::memcpy(address.bytes.data(), &in.sin_addr, sizeof in.sin_addr);
    return address;
  }
  if (family == AF_INET6 && size >= sizeof(sockaddr_in6)) {
    sockaddr_in6 in6{};
    std::memcpy(&in6, bytes, sizeof in6);
    address.family = IpFamily::kV6;
    std::memcpy(address.bytes.data(), &in6.sin6_addr, sizeof in6.sin6_addr);
    return address;
  }
  return std::nullopt;
}

[[nodiscard]] inline int family_number(IpFamily family) {
  return family == IpFamily::kV4 ? AF_INET : AF_INET6;
}

}  // namespace smtpegress::probe
