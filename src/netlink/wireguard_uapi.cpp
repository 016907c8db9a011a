// The answer of a userspace WireGuard to "get=1": key=value lines, ended by errno=N and an empty line
// (wireguard.com/xplatform, "Configuration Protocol"). Values are never quoted in errors: some are private keys.
#include <sodium/crypto_scalarmult.h>
#include <sodium/utils.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <limits>

#include "net/contains.hpp"
#include "netlink/wireguard.hpp"
#include "netlink/wireguard_codec.hpp"

namespace smtpegress::netlink {
namespace {

std::unexpected<Error> malformed(const IfName& name, std::string_view key) {
  return system_error("read WireGuard interface", name.str(), EBADMSG, {},
                      "its control socket's answer has a malformed '" + std::string(key) + "'");
}

template <class T>
std::optional<T> number_of(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

using Key = std::array<std::uint8_t, kWireGuardKeySize>;

std::optional<Key> bytes_of(std::string_view hex) {
  Key key{};
  if (hex.size() != key.size() * 2) {
    return std::nullopt;
  }
  for (std::size_t i = 0; i < key.size(); ++i) {
    const char* digits = hex.data() + i * 2;  // two of them, of the length checked above
    const auto [end, error] = std::from_chars(digits, digits + 2, key[i], 16);
    if (error != std::errc{} || end != digits + 2) {
      return std::nullopt;
    }
  }
  return key;
}

std::optional<std::string> key_of(std::string_view hex) {
  const auto key = bytes_of(hex);
  return key ? std::optional(base64(*key)) : std::nullopt;
}

/// This interface tells its private key alone (the kernel's tells both): of all zeros it is none.
std::optional<std::string> public_key_of(std::string_view private_hex) {
  auto key = bytes_of(private_hex);
  if (!key) {
    return std::nullopt;
  }
  static_assert(kWireGuardKeySize == crypto_scalarmult_BYTES);
  static_assert(kWireGuardKeySize == crypto_scalarmult_SCALARBYTES);
  Key public_key{};
  const bool is_key = *key != Key{} && ::crypto_scalarmult_base(public_key.data(), key->data()) == 0;
  ::sodium_memzero(key->data(), key->size());
  return is_key ? base64(public_key) : std::string();
}

/// False where the key is one that is read here, and its value is not what it should be.
bool read_peer_line(WireGuardPeer& peer, std::string_view key, std::string_view value) {
  if (key == "endpoint") {
    peer.endpoint = value;
    return !value.empty();
  }
  if (key == "persistent_keepalive_interval") {
    const auto seconds = number_of<std::uint16_t>(value);
    peer.keepalive = seconds.value_or(0);
    return seconds.has_value();
  }
  if (key == "last_handshake_time_sec") {
    const auto seconds = number_of<std::int64_t>(value);
    peer.last_handshake = seconds.value_or(0);
    return seconds.has_value() && *seconds >= 0;
  }
  if (key == "allowed_ip") {
    const auto prefix = Prefix::parse(value);
    if (prefix) {
      peer.allowed_ips.push_back(*prefix);
    }
    return prefix.has_value();
  }
  return true;
}

bool is_peer_key(std::string_view key) {
  static constexpr std::array<std::string_view, 4> kKeys{"endpoint", "persistent_keepalive_interval",
                                                         "last_handshake_time_sec", "allowed_ip"};
  return contains(kKeys, key);
}

bool read_line(WireGuardDevice& device, std::string_view key, std::string_view value) {
  if (key == "public_key") {
    auto public_key = key_of(value);
    if (!public_key) {
      return false;
    }
    device.peers.emplace_back().public_key = std::move(*public_key);
    return true;
  }
  if (key == "private_key" && device.peers.empty()) {
    auto public_key = public_key_of(value);
    device.public_key = public_key.value_or("");
    return public_key.has_value();
  }
  if (key == "listen_port" && device.peers.empty()) {
    const auto port = number_of<std::uint16_t>(value);
    device.listen_port = port.value_or(0);
    return port.has_value();
  }
  if (key == "fwmark") {
    const auto mark = number_of<std::uint32_t>(value);
    device.fwmark = mark.value_or(0);
    return mark.has_value();
  }
  if (device.peers.empty()) {
    return !is_peer_key(key);
  }
  return read_peer_line(device.peers.back(), key, value);
}

/// The interface's own verdict; wireguard-go writes its errnos negative.
Result<void> verdict(const IfName& name, std::string_view value) {
  const auto number = number_of<int>(value);
  if (!number || *number == std::numeric_limits<int>::min()) {
    return malformed(name, "errno");
  }
  if (*number != 0) {
    return system_error("read WireGuard interface", name.str(), *number < 0 ? -*number : *number, {},
                        "that is what its control socket answered");
  }
  return {};
}

}  // namespace

Result<WireGuardDevice> parse_uapi(const IfName& name, std::string_view answer) {
  WireGuardDevice device{.name = name, .peers = {}};
  while (!answer.empty()) {
    const std::size_t end = answer.find('\n');
    if (end == std::string_view::npos) {
      break;  // half a line: the answer was cut
    }
    const std::string_view line = answer.substr(0, end);
    answer.remove_prefix(end + 1);
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) {
      return malformed(name, line.empty() ? "end: an empty line before errno" : "line: one without '='");
    }
    const std::string_view key = line.substr(0, equals);
    const std::string_view value = line.substr(equals + 1);
    if (key == "errno") {
      if (auto good = verdict(name, value); !good) {
        return std::unexpected(std::move(good.error()));
      }
      return device;
    }
    if (!read_line(device, key, value)) {
      return malformed(name, key);
    }
  }
  return system_error("read WireGuard interface", name.str(), EBADMSG, {}, "its control socket's answer was cut short");
}

}  // namespace smtpegress::netlink
