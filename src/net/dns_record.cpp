#include "net/dns_record.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace smtpegress {
namespace {

/// As a zone file's quoted string has a byte (RFC 1035, section 5.1).
std::string escaped(char c) {
  const auto byte = static_cast<unsigned char>(c);
  if (byte < ' ' || byte >= 0x7f) {
    return fmt::format("\\{:03}", byte);
  }
  return c == '"' || c == '\\' ? fmt::format("\\{}", c) : std::string(1, c);
}

std::string trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  const auto end = text.find_last_not_of(" \t");
  return begin == std::string_view::npos ? std::string() : std::string(text.substr(begin, end - begin + 1));
}

}  // namespace

std::optional<IpAddress> read_address(DnsBytes record) {
  constexpr std::size_t kV4 = 4, kV6 = 16;  // bytes
  if (record.size() != kV4 && record.size() != kV6) {
    return std::nullopt;
  }
  IpAddress address{.family = record.size() == kV4 ? IpFamily::kV4 : IpFamily::kV6};
  std::ranges::copy(record, address.bytes.begin());
  return address;
}

std::optional<std::string> read_text(DnsBytes record) {
  if (record.empty()) {
    return std::nullopt;
  }
  std::string text;
  while (!record.empty()) {
    const std::size_t length = record.front();
    record = record.subspan(1);
    if (length > record.size()) {
      return std::nullopt;
    }
    text.append(record.begin(), record.begin() + static_cast<std::ptrdiff_t>(length));
    record = record.subspan(length);
  }
  return text;
}

std::optional<MxRecord> read_mx(DnsBytes record) {
  constexpr std::size_t kPreference = 2;  // bytes
  if (record.size() <= kPreference) {
    return std::nullopt;
  }
  auto exchange = DnsName::from_wire(record.subspan(kPreference));
  if (!exchange) {
    return std::nullopt;
  }
  return MxRecord{static_cast<std::uint16_t>(record[0] << 8U | record[1]), *std::move(exchange)};
}

std::optional<TlsaRecord> read_tlsa(DnsBytes record) {
  constexpr std::size_t kHead = 3, kSha256 = 32, kSha512 = 64;  // bytes
  constexpr std::uint8_t kWhole = 0, kBySha256 = 1, kBySha512 = 2;
  if (record.size() <= kHead) {
    return std::nullopt;
  }
  const TlsaRecord tlsa{record[0], record[1], record[2]};
  const auto length = record.size() - kHead;
  const bool fits = tlsa.matching == kWhole || (tlsa.matching == kBySha256 && length == kSha256) ||
                    (tlsa.matching == kBySha512 && length == kSha512);
  return fits && tlsa.usage <= 3 && tlsa.selector <= 1 ? std::optional(tlsa) : std::nullopt;
}

std::string TlsaRecord::to_string() const {
  return fmt::format("{} {} {}", usage, selector, matching);
}

std::optional<std::string> read_mta_sts_id(std::string_view text) {
  constexpr std::size_t kLongest = 32;  // characters
  std::optional<std::string> id;
  for (std::size_t begin = 0; begin < text.size();) {
    const auto end = std::min(text.find(';', begin), text.size());
    const auto field = trimmed(text.substr(begin, end - begin));
    if (field.starts_with("id=") && !id) {
      id = field.substr(3);
    }
    begin = end + 1;
  }
  const auto is_alnum = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  const bool is_right = id && !id->empty() && id->size() <= kLongest && std::ranges::all_of(*id, is_alnum);
  return is_right ? id : std::nullopt;
}

std::string reversed_labels(const IpAddress& address) {
  std::string labels;
  for (std::size_t i = address.size(); i-- > 0;) {
    const unsigned byte = address.bytes.at(i);
    labels += labels.empty() ? "" : ".";
    labels +=
        address.family == IpFamily::kV4 ? fmt::format("{}", byte) : fmt::format("{:x}.{:x}", byte & 0xfU, byte >> 4U);
  }
  return labels;
}

DnsName reverse_name(const IpAddress& address) {
  const auto zone = DnsName::parse(address.family == IpFamily::kV4 ? "in-addr.arpa" : "ip6.arpa");
  return zone->with_prefix(reversed_labels(address)).value_or(DnsName());
}

DnsType address_type(IpFamily family) noexcept {
  return family == IpFamily::kV4 ? DnsType::kA : DnsType::kAaaa;
}

std::string quoted_text(std::string_view text) {
  constexpr std::size_t kLongestString = 255;  // bytes; RFC 1035, section 3.3
  std::string strings;
  do {
    strings += strings.empty() ? "\"" : " \"";
    for (const char c : text.substr(0, kLongestString)) {
      strings += escaped(c);
    }
    strings += '"';
    text.remove_prefix(std::min(text.size(), kLongestString));
  } while (!text.empty());
  return strings;
}

std::string shown(std::string_view text) {
  constexpr std::size_t kLongest = 300;  // bytes
  std::string words;
  for (const char c : text.substr(0, kLongest)) {
    words += escaped(c);
  }
  return words + (text.size() > kLongest ? "…" : "");
}

}  // namespace smtpegress
