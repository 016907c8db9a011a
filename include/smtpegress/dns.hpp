// Questions to the DNS and their answers, as values. What is asked of whoever asks them (src/dns; tests have a fake).
// Nothing here judges: verify does.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "smtpegress/net_types.hpp"

namespace smtpegress {

/// A domain name, in lower case, so that names that are the same are equal. Default: the root.
class DnsName {
 public:
  DnsName() = default;
  /// As a person writes it, with or without the last dot: labels of letters, digits, '-' (not first) and '_'. What is
  /// all digits and dots is an address, or a mistyped one, and refused.
  static Result<DnsName> parse(std::string_view text);
  /// The same of at least two labels: it is looked up as it stands, and no search list completes it.
  static Result<DnsName> parse_full(std::string_view text);
  /// Uncompressed, as it stands at the end of a record (RFC 1035, section 3.1). It may hold any byte, which is then
  /// written as \DDD: such a name is no parse()'s, and cannot be asked for. Absent: it is malformed.
  static std::optional<DnsName> from_wire(std::span<const std::uint8_t> bytes);

  [[nodiscard]] bool is_root() const noexcept { return text_.empty(); }
  [[nodiscard]] const std::string& str() const noexcept { return text_; }  ///< "mail.example.org"; the root: ""
  [[nodiscard]] std::string to_string() const { return text_ + "."; }  ///< "mail.example.org.", as zone files have it
  /// "_25._tcp" and this one. Absent where that is too long for a name, or where this one cannot be asked for.
  [[nodiscard]] std::optional<DnsName> with_prefix(std::string_view labels) const;
  [[nodiscard]] bool is_within(const DnsName& zone) const noexcept;  ///< it is the zone's own, too
  auto operator<=>(const DnsName&) const = default;

 private:
  explicit DnsName(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

/// Numbers as IANA gave them ("Resource Record (RR) TYPEs").
enum class DnsType : std::uint16_t {
  kA = 1,
  kCname = 5,
  kPtr = 12,
  kMx = 15,
  kTxt = 16,
  kAaaa = 28,
  kDnskey = 48,
  kTlsa = 52,
};
[[nodiscard]] std::string_view to_string(DnsType type) noexcept;  ///< "AAAA"

struct DnsQuestion {
  DnsName name;
  DnsType type = DnsType::kA;
  [[nodiscard]] std::string to_string() const;  ///< "mail.example.org. AAAA"
  auto operator<=>(const DnsQuestion&) const = default;
};

/// What DNSSEC says of an answer, one that there is nothing included.
enum class DnsSecurity : std::uint8_t {
  kUnjudged,  ///< it was not asked
  kInsecure,  ///< the zone is not signed, and one above it says so
  kSecure,    ///< signed, from the trust anchor down
  kBogus,     ///< it ought to be signed, and is not as it ought to be
};

enum class DnsStatus : std::uint8_t {
  kRecords,
  kNoRecords,   ///< the name exists, and has none of the type
  kNoSuchName,  ///< NXDOMAIN
  kFailed,      ///< the resolver says that it cannot tell (SERVFAIL, REFUSED)
  kUnanswered,  ///< nobody answered in time
};

struct DnsAnswer {
  DnsStatus status = DnsStatus::kUnanswered;
  DnsSecurity security = DnsSecurity::kUnjudged;
  std::string why{};                                 ///< of one that failed or is bogus, in the library's words
  std::vector<std::vector<std::uint8_t>> records{};  ///< of the type asked for, behind any CNAMEs; as they came, sorted
  auto operator<=>(const DnsAnswer&) const = default;
};

/// Whoever asks.
class DnsResolver {
 public:
  DnsResolver() = default;
  DnsResolver(const DnsResolver&) = delete;
  DnsResolver& operator=(const DnsResolver&) = delete;
  virtual ~DnsResolver() = default;
  /// Before ask(), and without a packet: kUsage where what a person named for it cannot be used.
  virtual Result<void> check_settings() { return {}; }
  /// All at once; an answer for each, in their order. All calls together take no longer than the resolver's patience.
  /// An error where nobody can be asked at all: its hint says what to do on this host.
  virtual Result<std::vector<DnsAnswer>> ask(const std::vector<DnsQuestion>& questions) = 0;
  /// After ask(): who is asked, such as "192.0.2.53".
  [[nodiscard]] virtual std::string asked() const = 0;
  /// After ask(): why DNSSEC is not judged; empty: it is.
  [[nodiscard]] virtual std::string why_unjudged() const = 0;
};

}  // namespace smtpegress
