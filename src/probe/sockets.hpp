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
  sockaddr_storage storage{};
  socklen_t length = sizeof(sockaddr_storage);
  [[nodiscard]] sockaddr* get() { return static_cast<sockaddr*>(static_cast<void*>(&storage)); }
  [[nodiscard]] const sockaddr* get() const { return static_cast<const sockaddr*>(static_cast<const void*>(&storage)); }
};

[[nodiscard]] inline SocketAddress socket_address(const IpAddress& address, std::uint16_t port) {
  SocketAddress result;
  if (address.family == IpFamily::kV4) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    std::memcpy(&in.sin_addr, address.bytes.data(), sizeof in.sin_addr);
    std::memcpy(&result.storage, &in, sizeof in);
    result.length = sizeof in;
  } else {
    sockaddr_in6 in6{};
    in6.sin6_family = AF_INET6;
    in6.sin6_port = htons(port);
    std::memcpy(&in6.sin6_addr, address.bytes.data(), sizeof in6.sin6_addr);
    std::memcpy(&result.storage, &in6, sizeof in6);
    result.length = sizeof in6;
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
