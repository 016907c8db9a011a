// What the rule, route and link codecs share: building a message, and sorting attributes into known and other.
#pragma once

#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <vector>

#include "netlink/attribute_view.hpp"
#include "netlink/exchange.hpp"
#include "netlink/route_codec.hpp"

namespace smtpegress::netlink {

[[nodiscard]] inline std::optional<IpFamily> family_from(std::uint8_t af) {
  switch (af) {
    case AF_INET:
      return IpFamily::kV4;
    case AF_INET6:
      return IpFamily::kV6;
    default:
      return std::nullopt;
  }
}

[[nodiscard]] inline std::uint8_t family_to(IpFamily family) {
  return family == IpFamily::kV4 ? AF_INET : AF_INET6;
}

[[nodiscard]] inline std::unexpected<Error> malformed(std::string what) {
  return system_error("read the kernel's list of", std::move(what), EBADMSG, {},
                      "the kernel sent a message this program cannot read; please report it with `uname -r`");
}

[[nodiscard]] inline bool all_zero(Bytes bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; });
}

inline void keep(std::vector<UnknownAttribute>& other, std::uint16_t type, Bytes bytes) {
  other.push_back({.type = type, .bytes = {bytes.begin(), bytes.end()}});
}

/// Keeps a header field of the fixed header under its offset.
template <class T>
void keep_header_field(std::vector<UnknownAttribute>& other, std::size_t offset, const T& value) {
  UnknownAttribute field{.type = static_cast<std::uint16_t>(kHeaderField + offset), .bytes = {}};
  field.bytes.resize(sizeof(T));
  std::memcpy(field.bytes.data(), &value, sizeof(T));
  other.push_back(std::move(field));
}

/// Writes the header fields that `other` holds back into `header`; false where one lies outside it.
template <class Header>
[[nodiscard]] bool restore_header_fields(Header& header, const std::vector<UnknownAttribute>& other) {
  for (const UnknownAttribute& field : other) {
    if (field.type < kHeaderField) {
      continue;
    }
    const std::size_t offset = field.type - std::size_t{kHeaderField};
    if (field.bytes.empty() || offset + field.bytes.size() > sizeof header) {
      return false;
    }
    std::memcpy(std::span(reinterpret_cast<std::uint8_t*>(&header), sizeof header).subspan(offset).data(),
                field.bytes.data(), field.bytes.size());
  }
  return true;
}

/// A message as it is filled; remembers whether all of it fitted.
class MessageBuilder {
 public:
  MessageBuilder(std::uint16_t type, int flags) : message_(new_message(type, flags)) {}

  template <class Header>
  MessageBuilder& header(Header value) {
    fits_ = fits_ && nlmsg_append(message_.get(), &value, sizeof value, NLMSG_ALIGNTO) == 0;
    return *this;
  }
  MessageBuilder& bytes(int type, Bytes value) {
    fits_ = fits_ && nla_put(message_.get(), type, static_cast<int>(value.size()), value.data()) == 0;
    return *this;
  }
  MessageBuilder& u8(int type, std::uint8_t value) { return bytes(type, {&value, 1}); }
  MessageBuilder& u32(int type, std::uint32_t value) {
    fits_ = fits_ && nla_put_u32(message_.get(), type, value) == 0;
    return *this;
  }
  MessageBuilder& text(int type, const std::string& value) {
    fits_ = fits_ && nla_put_string(message_.get(), type, value.c_str()) == 0;
    return *this;
  }
  MessageBuilder& address(int type, const IpAddress& value) {
    return bytes(type, Bytes(value.bytes).first(value.size()));
  }
  MessageBuilder& attributes(const std::vector<UnknownAttribute>& other) {
    for (const UnknownAttribute& attribute : other) {
      if (attribute.type < kHeaderField) {
        bytes(attribute.type, attribute.bytes);
      }
    }
    return *this;
  }
  /// What follows up to close() is nested in that attribute.
  MessageBuilder& open(int type) {
    nests_.push_back(fits_ ? nla_nest_start(message_.get(), type) : nullptr);
    fits_ = fits_ && nests_.back() != nullptr;
    return *this;
  }
  MessageBuilder& close() {
    fits_ = fits_ && nla_nest_end(message_.get(), nests_.back()) == 0;
    nests_.pop_back();
    return *this;
  }
  /// Null where something did not fit.
  NlMessage take() { return fits_ ? std::move(message_) : nullptr; }

 private:
  NlMessage message_;
  std::vector<nlattr*> nests_{};
  bool fits_ = true;
};

/// `table` as the fixed header's byte can hold it; the attribute has the whole number.
[[nodiscard]] inline std::uint8_t header_table(TableId table) {
  return table.value < 256 ? static_cast<std::uint8_t>(table.value) : std::uint8_t{RT_TABLE_UNSPEC};
}

}  // namespace smtpegress::netlink
