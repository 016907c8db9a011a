// DNS records as values. Their bytes are whoever's on the internet: what is malformed is nothing, and what is shown is
// printable.
#pragma once

#include "smtpegress/dns.hpp"

namespace smtpegress {

using DnsBytes = std::span<const std::uint8_t>;

[[nodiscard]] std::optional<IpAddress> read_address(DnsBytes record);  ///< of A and AAAA
[[nodiscard]] std::optional<std::string> read_text(DnsBytes record);   ///< of TXT: its strings, joined (RFC 7208, 3.3)

struct MxRecord {
  std::uint16_t preference = 0;
  DnsName exchange;  ///< the root: mail is not taken (RFC 7505)
  auto operator<=>(const MxRecord&) const = default;
};
[[nodiscard]] std::optional<MxRecord> read_mx(DnsBytes record);

/// RFC 6698, section 2.1. Absent too where a digest has not its length.
struct TlsaRecord {
  std::uint8_t usage = 0;
  std::uint8_t selector = 0;
  std::uint8_t matching = 0;
  [[nodiscard]] std::string to_string() const;  ///< "3 1 1"
  auto operator<=>(const TlsaRecord&) const = default;
};
[[nodiscard]] std::optional<TlsaRecord> read_tlsa(DnsBytes record);

/// The id of an MTA-STS record's text (RFC 8461, section 3.1). Absent: it is malformed.
[[nodiscard]] std::optional<std::string> read_mta_sts_id(std::string_view text);

/// The well-formed ones among an answer's records.
template <class Value>
[[nodiscard]] std::vector<Value> records_of(const DnsAnswer& answer, std::optional<Value> (*read)(DnsBytes)) {
  std::vector<Value> values;
  for (const auto& record : answer.records) {
    if (auto value = read(record)) {
      values.push_back(*std::move(value));
    }
  }
  return values;
}

/// 203.0.113.10: "10.113.0.203"; IPv6: its nibbles likewise.
[[nodiscard]] std::string reversed_labels(const IpAddress& address);
/// Where an address's PTR records stand: "10.113.0.203.in-addr.arpa".
[[nodiscard]] DnsName reverse_name(const IpAddress& address);
[[nodiscard]] DnsType address_type(IpFamily family) noexcept;  ///< A, AAAA

/// In quotes, as a zone file has it; one of more than 255 bytes in several strings. A byte that is no printable ASCII
/// is \DDD.
[[nodiscard]] std::string quoted_text(std::string_view text);
/// The same without quotes, and cut where it is long: for words of others within a message.
[[nodiscard]] std::string shown(std::string_view text);

}  // namespace smtpegress
