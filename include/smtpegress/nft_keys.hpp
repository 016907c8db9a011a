// Names of nf_tables objects.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace smtpegress::nft {

/// With which names of our own tables begin. In these alone named sets and maps are read, and look-ups in them are
/// understood: other programs' may be filled by packets, without a new generation.
inline constexpr std::string_view kOwnTablePrefix = "smtp-egress-";

/// Values are NFPROTO_*, linux/netfilter.h.
enum class Family : std::uint8_t { kInet = 1, kIp = 2, kArp = 3, kNetdev = 5, kBridge = 7, kIp6 = 10 };

struct TableKey {
  Family family = Family::kInet;
  std::string name;
  auto operator<=>(const TableKey&) const = default;
};

struct ChainKey {
  TableKey table;
  std::string name;
  auto operator<=>(const ChainKey&) const = default;
};

}  // namespace smtpegress::nft
