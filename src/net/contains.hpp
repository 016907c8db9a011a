// std::ranges::contains, which g++ 12's library does not have yet.
#pragma once

#include <algorithm>
#include <functional>

namespace smtpegress {

template <class List, class Item, class Projection = std::identity>
[[nodiscard]] constexpr bool contains(const List& list, const Item& item, Projection projection = {}) {
  return std::ranges::find(list, item, projection) != list.end();
}

}  // namespace smtpegress
