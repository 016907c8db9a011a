#include "report/mask.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <optional>

#include "model/families.hpp"
#include "net/contains.hpp"
#include "report/names.hpp"

namespace smtpegress::report {
namespace {

constexpr std::size_t kLongestIpv6 = 45;    // characters; INET6_ADDRSTRLEN without its NUL
constexpr std::size_t kKeyLength = 43;      // characters of base64 for 32 bytes, and a '='
constexpr std::size_t kLongestName = 1024;  // bytes; a domain name has 253: what is longer is none
constexpr std::size_t kMacLength = 17;      // "02:73:6d:74:70:01"

constexpr std::array kOfNobody{
    Prefix{{IpFamily::kV4, {0}}, 8},         Prefix{{IpFamily::kV4, {10}}, 8},
    Prefix{{IpFamily::kV4, {100, 64}}, 10},  Prefix{{IpFamily::kV4, {127}}, 8},
    Prefix{{IpFamily::kV4, {169, 254}}, 16}, Prefix{{IpFamily::kV4, {172, 16}}, 12},
    Prefix{{IpFamily::kV4, {192, 168}}, 16}, Prefix{{IpFamily::kV4, {224}}, 4},
    Prefix{{IpFamily::kV6, {}}, 127},    // unspecified, loopback
    Prefix{{IpFamily::kV6, {0xf0}}, 4},  // unique local, link-local, multicast; netmasks
};

/// A network shorter than that is no one's; AllowedIPs that leave a hole are made of such.
constexpr std::uint8_t shortest_of_somebody(IpFamily family) {
  return family == IpFamily::kV4 ? 8 : 16;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_hex(char c) {
  return std::isxdigit(static_cast<unsigned char>(c)) != 0;
}
bool is_alnum(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0;
}
bool is_base64(char c) {
  return is_alnum(c) || c == '+' || c == '/';
}
bool is_of_ipv6(char c) {
  return is_hex(c) || c == ':' || c == '.';
}

/// NUL beyond either end, which is part of nothing.
char char_at(std::string_view text, std::size_t at) {
  return at < text.size() ? text[at] : '\0';
}

template <class Is>
std::size_t run_at(std::string_view text, std::size_t at, std::size_t most, Is is) {
  std::size_t length = 0;
  while (length < most && at + length < text.size() && is(text[at + length])) {
    ++length;
  }
  return length;
}

/// All zeros, then all ones: the host bits of a network, as a rule of ours has them (`ip6 daddr & ::ffff`).
bool is_host_mask(const IpAddress& address) {
  const auto& bytes = address.bytes;
  const auto first = std::ranges::find_if(bytes, [](std::uint8_t byte) { return byte != 0; });
  return first != bytes.end() && (*first & (*first + 1)) == 0 &&
         std::all_of(first + 1, bytes.end(), [](std::uint8_t byte) { return byte == 0xff; });
}

/// All ones, then all zeros.
bool is_netmask(const IpAddress& address) {
  const auto* const end = address.bytes.begin() + address.size();
  const auto* const last = std::find_if(address.bytes.begin(), end, [](std::uint8_t byte) { return byte != 0xff; });
  const auto rest = static_cast<std::uint8_t>(last == end ? 0 : ~*last);
  return last == end || ((rest & (rest + 1)) == 0 && std::all_of(last + 1, end, [](auto byte) { return byte == 0; }));
}

/// In the /4 where replies to a source sidestep Docker's drop (model/docker.hpp). IPv4's has the netmasks as well.
bool is_aside(const IpAddress& address) {
  constexpr std::uint8_t kLength = 4;  // bits
  return Prefix{traits_of(address.family).aside, kLength}.contains(address);
}

/// Made of the interface's Ethernet address (RFC 4291, appendix A).
bool tells_a_mac(const IpAddress& address) {
  constexpr std::size_t kMiddle = 11;  // octet
  return address.family == IpFamily::kV6 && address.bytes.at(kMiddle) == 0xff &&
         address.bytes.at(kMiddle + 1) == 0xfe && !is_host_mask(address);
}

/// "/24" at `at`; nothing where there is none, or where its number may be the beginning of something else.
std::optional<std::uint8_t> prefix_length_at(std::string_view text, std::size_t at) {
  if (char_at(text, at) != '/') {
    return std::nullopt;
  }
  std::uint8_t length = 0;
  const auto* const begin = text.data() + at + 1;
  const auto [end, code] = std::from_chars(begin, text.data() + text.size(), length);
  const auto behind = static_cast<std::size_t>(end - text.data());
  const char next = char_at(text, behind);
  const bool goes_on = is_alnum(next) || next == ':' || (next == '.' && is_digit(char_at(text, behind + 1)));
  return code == std::errc{} && !goes_on ? std::optional(length) : std::nullopt;
}

/// Does it end in "\x1b", as printable() writes a byte that was part of no word?
bool ends_in_escape(std::string_view text) {
  constexpr std::size_t kLength = 4;
  const auto end = text.substr(text.size() - std::min(text.size(), kLength));
  return end.starts_with("\\x") && end.size() == kLength && is_hex(end[2]) && is_hex(end[3]);
}

/// Four numbers and three dots, leading zeros allowed; its length, or nothing.
std::optional<std::pair<IpAddress, std::size_t>> ipv4_in(std::string_view text, std::size_t at) {
  constexpr std::size_t kMostDigits = 3;
  IpAddress address;
  auto end = at;
  for (std::size_t part = 0; part < address.size(); ++part) {
    if (part != 0 && char_at(text, end++) != '.') {
      return std::nullopt;
    }
    const auto digits = run_at(text, end, kMostDigits, is_digit);
    unsigned value = 0;
    const auto number = text.substr(std::min(end, text.size()), digits);
    std::from_chars(number.data(), number.data() + number.size(), value);
    if (digits == 0 || value > 0xff) {
      return std::nullopt;
    }
    address.bytes.at(part) = static_cast<std::uint8_t>(value);
    end += digits;
  }
  return is_digit(char_at(text, end)) ? std::nullopt : std::optional(std::pair(address, end - at));
}

}  // namespace

bool tells_of_somebody(const IpAddress& address) {
  const bool is_of_nobody =
      std::ranges::any_of(kOfNobody, [&](const Prefix& network) { return network.contains(address); }) ||
      (is_aside(address) && is_netmask(address)) || (address.family == IpFamily::kV6 && is_host_mask(address));
  return !is_of_nobody || tells_a_mac(address);
}

/// What is replaced ends the word that it stood in, and what is left of that may be an address by itself, or a name.
std::string Masker::mask(std::string_view text) {
  auto masked = mask_once(text);
  for (auto again = mask_once(masked); again != masked; again = mask_once(masked)) {
    masked = std::move(again);
  }
  return masked;
}

std::string Masker::mask_once(std::string_view text) {
  constexpr std::array<Finder, 6> kFinders{&Masker::key_at,       &Masker::name_at, &Masker::mac_at,
                                           &Masker::interface_at, &Masker::ipv6_at, &Masker::ipv4_at};
  std::string masked;
  masked.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    // A word's brace ends all that is before it.
    const char before = masked.empty() || ends_in_escape(masked) ? '\0' : masked.back();
    Found found;
    for (auto finder = kFinders.begin(); finder != kFinders.end() && found.length == 0; ++finder) {
      found = (this->**finder)(text, at, before);
    }
    const auto length = std::max<std::size_t>(found.length, 1);
    masked += found.word.empty() ? text.substr(at, length) : std::string_view(found.word);
    at += length;
  }
  return masked;
}

/// 32 bytes in base64, or more that end like it: of a longer one no half may stay.
Masker::Found Masker::key_at(std::string_view text, std::size_t at, char before) {
  if (is_base64(before)) {
    return {};
  }
  const auto length = run_at(text, at, text.size(), is_base64);
  if (length < kKeyLength || char_at(text, at + length) != '=') {
    return {};
  }
  return {length + 1, word_for("key", std::string(text.substr(at, length)))};
}

Masker::Found Masker::name_at(std::string_view text, std::size_t at, char before) {
  if (familiar_.names.empty() || is_of_name(before)) {
    return {};
  }
  for (const auto is_part : {is_of_any_name, is_of_name}) {  // “alice”: quotation marks are beyond ASCII, too
    const auto run = text.substr(at, run_at(text, at, kLongestName + 1, is_part));
    if (run.size() > kLongestName) {
      continue;
    }
    const auto dots = std::min(run.find_first_not_of('.'), run.size());  // of "*.example.org"
    const auto name = bare_name(run);  // no dot of a sentence, or of a name that is written out whole
    if (auto word = word_for_name(name); !word.empty()) {
      return {dots + name.size(), std::string(run.substr(0, dots)) + word};
    }
  }
  return {};
}

std::string Masker::word_for_name(const std::string& name) {
  if (familiar_.kept.contains(name)) {
    return {};
  }
  if (const auto known = familiar_.names.find(name); known != familiar_.names.end()) {
    return word_for(known->second, name);
  }
  for (auto dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1)) {
    const auto domain = name.substr(dot + 1);
    const auto known = familiar_.names.find(domain);
    if (known != familiar_.names.end() && domain.contains('.')) {
      const auto word = word_for(known->second, domain);  // "{domain-1}"
      return word_for(word.substr(1, word.size() - 2) + "-host", name);
    }
  }
  return {};
}

Masker::Found Masker::mac_at(std::string_view text, std::size_t at, char before) {
  const auto mac = text.substr(at, kMacLength);
  const char after = char_at(text, at + kMacLength);
  if (mac.size() != kMacLength || is_alnum(before) || before == ':' || is_alnum(after) ||
      (after == ':' && is_hex(char_at(text, at + kMacLength + 1)))) {
    return {};
  }
  constexpr std::size_t kStep = 3;  // two digits and a colon
  for (std::size_t i = 0; i < mac.size(); ++i) {
    if (i % kStep == 2 ? mac[i] != ':' : !is_hex(mac[i])) {
      return {};
    }
  }
  auto lower = std::string(mac);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return {mac.size(), word_for("mac", lower)};
}

/// "enx525400123456", which systemd calls an interface after its Ethernet address (systemd.net-naming-scheme(7)).
Masker::Found Masker::interface_at(std::string_view text, std::size_t at, char before) {
  constexpr std::array<std::string_view, 3> kKinds{"enx", "wlx", "wwx"};
  constexpr std::size_t kKindLength = 3;
  constexpr std::size_t kDigits = 12;
  const auto kind = text.substr(at, kKindLength);
  if (is_alnum(before) || !contains(kKinds, kind) || run_at(text, at + kKindLength, kDigits, is_hex) != kDigits ||
      is_alnum(char_at(text, at + kKindLength + kDigits))) {
    return {};
  }
  std::string mac;
  for (const char digit : text.substr(at + kKindLength, kDigits)) {
    mac += (mac.size() % 3 == 2 ? ":" : "") + std::string(1, static_cast<char>(std::tolower(digit)));
  }
  return {kKindLength + kDigits, std::string(kind) + word_for("mac", mac)};
}

/// The longest that is an address: "2001:db8::25" of "2001:db8::25: no route".
Masker::Found Masker::ipv6_at(std::string_view text, std::size_t at, char before) {
  const auto run = text.substr(at, run_at(text, at, kLongestIpv6, is_of_ipv6));
  const bool begins = run.starts_with("::") ? before != ':' : !run.starts_with(':') && !is_alnum(before);
  if (!begins || std::ranges::count(run, ':') < 2) {
    return {};
  }
  for (auto length = run.size(); length >= 2; --length) {
    if (is_hex(char_at(text, at + length))) {
      continue;
    }
    if (const auto address = IpAddress::parse(run.substr(0, length)); address && address->family == IpFamily::kV6) {
      auto word = word_for(*address, text, at + length);
      // Where it stays, an IPv4 address in it is looked at by itself, and one that its last group begins: of
      // ::3.4.5.6f.
      const bool ends_in_ipv4 = run.substr(0, length).contains('.') ||
                                (char_at(text, at + length) == '.' && is_digit(char_at(text, at + length + 1)));
      return word.empty() && ends_in_ipv4 ? Found{} : Found{length, std::move(word)};
    }
  }
  return {};
}

Masker::Found Masker::ipv4_at(std::string_view text, std::size_t at, char before) {
  if (is_digit(before)) {
    return {};
  }
  const auto found = ipv4_in(text, at);
  if (!found) {
    return {};
  }
  auto word = word_for(found->first, text, at + found->second);
  // Where it stays, its second number may begin another: of 10.192.0.2.25, say.
  return word.empty() ? Found{1, {}} : Found{found->second, std::move(word)};
}

std::string Masker::word_for(const IpAddress& address, std::string_view text, std::size_t end) {
  const auto length = prefix_length_at(text, end);
  if (length && *length < shortest_of_somebody(address.family) && Prefix::around(address, *length).address == address) {
    return {};
  }
  const char* const family = address.family == IpFamily::kV4 ? "4" : "6";
  const auto known = std::ranges::find_if(familiar_.networks,
                                          [&](const NamedNetwork& named) { return named.network.contains(address); });
  if (known != familiar_.networks.end()) {
    return known->network.address == address ? fmt::format("{{{}}}", known->name)
                                             : word_for(known->name + "-host", address.to_string());
  }
  const auto is_in = [&](const auto& networks) {
    return std::ranges::any_of(networks, [&](const Prefix& network) { return network.contains(address); });
  };
  if (!tells_of_somebody(address) || (is_in(familiar_.of_nobody) && !tells_a_mac(address))) {
    return {};
  }
  if (is_aside(address)) {
    return word_for(fmt::format("sidestep{}-unknown", family), address.to_string());
  }
  const auto* const kind = is_in(kOfNobody) ? "local" : contains(familiar_.own, address) ? "own" : "public";
  return word_for(std::string(kind) + family, address.to_string());
}

std::string Masker::word_for(const std::string& kind, const std::string& what) {
  auto& word = words_[{kind, what}];
  if (word.empty()) {
    word = fmt::format("{{{}-{}}}", kind, ++counts_[kind]);
  }
  return word;
}

}  // namespace smtpegress::report
