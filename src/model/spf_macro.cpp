// SPF's macros (RFC 7208, section 7).
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "model/spf_record.hpp"
#include "net/dns_record.hpp"

namespace smtpegress {
namespace {

constexpr std::string_view kPostmaster = "postmaster";  // section 4.3: of a sender that has no local part

/// Section 7.3: "i" has an IPv6 address in nibbles.
std::string address_text(const IpAddress& address) {
  if (address.family == IpFamily::kV4) {
    return address.to_string();
  }
  auto nibbles = reversed_labels(address);
  std::ranges::reverse(nibbles);
  return nibbles;
}

std::optional<std::string> value_of(char letter, const SpfMacros& macros) {
  switch (letter) {
    case 's':
      return fmt::format("{}@{}", kPostmaster, macros.sender.str());
    case 'l':
      return std::string(kPostmaster);
    case 'o':
      return macros.sender.str();
    case 'd':
      return macros.domain.str();
    case 'i':
      return address_text(macros.address);
    case 'p':
      return "unknown";  // as section 7.3 allows: it is not to be used
    case 'v':
      return macros.address.family == IpFamily::kV4 ? "in-addr" : "ip6";
    case 'h':
      return macros.helo.empty() ? "unknown" : macros.helo;
    default:
      return std::nullopt;  // c, r and t: of explanations alone
  }
}

bool is_delimiter(char c) {
  return std::string_view(".-+,/_=").find(c) != std::string_view::npos;
}

/// RFC 3986: all but the unreserved characters.
std::string url_escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                          std::string_view("-._~").find(c) != std::string_view::npos;
    escaped += is_plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return escaped;
}

/// What stands between "%{" and "}": a letter, how many of the parts, "r" for backwards, what the parts are split at.
std::optional<std::string> expand_macro(std::string_view macro, const SpfMacros& macros) {
  if (macro.empty()) {
    return std::nullopt;
  }
  const char letter = macro.front();
  const bool is_upper = letter >= 'A' && letter <= 'Z';
  const auto value = value_of(is_upper ? static_cast<char>(letter - 'A' + 'a') : letter, macros);
  macro.remove_prefix(1);
  std::size_t keep = std::string::npos;
  const auto number = std::from_chars(macro.data(), macro.data() + macro.size(), keep);
  macro.remove_prefix(static_cast<std::size_t>(number.ptr - macro.data()));
  const bool is_reversed = !macro.empty() && (macro.front() == 'r' || macro.front() == 'R');
  macro.remove_prefix(is_reversed ? 1 : 0);
  if (!value || keep == 0 || number.ec == std::errc::result_out_of_range || !std::ranges::all_of(macro, is_delimiter)) {
    return std::nullopt;
  }
  const auto delimiters = macro.empty() ? std::string_view(".") : macro;
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= value->size();) {
    const auto end = std::min(value->find_first_of(delimiters, begin), value->size());
    parts.push_back(value->substr(begin, end - begin));
    begin = end + 1;
  }
  if (is_reversed) {
    std::ranges::reverse(parts);
  }
  std::string text;
  for (std::size_t i = parts.size() - std::min(keep, parts.size()); i < parts.size(); ++i) {
    text += (text.empty() ? "" : ".") + parts[i];
  }
  return is_upper ? url_escaped(text) : text;
}

}  // namespace

std::optional<std::string> expand_spf(std::string_view domain, const SpfMacros& macros) {
  std::string text;
  while (!domain.empty()) {
    const auto percent = std::min(domain.find('%'), domain.size());
    text += domain.substr(0, percent);
    domain.remove_prefix(percent);
    if (domain.empty()) {
      break;
    }
    const char kind = domain.size() > 1 ? domain[1] : '\0';
    const auto end = kind == '{' ? domain.find('}') : 1;
    if (end == std::string_view::npos) {
      return std::nullopt;
    }
    if (kind == '{') {
      const auto value = expand_macro(domain.substr(2, end - 2), macros);
      if (!value) {
        return std::nullopt;
      }
      text += *value;
    } else if (kind == '%' || kind == '_' || kind == '-') {
      text += kind == '%' ? "%" : kind == '_' ? " " : "%20";
    } else {
      return std::nullopt;
    }
    domain.remove_prefix(end + 1);
  }
  return text;
}

}  // namespace smtpegress
