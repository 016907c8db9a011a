// iptables-legacy's and ip6tables-legacy's tables (linux/netfilter_ipv4/ip_tables.h,
// linux/netfilter_ipv6/ip6_tables.h): they filter beside nf_tables, which does not show them. Read by getsockopt, as
// iptables-legacy does; nothing is ever written, and no table comes into being by reading: only those are asked for
// that this network namespace has already.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "netlink/attributes.hpp"
#include "smtpegress/nft.hpp"

namespace smtpegress::netlink {

/// As nf_tables would have them, tables by name and family; generation and handles are 0. Empty where there are
/// none, or where the kernel has no such tables at all.
Result<nft::Ruleset> read_iptables_legacy();

/// Where a table's built-in chains begin, and where their policies stand: offsets in bytes, by nft::Hook; absent where
/// the table has no such chain.
struct LegacyHooks {
  std::uint32_t valid = 0;  ///< a bit a hook
  std::uint32_t entry[5]{};
  std::uint32_t underflow[5]{};
};

/// The chains in a table's entries (ipt_entry or ip6t_entry by the table's family, one after another). errnum EBADMSG:
/// cut short or inconsistent. A match or target that is not understood is opaque.
Result<std::vector<nft::ObservedChain>> decode_legacy_table(const nft::TableKey& table, const LegacyHooks& hooks,
                                                            Bytes entries);

/// "filter", "raw" …: those the kernel has in the caller's network namespace. kPermission where it is not told.
Result<std::vector<std::string>> iptables_legacy_names(IpFamily family);

}  // namespace smtpegress::netlink
