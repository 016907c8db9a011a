// Named sets and maps, and their elements, to and from nf_tables' messages.
#pragma once

#include <libmnl/libmnl.h>

#include <optional>
#include <vector>

#include "smtpegress/nft.hpp"

namespace smtpegress::netlink {

// What follows the header of a message that has been begun. Preconditions: names fit, elements are of the type, at most
// nft::kElementsInStep, and there is room for them (kElementRoom).
void put_set(nlmsghdr* message, const nft::SetKey& set);
/// `id` tells it from other sets that the same batch makes.
void put_new_set(nlmsghdr* message, const nft::SetKey& set, const nft::SetType& type, std::uint32_t id);
/// `with_values`: as they are to be added; else by their keys alone.
enum class Values : std::uint8_t { kWith, kWithout };
void put_elements(nlmsghdr* message, const nft::SetKey& set, const nft::SetType& type,
                  const std::vector<nft::SetElement>& elements, Values values);

/// Bytes for a message with as many elements as one may have.
inline constexpr std::size_t kElementRoom = std::size_t{72} * 1024;

/// Why this element cannot be of a set of that type; empty where it can.
[[nodiscard]] const char* wrong_with(const nft::SetElement& element, const nft::SetType& type);

/// From an NFT_MSG_NEWSET message, without elements. Errors: no name (EBADMSG).
Result<nft::ObservedSet> decode_set(const nlmsghdr* message);

/// From an NFT_MSG_NEWSETELEM message. Nothing where an element is none that a set of that type of ours can have: its
/// key or value has another size, or it has no key, as a catch-all.
[[nodiscard]] std::optional<std::vector<nft::SetElement>> decode_elements(const nlmsghdr* message,
                                                                          const nft::SetType& type);

}  // namespace smtpegress::netlink
