// Named sets and maps of nf_tables, as this project makes them: hash sets of whole keys, so that a look-up costs the
// same however many elements there are. A network is in such a set by its first address, and a packet's address is
// masked before it is looked up: one set for each length of prefix. (Interval sets take a network as it is. Of 10,000,
// the kernel took 350 to 590 ms to put them beside an interface's name (pipapo), 15 to 25 ms here: Linux 6.18.)
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "smtpegress/net_types.hpp"
#include "smtpegress/nft_keys.hpp"

namespace smtpegress::nft {

struct SetKey {
  TableKey table;
  std::string name;
  auto operator<=>(const SetKey&) const = default;
};
[[nodiscard]] std::string to_string(const SetKey& set);  ///< "inet smtp-egress-many senders-ipv4-24"

/// What the elements are: an interface's name, an address, or both in this order; of a map, an address is its value.
struct SetType {
  bool by_interface = false;
  std::optional<IpFamily> by_address{};
  std::optional<IpFamily> to{};  ///< a map, to addresses of this family
  auto operator<=>(const SetType&) const = default;
};

/// Of one set all have the same parts; what the set's type has no place for is empty.
struct SetElement {
  std::string interface;
  IpAddress address;
  std::optional<IpAddress> to;
  bool altered = false;  ///< as observed: has something that none of ours has, a comment or a time limit
  auto operator<=>(const SetElement&) const = default;
};
[[nodiscard]] std::string to_string(const SetElement& element, const SetType& type);  ///< `"wg0" . 10.1.0.0`

/// As the kernel has it.
struct ObservedSet {
  SetKey key;
  std::optional<SetType> type;       ///< nothing: of a kind that this program does not make; its elements are not read
  std::vector<SetElement> elements;  ///< sorted
};

/// How many elements of any type fit one step of a batch: a nested attribute has at most 64 KiB, and an element of the
/// largest type (interface and IPv6 address to IPv6 address) takes 68 bytes of it.
inline constexpr std::size_t kElementsInStep = 900;

struct AddSet {
  SetKey set;
  SetType type;
};
/// Fails while a rule looks something up in it.
struct DeleteSet {
  SetKey set;
};
/// At most kElementsInStep. One that stands already is passed over; with another value the kernel refuses it.
struct AddElements {
  SetKey set;
  SetType type;
  std::vector<SetElement> elements;
};
/// At most kElementsInStep. By their keys alone; one that is not there is refused.
struct DeleteElements {
  SetKey set;
  SetType type;
  std::vector<SetElement> elements;
};

}  // namespace smtpegress::nft
