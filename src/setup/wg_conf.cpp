#include "setup/wg_conf.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <functional>

namespace smtpegress::setup {
namespace {

constexpr std::size_t kKeyLength = 44;  // of a public key in base64; wg(8)

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\v\f";
  const auto first = text.find_first_not_of(kBlank);
  return first == std::string_view::npos ? std::string_view()
                                         : text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

/// "10.0.1.2/32", or with host bits, which wg(8) clears. Nothing where it is no network.
std::optional<Prefix> network_of(std::string_view text) {
  const auto slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) {
    return std::nullopt;
  }
  Prefix network = Prefix::of(*address);
  if (slash != std::string_view::npos) {
    const auto digits = text.substr(slash + 1);
    unsigned length = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    if (error != std::errc{} || end != digits.data() + digits.size() || length > network.length) {
      return std::nullopt;
    }
    network.length = static_cast<std::uint8_t>(length);
  }
  for (std::size_t bit = network.length; bit < network.address.size() * 8; ++bit) {
    auto& byte = network.address.bytes[bit / 8];
    byte = static_cast<std::uint8_t>(byte & ~(0x80U >> (bit % 8)));
  }
  return network;
}

void add_networks(std::string_view list, std::vector<Prefix>& networks) {
  while (!list.empty()) {
    const auto item = list.substr(0, list.find(','));
    list.remove_prefix(std::min(item.size() + 1, list.size()));
    if (const auto network = network_of(trimmed(item))) {
      networks.push_back(*network);
    }
  }
}

bool is_public_key(std::string_view text) {
  return text.size() == kKeyLength && text.back() == '=' && std::ranges::all_of(text, [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '+' || c == '/' || c == '=';
         });
}

/// A setting's name; what a lost line begins with, half of a key say, is mostly none.
bool is_key(std::string_view name) {
  constexpr std::size_t kLongest = 32;  // bytes; PersistentKeepalive has 19
  return !name.empty() && name.size() <= kLongest &&
         std::ranges::all_of(name, [](unsigned char c) { return std::isalpha(c) != 0; });
}

void read_interface(WgConf& conf, const std::string& key, std::string_view value) {
  if (key == "table") {
    conf.table = value;
  } else if (key == "listenport") {
    conf.listen_port = value;
  } else if (key == "saveconfig") {
    conf.save_config = lower_case(value) == "true";
  } else if (key == "preup" || key == "postup" || key == "predown" || key == "postdown") {
    conf.hooks.emplace_back(value);
  }
}

void read_peer(WgConfPeer& peer, const std::string& key, std::string_view value) {
  if (key == "publickey") {
    peer.public_key = is_public_key(value) ? value : std::string_view();
  } else if (key == "allowedips") {
    add_networks(value, peer.allowed_ips);
  } else if (key == "endpoint") {
    peer.has_endpoint = !value.empty();
  } else if (key == "persistentkeepalive") {
    peer.keepalive = value;
  }
}

enum class Section : std::uint8_t { kNone, kInterface, kPeer };

}  // namespace

WgConf parse_wg_conf(std::string_view text) {
  WgConf conf;
  Section section = Section::kNone;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto whole = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(whole.size() + 1, text.size()));
    const auto line = trimmed(whole.substr(0, whole.find('#')));
    if (line.empty()) {
      continue;
    }
    const auto heading = lower_case(line);
    const auto equals = line.find('=');
    if (heading == "[interface]") {
      section = Section::kInterface;
    } else if (heading == "[peer]") {
      section = Section::kPeer;
      conf.peers.push_back(
          {.public_key = {}, .allowed_ips = {}, .has_endpoint = false, .keepalive = {}, .line = number});
    } else if (equals == std::string_view::npos || section == Section::kNone ||
               !is_key(trimmed(line.substr(0, equals)))) {
      conf.odd_lines.push_back(number);
    } else if (const auto key = lower_case(trimmed(line.substr(0, equals))); section == Section::kInterface) {
      read_interface(conf, key, trimmed(line.substr(equals + 1)));
    } else {
      read_peer(conf.peers.back(), key, trimmed(line.substr(equals + 1)));
    }
  }
  return conf;
}

}  // namespace smtpegress::setup
