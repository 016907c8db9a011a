#include <fmt/format.h>

#include <algorithm>

#include "smtpegress/dns.hpp"

namespace smtpegress {
namespace {

constexpr std::size_t kLongestName = 253;  // bytes; RFC 1035, section 2.3.4, without the last dot
constexpr std::size_t kLongestLabel = 63;  // bytes; the same

constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

constexpr bool is_plain(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

bool is_label(std::string_view label) {
  return !label.empty() && label.size() <= kLongestLabel && label.front() != '-' &&
         std::ranges::all_of(label, [](char c) { return is_plain(lower(c)); });
}

bool are_labels(std::string_view text) {
  const bool like_an_address = std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
  if (text.empty() || text.size() > kLongestName || like_an_address) {
    return false;
  }
  for (std::size_t begin = 0; begin <= text.size();) {
    const auto end = std::min(text.find('.', begin), text.size());
    const bool is_last_dot = begin == text.size() && begin != 0;
    if (!is_last_dot && !is_label(text.substr(begin, end - begin))) {
      return false;
    }
    begin = end + 1;
  }
  return true;
}

}  // namespace

Result<DnsName> DnsName::parse(std::string_view text) {
  if (!are_labels(text)) {
    return usage_error({}, fmt::format("'{}'", text), "is no domain name; write it like mail.example.org");
  }
  if (text.ends_with('.')) {
    text.remove_suffix(1);
  }
  std::string name(text);
  std::ranges::transform(name, name.begin(), lower);
  return DnsName(std::move(name));
}

Result<DnsName> DnsName::parse_full(std::string_view text) {
  auto name = parse(text);
  if (name && name->str().find('.') == std::string::npos) {
    return usage_error({}, fmt::format("'{}'", text), "is not a full name; write it like mail.example.org");
  }
  return name;
}

std::optional<DnsName> DnsName::from_wire(std::span<const std::uint8_t> bytes) {
  constexpr std::size_t kLongestWire = 255;  // bytes; RFC 1035, section 2.3.4
  if (bytes.size() > kLongestWire) {
    return std::nullopt;
  }
  std::string name;
  while (!bytes.empty()) {
    const std::size_t length = bytes.front();
    bytes = bytes.subspan(1);
    if (length == 0) {
      return bytes.empty() ? std::optional(DnsName(std::move(name))) : std::nullopt;
    }
    if (length > kLongestLabel || length > bytes.size()) {
      return std::nullopt;
    }
    name += name.empty() ? "" : ".";
    for (const auto byte : bytes.first(length)) {
      const char c = lower(static_cast<char>(byte));
      name += is_plain(c) ? std::string(1, c) : fmt::format("\\{:03}", byte);
    }
    bytes = bytes.subspan(length);
  }
  return std::nullopt;
}

std::optional<DnsName> DnsName::with_prefix(std::string_view labels) const {
  auto name = parse(is_root() ? std::string(labels) : fmt::format("{}.{}", labels, text_));
  return name ? std::optional(*std::move(name)) : std::nullopt;
}

bool DnsName::is_within(const DnsName& zone) const noexcept {
  if (zone.is_root() || text_ == zone.text_) {
    return true;
  }
  return text_.size() > zone.text_.size() && text_.ends_with(zone.text_) &&
         text_[text_.size() - zone.text_.size() - 1] == '.';
}

std::string_view to_string(DnsType type) noexcept {
  switch (type) {
    case DnsType::kA:
      return "A";
    case DnsType::kCname:
      return "CNAME";
    case DnsType::kPtr:
      return "PTR";
    case DnsType::kMx:
      return "MX";
    case DnsType::kTxt:
      return "TXT";
    case DnsType::kAaaa:
      return "AAAA";
    case DnsType::kDnskey:
      return "DNSKEY";
    case DnsType::kTlsa:
      return "TLSA";
  }
  return "?";
}

std::string DnsQuestion::to_string() const {
  return fmt::format("{} {}", name.to_string(), smtpegress::to_string(type));
}

}  // namespace smtpegress
