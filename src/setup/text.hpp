// Lists as messages have them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace smtpegress::setup {

[[nodiscard]] inline std::string to_text(const std::string& item) {
  return item;
}
template <class Item>
[[nodiscard]] std::string to_text(const Item& item) {
  return item.to_string();
}

/// "10.0.1.2/32, 192.168.203.0/24"
template <class Item>
[[nodiscard]] std::string list_of(const std::vector<Item>& items, std::string_view between = ", ") {
  std::string text;
  for (const auto& item : items) {
    text += (text.empty() ? "" : std::string(between)) + to_text(item);
  }
  return text;
}

}  // namespace smtpegress::setup
