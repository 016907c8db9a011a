// Lists as messages have them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace smtpegress {

/// "10.0.1.2/32, 192.168.203.0/24"; of texts, or of what has to_string().
template <class Item>
[[nodiscard]] std::string list_of(const std::vector<Item>& items, std::string_view between = ", ") {
  std::string text;
  for (const auto& item : items) {
    text += text.empty() ? std::string_view() : between;
    if constexpr (requires { item.to_string(); }) {
      text += item.to_string();
    } else {
      text += item;
    }
  }
  return text;
}

}  // namespace smtpegress
