// iptables-legacy's tables as getsockopt hands them out, for tests: entries put together from the kernel's structures.
#pragma once

// libc's structures before linux/*, see nft_layout.hpp.
#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

#include "netlink/iptables_legacy.hpp"

namespace smtpegress::test {

using EntryBytes = std::vector<std::uint8_t>;

inline void append_padded(EntryBytes& bytes, const void* data, std::size_t size) {
  const auto* first = static_cast<const std::uint8_t*>(data);
  bytes.insert(bytes.end(), first, first + size);
  bytes.resize(XT_ALIGN(bytes.size()));
}

/// A match or a target: size, name and revision, then its own structure.
inline EntryBytes extension(std::string_view name, std::uint8_t revision, const void* info, std::size_t size) {
  xt_entry_match head{};
  head.u.user.match_size = static_cast<std::uint16_t>(XT_ALIGN(sizeof head + size));
  std::ranges::copy(name.substr(0, XT_EXTENSION_MAXNAMELEN - 1), std::begin(head.u.user.name));
  head.u.user.revision = revision;
  EntryBytes bytes;
  append_padded(bytes, &head, sizeof head);
  append_padded(bytes, info, size);
  return bytes;
}

template <class Info>
EntryBytes extension(std::string_view name, std::uint8_t revision, const Info& info) {
  return extension(name, revision, &info, sizeof info);
}

/// A verdict as the kernel stores it: -NF_ACCEPT - 1, XT_RETURN, or the offset to jump to.
inline EntryBytes standard_target(int verdict) {
  return extension(XT_STANDARD_TARGET, 0, verdict);
}

inline constexpr int kAccept = -NF_ACCEPT - 1;
inline constexpr int kDrop = -NF_DROP - 1;

/// A table in the making: entries one after another, and where the built-in chains begin and end.
template <class Ip, class Entry>
class BasicLegacyTable {
 public:
  /// What comes next is this chain's first entry.
  BasicLegacyTable& begin(nft::Hook hook) {
    hooks_.valid |= 1U << std::to_underlying(hook);
    hooks_.entry[std::to_underlying(hook)] = size();
    return *this;
  }
  BasicLegacyTable& rule(const Ip& ip, const EntryBytes& target, const EntryBytes& matches = {}) {
    Entry head{};
    std::memcpy(&head, &ip, sizeof ip);  // its first member, of another name in each family
    head.target_offset = static_cast<std::uint16_t>(sizeof head + matches.size());
    head.next_offset = static_cast<std::uint16_t>(head.target_offset + target.size());
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(&head);
    entries_.insert(entries_.end(), bytes, bytes + sizeof head);
    entries_.insert(entries_.end(), matches.begin(), matches.end());
    entries_.insert(entries_.end(), target.begin(), target.end());
    return *this;
  }
  /// The built-in chain's policy, its last entry.
  BasicLegacyTable& policy(nft::Hook hook, int verdict) {
    hooks_.underflow[std::to_underlying(hook)] = size();
    return rule({}, standard_target(verdict));
  }
  /// The head of a user chain.
  BasicLegacyTable& user_chain(std::string_view name) {
    char text[XT_FUNCTION_MAXNAMELEN] = {};
    std::ranges::copy(name.substr(0, sizeof text - 1), std::begin(text));
    return rule({}, extension(XT_ERROR_TARGET, 0, text));
  }
  /// The entry that every table ends with.
  BasicLegacyTable& end() { return user_chain(XT_ERROR_TARGET); }

  [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(entries_.size()); }
  [[nodiscard]] const netlink::LegacyHooks& hooks() const { return hooks_; }
  [[nodiscard]] const EntryBytes& entries() const { return entries_; }
  [[nodiscard]] EntryBytes& entries() { return entries_; }

 private:
  netlink::LegacyHooks hooks_;
  EntryBytes entries_;
};

using LegacyTable = BasicLegacyTable<ipt_ip, ipt_entry>;
using Legacy6Table = BasicLegacyTable<ip6t_ip6, ip6t_entry>;

}  // namespace smtpegress::test
