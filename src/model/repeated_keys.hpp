// Keys that stand twice in one object of a JSON text: a parser keeps one of them, and says nothing.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace smtpegress {

struct RepeatedKey {
  std::string key;
  std::string within;  ///< the key of the outermost object that it is somewhere inside; empty: it is that object's own
  std::size_t item = 0;  ///< where `within` is a list of objects: the place in it, from 1
};

/// In the order in which the later ones stand there. Precondition: `text` is JSON. None within an object that stands in
/// place of a description: that is refused whole, and its keys may be a person's own words, which no message quotes.
/// (With a callback, nlohmann's own parser looks through a list from its beginning behind each item: 10,000 tenants
/// took seconds.)
[[nodiscard]] std::vector<RepeatedKey> repeated_keys(std::string_view text);

}  // namespace smtpegress
