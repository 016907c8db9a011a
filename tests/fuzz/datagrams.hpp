// Whole netlink messages, one behind another, as they come in datagrams.
#pragma once

#include "fuzz/messages.hpp"

namespace smtpegress::fuzz {

inline Octets whole_message(std::uint16_t type, unsigned flags, std::uint32_t sequence, const Octets& payload) {
  const nlmsghdr header{.nlmsg_len = static_cast<std::uint32_t>(sizeof(nlmsghdr) + payload.size()),
                        .nlmsg_type = type,
                        .nlmsg_flags = static_cast<std::uint16_t>(flags),
                        .nlmsg_seq = sequence,
                        .nlmsg_pid = 0};
  return joined({octets(header), payload});
}

/// The same bytes with a datagram for each message; what is no message is the last.
inline std::vector<Bytes> cut(Bytes rest) {
  std::vector<Bytes> parts;
  while (rest.size() >= sizeof(nlmsghdr)) {
    std::uint32_t length = 0;
    std::memcpy(&length, rest.data(), sizeof length);
    const std::size_t whole = length > rest.size() ? 0 : NLMSG_ALIGN(length);
    if (length < sizeof(nlmsghdr) || whole == 0 || whole > rest.size()) {
      break;
    }
    parts.push_back(rest.first(whole));
    rest = rest.subspan(whole);
  }
  parts.push_back(rest);
  return parts;
}

}  // namespace smtpegress::fuzz
