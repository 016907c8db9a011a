#include "model/covered.hpp"

#include <algorithm>

namespace smtpegress {

bool covered(const Prefix& wanted, const std::vector<Prefix>& allowed) {
  if (std::ranges::any_of(allowed, [&](const Prefix& p) { return p.contains(wanted); })) {
    return true;
  }
  const auto bits = static_cast<std::uint8_t>(wanted.address.size() * 8);
  if (wanted.length >= bits || std::ranges::none_of(allowed, [&](const Prefix& p) { return wanted.contains(p); })) {
    return false;
  }
  Prefix low{wanted.address, static_cast<std::uint8_t>(wanted.length + 1)};
  Prefix high = low;
  high.address.bytes[wanted.length / 8] =
      static_cast<std::uint8_t>(high.address.bytes[wanted.length / 8] | (0x80 >> (wanted.length % 8)));
  return covered(low, allowed) && covered(high, allowed);
}

}  // namespace smtpegress
