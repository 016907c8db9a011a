// Does a domain's SPF record let an address send for it? (RFC 7208, section 4)
#pragma once

#include "model/dns_book.hpp"
#include "model/spf_record.hpp"

namespace smtpegress {

enum class SpfResult : std::uint8_t { kNone, kPass, kFail, kSoftFail, kNeutral, kTempError, kPermError };
[[nodiscard]] std::string_view word_for(SpfResult result) noexcept;  ///< "softfail"

struct SpfVerdict {
  SpfResult result = SpfResult::kNone;
  std::string why{};                              ///< "mx", "-all of _spf.example.net", or what is wrong
  DnsSecurity security = DnsSecurity::kUnjudged;  ///< of a temperror: of the answer that it is for want of
  auto operator<=>(const SpfVerdict&) const = default;
};

/// What check_host() of the RFC says, for a sender postmaster@domain. Final only where the book wants nothing
/// afterwards. Always ends: at most ten terms look something up, and two of those in vain.
[[nodiscard]] SpfVerdict check_spf(DnsBook& book, const DnsName& domain, const IpAddress& address, std::string helo);

/// A domain's own records; the RFC knows what to do with one alone.
[[nodiscard]] std::vector<std::string> spf_records(const DnsAnswer& texts);

struct SpfCovering {
  std::string record;
  std::vector<std::string> left_out{};  ///< terms of the old ones that are not in it, and no others say the same
  auto operator<=>(const SpfCovering&) const = default;
};
/// One record for those of a domain (none, one, several), which lets the addresses send, and what they let send: the
/// addresses in front, so that nothing behind them is looked up for them. It ends as they ended.
[[nodiscard]] SpfCovering spf_covering(const std::vector<std::string>& records,
                                       const std::vector<IpAddress>& addresses);

}  // namespace smtpegress
