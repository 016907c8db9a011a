// Names and texts as a DNS record's data has them (RFC 1035, 3.1 and 3.3).
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

namespace smtpegress::test {

using Octets = std::vector<std::uint8_t>;

inline Octets wire_name(std::string_view text) {
  Octets bytes;
  for (std::size_t begin = 0; begin < text.size();) {
    const auto end = std::min(text.find('.', begin), text.size());
    bytes.push_back(static_cast<std::uint8_t>(end - begin));
    bytes.insert(bytes.end(), text.begin() + static_cast<std::ptrdiff_t>(begin),
                 text.begin() + static_cast<std::ptrdiff_t>(end));
    begin = end + 1;
  }
  bytes.push_back(0);
  return bytes;
}

/// A TXT record's: character-strings of 255 octets at most, one where the text is empty.
inline Octets wire_text(std::string_view text) {
  Octets bytes;
  do {
    const auto part = text.substr(0, 255);
    bytes.push_back(static_cast<std::uint8_t>(part.size()));
    bytes.insert(bytes.end(), part.begin(), part.end());
    text.remove_prefix(part.size());
  } while (!text.empty());
  return bytes;
}

}  // namespace smtpegress::test
