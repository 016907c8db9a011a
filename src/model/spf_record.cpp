#include "model/spf_record.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace smtpegress {
namespace {

using Kind = SpfTerm::Kind;

constexpr std::string_view kVersion = "v=spf1";

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
bool is_alpha(char c) {
  return lower(c) >= 'a' && lower(c) <= 'z';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool same(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

/// A prefix length, without leading zeros.
std::optional<std::uint8_t> read_length(std::string_view text, std::uint8_t most) {
  unsigned length = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), length);
  const bool is_number = read.ec == std::errc{} && read.ptr == text.data() + text.size();
  const bool is_padded = text.size() > 1 && text.front() == '0';
  return is_number && !is_padded && length <= most ? std::optional(static_cast<std::uint8_t>(length)) : std::nullopt;
}

constexpr std::uint8_t kV4Bits = 32, kV6Bits = 128;

/// Of ip4 and ip6: host bits may be set, other than in a route.
std::optional<Prefix> read_network(std::string_view text, IpFamily family) {
  const auto slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  const std::uint8_t bits = family == IpFamily::kV4 ? kV4Bits : kV6Bits;
  const auto length = slash == std::string_view::npos ? std::optional(bits) : read_length(text.substr(slash + 1), bits);
  if (!address || address->family != family || !length) {
    return std::nullopt;
  }
  return Prefix::around(*address, *length);
}

/// The "/24//64" at the end of a and mx. Takes it off the text.
bool read_lengths(std::string_view& text, ByFamily<std::uint8_t>& length) {
  // Within a macro a slash may be a delimiter.
  const auto macro_end = text.rfind('}');
  const auto slash = text.find('/', macro_end == std::string_view::npos ? 0 : macro_end);
  if (slash == std::string_view::npos) {
    return true;
  }
  auto lengths = text.substr(slash);
  text = text.substr(0, slash);
  const auto both = lengths.find("//");
  if (both != std::string_view::npos) {
    const auto v6 = read_length(lengths.substr(both + 2), kV6Bits);
    length.v6 = v6.value_or(0);
    lengths = lengths.substr(0, both);
    if (!v6) {
      return false;
    }
  }
  if (!lengths.empty()) {
    const auto v4 = read_length(lengths.substr(1), kV4Bits);
    length.v4 = v4.value_or(0);
    return v4.has_value();
  }
  return true;
}

/// Section 7.1: what can be expanded, and ends in a macro or in a label that is not all digits.
bool is_domain_spec(std::string_view text) {
  if (text.empty() || std::ranges::any_of(text, [](char c) { return c <= ' ' || c > '~'; })) {
    return false;
  }
  if (!expand_spf(text, {.address = {}, .sender = {}, .domain = {}})) {
    return false;
  }
  if (text.ends_with('}') || text.ends_with("%%") || text.ends_with("%_") || text.ends_with("%-")) {
    return text.ends_with('}');
  }
  if (text.ends_with('.')) {
    text.remove_suffix(1);
  }
  const auto dot = text.rfind('.');
  const auto top = dot == std::string_view::npos ? std::string_view() : text.substr(dot + 1);
  return !top.empty() && top.front() != '-' && top.back() != '-' && !std::ranges::all_of(top, is_digit) &&
         std::ranges::all_of(top, [](char c) { return is_alpha(c) || is_digit(c) || c == '-'; });
}

struct Mechanism {
  std::string_view name;
  Kind kind;
};
constexpr std::array kMechanisms{Mechanism{"all", Kind::kAll}, Mechanism{"include", Kind::kInclude},
                                 Mechanism{"a", Kind::kA},     Mechanism{"mx", Kind::kMx},
                                 Mechanism{"ptr", Kind::kPtr}, Mechanism{"ip4", Kind::kIp},
                                 Mechanism{"ip6", Kind::kIp},  Mechanism{"exists", Kind::kExists}};

/// What follows a mechanism's name: with ':' the value, or the lengths at once ("a/24").
bool read_value(std::string_view name, std::string_view rest, SpfTerm& term) {
  const bool has_value = rest.starts_with(':');
  auto value = has_value ? rest.substr(1) : rest;
  switch (term.kind) {
    case Kind::kAll:
      return rest.empty();
    case Kind::kIp:
      term.network = has_value ? read_network(value, same(name, "ip4") ? IpFamily::kV4 : IpFamily::kV6) : std::nullopt;
      return term.network.has_value();
    case Kind::kA:
    case Kind::kMx:
      if (!read_lengths(value, term.length) || (!has_value && !value.empty())) {
        return false;
      }
      break;
    case Kind::kPtr:
      if (!has_value && !rest.empty()) {
        return false;
      }
      break;
    default:  // include, exists: never without
      if (!has_value) {
        return false;
      }
  }
  term.domain = value;
  return !has_value || is_domain_spec(value);
}

SpfTerm modifier(std::string_view name, std::string_view value, SpfTerm term) {
  const bool is_name = is_alpha(name.front()) && std::ranges::all_of(name, [](char c) {
                         return is_alpha(c) || is_digit(c) || c == '-' || c == '_' || c == '.';
                       });
  const bool is_known = same(name, "redirect") || same(name, "exp");
  if (!is_name || (is_known ? !is_domain_spec(value)
                            : !expand_spf(value, {.address = {}, .sender = {}, .domain = {}}).has_value())) {
    return term;
  }
  term.kind = same(name, "redirect") ? Kind::kRedirect : same(name, "exp") ? Kind::kExplanation : Kind::kUnknown;
  term.domain = value;
  return term;
}

SpfTerm parse_term(std::string_view text) {
  SpfTerm term;
  term.text = text;
  const auto name_end = text.find_first_of(":/=");
  if (name_end != std::string_view::npos && text[name_end] == '=') {
    return name_end == 0 ? term : modifier(text.substr(0, name_end), text.substr(name_end + 1), std::move(term));
  }
  if (std::string_view("+-~?").find(text.front()) != std::string_view::npos) {
    term.qualifier = text.front();
    text.remove_prefix(1);
  }
  const auto end = std::min(text.find_first_of(":/"), text.size());
  const auto name = text.substr(0, end);
  const auto* mechanism =
      std::ranges::find_if(kMechanisms, [&](const Mechanism& known) { return same(known.name, name); });
  if (mechanism != kMechanisms.end()) {
    term.kind = mechanism->kind;
    if (!read_value(name, text.substr(end), term)) {
      term.kind = Kind::kWrong;
    }
  }
  return term;
}

}  // namespace

bool is_spf(std::string_view text) {
  return same(text.substr(0, kVersion.size()), kVersion) &&
         (text.size() == kVersion.size() || text[kVersion.size()] == ' ');
}

std::vector<SpfTerm> parse_spf(std::string_view text) {
  std::vector<SpfTerm> terms;
  text.remove_prefix(std::min(text.size(), kVersion.size()));
  for (std::size_t begin = 0; (begin = text.find_first_not_of(' ', begin)) != std::string_view::npos;) {
    const auto end = std::min(text.find(' ', begin), text.size());
    terms.push_back(parse_term(text.substr(begin, end - begin)));
    begin = end;
  }
  // Section 6: each of these at most once.
  for (const auto once : {Kind::kRedirect, Kind::kExplanation}) {
    auto first = std::ranges::find(terms, once, &SpfTerm::kind);
    for (auto later = first; first != terms.end() && ++later != terms.end();) {
      later->kind = later->kind == once ? Kind::kWrong : later->kind;
    }
  }
  return terms;
}

std::string spf_text(const std::vector<SpfTerm>& terms) {
  std::string text(kVersion);
  for (const auto& term : terms) {
    text += ' ' + term.text;
  }
  return text;
}

}  // namespace smtpegress
