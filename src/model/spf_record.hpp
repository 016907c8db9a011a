// An SPF record's text (RFC 7208), as terms.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "smtpegress/dns.hpp"
#include "smtpegress/net_types.hpp"

namespace smtpegress {

struct SpfTerm {
  enum class Kind : std::uint8_t {
    kAll,
    kInclude,
    kA,
    kMx,
    kPtr,
    kIp,
    kExists,
    kRedirect,  ///< a modifier, as those behind it
    kExplanation,
    kUnknown,  ///< a modifier that nobody knows: passed over
    kWrong,    ///< no term at all: the record is an error for whoever reads it
  };
  Kind kind = Kind::kWrong;
  char qualifier = '+';                                ///< of a mechanism: '+', '-', '~', '?'
  std::string text;                                    ///< as it stands in the record
  std::string domain{};                                ///< with its macros; empty: none is named
  std::optional<Prefix> network{};                     ///< of ip4, ip6
  ByFamily<std::uint8_t> length{.v4 = 32, .v6 = 128};  ///< of a, mx: how much of the address has to be the same
  auto operator<=>(const SpfTerm&) const = default;
};

/// "v=spf1", alone or before a space, in any case.
[[nodiscard]] bool is_spf(std::string_view text);
/// Of a text that is_spf().
[[nodiscard]] std::vector<SpfTerm> parse_spf(std::string_view text);
/// As a record: "v=spf1 mx -all".
[[nodiscard]] std::string spf_text(const std::vector<SpfTerm>& terms);

/// What a record's macros stand for (section 7). The sender is postmaster@ the domain in question.
struct SpfMacros {
  IpAddress address;   ///< the client's
  DnsName sender;      ///< the domain that mail comes from
  DnsName domain;      ///< whose record it is
  std::string helo{};  ///< empty: not known
};
/// A domain of a term's, its macros put in. Absent: it is malformed.
[[nodiscard]] std::optional<std::string> expand_spf(std::string_view domain, const SpfMacros& macros);

}  // namespace smtpegress
