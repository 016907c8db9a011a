#include "smtpegress/net_types.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstring>
#include <optional>

namespace smtpegress {
namespace {

constexpr std::size_t kMaxNameLength = 15;  // bytes; IFNAMSIZ - 1, linux/if.h

/// The whole text as a number of base 10 (or 16 behind "0x"), or nothing.
template <class T>
std::optional<T> parse_number(std::string_view text, bool allow_hex) {
  int base = 10;
  if (allow_hex && (text.starts_with("0x") || text.starts_with("0X"))) {
    text.remove_prefix(2);
    base = 16;
  }
  T value{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || code != std::errc{} || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

IpAddress masked(const IpAddress& address, std::uint8_t length) {
  IpAddress result = address;
  for (std::size_t i = 0; i < result.size(); ++i) {
    const int bits = std::clamp(static_cast<int>(length) - static_cast<int>(i) * 8, 0, 8);
    result.bytes[i] = static_cast<std::uint8_t>(result.bytes[i] & (0xff00 >> bits));
  }
  return result;
}

}  // namespace

Result<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string terminated(text);
  IpAddress address;
  if (terminated.size() == std::strlen(terminated.c_str())) {
    if (::inet_pton(AF_INET, terminated.c_str(), address.bytes.data()) == 1) {
      return address;
    }
    address.bytes = {};
    if (::inet_pton(AF_INET6, terminated.c_str(), address.bytes.data()) == 1) {
      address.family = IpFamily::kV6;
      return address;
    }
  }
  return usage_error({}, fmt::format("'{}'", text), "is not an IP address; write it like 203.0.113.10");
}

std::string IpAddress::to_string() const {
  char text[INET6_ADDRSTRLEN] = {};
  ::inet_ntop(family == IpFamily::kV4 ? AF_INET : AF_INET6, bytes.data(), text, sizeof text);
  return text;
}

Result<Prefix> Prefix::parse(std::string_view text) {
  const auto slash = text.find('/');
  auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) {
    return usage_error({}, fmt::format("'{}'", text), "is not a network; write it like 192.168.203.0/24");
  }
  const auto bits = static_cast<std::uint8_t>(address->size() * 8);
  std::uint8_t length = bits;
  if (slash != std::string_view::npos) {
    const auto parsed = parse_number<std::uint8_t>(text.substr(slash + 1), false);
    if (!parsed || *parsed > bits) {
      return usage_error({}, fmt::format("'{}'", text),
                         fmt::format("has a prefix length that is not a number from 0 to {}", bits));
    }
    length = *parsed;
  }
  const Prefix network{masked(*address, length), length};
  if (network.address != *address) {
    return usage_error({}, fmt::format("'{}'", text),
                       fmt::format("has host bits set; the network is {}", network.to_string()));
  }
  return network;
}

Prefix Prefix::around(const IpAddress& address, std::uint8_t length) {
  const auto bits = std::min(length, of(address).length);
  return {masked(address, bits), bits};
}

bool Prefix::contains(const IpAddress& other) const noexcept {
  return other.family == address.family && masked(other, length) == address;
}
bool Prefix::contains(const Prefix& other) const noexcept {
  return other.length >= length && contains(other.address);
}
IpAddress Prefix::host_mask() const noexcept {
  IpAddress mask{.family = address.family};
  std::fill_n(mask.bytes.begin(), mask.size(), std::uint8_t{0xff});
  const auto network = masked(mask, length);
  for (std::size_t i = 0; i < mask.size(); ++i) {
    mask.bytes.at(i) = static_cast<std::uint8_t>(mask.bytes.at(i) ^ network.bytes.at(i));
  }
  return mask;
}
bool Prefix::overlaps(const Prefix& other) const noexcept {
  return contains(other) || other.contains(*this);
}

std::string Prefix::to_string() const {
  return fmt::format("{}/{}", address.to_string(), length);
}

Result<Mark> Mark::parse(std::string_view text) {
  const auto slash = text.find('/');
  const auto value = parse_number<std::uint32_t>(text.substr(0, slash), true);
  const auto mask = slash == std::string_view::npos ? std::optional<std::uint32_t>(0xffffffff)
                                                    : parse_number<std::uint32_t>(text.substr(slash + 1), true);
  const auto quoted = fmt::format("'{}'", text);
  if (!value || !mask) {
    return usage_error({}, quoted, "is not a mark; write it like 0x19 or 0x19/0xff (32 bits)");
  }
  if (*value == 0) {
    return usage_error({}, quoted, "is mark 0, which every unmarked packet has; choose another, such as 0x19");
  }
  if ((*value & ~*mask) != 0) {
    return usage_error({}, quoted,
                       fmt::format("has bits outside its mask; {:#x}/{:#x} would fit", *value, *value | *mask));
  }
  return Mark{*value, *mask};
}

std::string Mark::to_string() const {
  return mask == 0xffffffff ? fmt::format("{:#x}", value) : fmt::format("{:#x}/{:#x}", value, mask);
}

Result<IfName> IfName::parse(std::string_view text) {
  const auto odd = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte <= ' ' || byte >= 0x7f || c == '/' || c == ':' || c == '"' || c == '*';
  };
  // Printable form: a name with odd bytes must not reach a terminal or a log as it is.
  std::string shown;
  for (const char c : text.substr(0, 40)) {
    shown += std::isprint(static_cast<unsigned char>(c)) != 0 ? std::string(1, c)
                                                              : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  if (text.empty()) {
    return usage_error({}, "''", "is not an interface name; write it like wg0");
  }
  if (text.size() > kMaxNameLength) {
    return usage_error({}, fmt::format("'{}'", shown),
                       fmt::format("has {} bytes; an interface name has at most {}", text.size(), kMaxNameLength));
  }
  if (text == "." || text == ".." || std::ranges::any_of(text, odd)) {
    return usage_error({}, fmt::format("'{}'", shown),
                       "is not an interface name: no white space, '/', ':', '*', '\"' or control characters");
  }
  return IfName(std::string(text));
}

Result<PortRange> PortRange::parse(std::string_view text) {
  const auto dash = text.find('-');
  const auto first = parse_number<std::uint16_t>(text.substr(0, dash), false);
  const auto last = dash == std::string_view::npos ? first : parse_number<std::uint16_t>(text.substr(dash + 1), false);
  if (!first || !last || *first == 0 || *first > *last) {
    return usage_error({}, fmt::format("'{}'", text), "is not a port; write 25 or a range like 25-26 (1 to 65535)");
  }
  return PortRange{*first, *last};
}

std::string UidRange::to_string() const {
  return fmt::format("{}-{}", first, last);
}

std::string PortRange::to_string() const {
  return first == last ? fmt::format("{}", first) : fmt::format("{}-{}", first, last);
}

}  // namespace smtpegress
