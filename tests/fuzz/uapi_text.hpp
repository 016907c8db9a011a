// A WireGuard device in the words of its userspace interface, the inverse of parse_uapi.
#pragma once

#include <algorithm>
#include <string>
#include <tuple>

#include "smtpegress/route.hpp"

namespace smtpegress::fuzz {

inline std::string hex_of_base64(const std::string& text) {
  static constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  std::uint32_t bits = 0;
  int count = 0;  // of bits that are not yet written
  for (const char c : text.substr(0, text.find('='))) {
    bits = bits << 6U | static_cast<std::uint32_t>(kAlphabet.find(c));
    count += 6;
    while (count >= 4 && hex.size() < 64) {
      count -= 4;
      hex += kDigits[bits >> count & 0xfU];
    }
  }
  return hex;
}

inline std::string uapi_text(const WireGuardDevice& device) {
  std::string text;
  for (const auto& peer : device.peers) {
    text += "public_key=" + hex_of_base64(peer.public_key) + '\n';
    text += peer.endpoint.empty() ? "" : "endpoint=" + peer.endpoint + '\n';
    text += "persistent_keepalive_interval=" + std::to_string(peer.keepalive) + '\n';
    text += "last_handshake_time_sec=" + std::to_string(peer.last_handshake) + '\n';
    for (const auto& network : peer.allowed_ips) {
      text += "allowed_ip=" + network.to_string() + '\n';
    }
  }
  return text + "errno=0\n\n";
}

inline bool same(const WireGuardDevice& a, const WireGuardDevice& b) {
  const auto fields = [](const WireGuardPeer& p) {
    return std::tie(p.public_key, p.allowed_ips, p.last_handshake, p.keepalive, p.endpoint);
  };
  return a.name == b.name &&
         std::ranges::equal(a.peers, b.peers, [&](const auto& x, const auto& y) { return fields(x) == fields(y); });
}

}  // namespace smtpegress::fuzz
