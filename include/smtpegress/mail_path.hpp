// The mail's way, hop by hop, as one host sees it: verify's checks as a picture.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace smtpegress {

/// A hop, in the order of the way out. kHome stands for all that comes before the tunnel, where it is the VPS that
/// looks.
enum class Place : std::uint8_t {
  kHome,
  kSender,  ///< the mail stack
  kBridge,  ///< by which its packets come in
  kMark,
  kTable,     ///< the routing table of our own, and the policy rules that lead to it
  kFirewall,  ///< home's forwarding, and all firewalls there
  kTunnel,
  kVps,  ///< its forwarding, firewalls and routes
  kSnat,
  kInternet,
};

enum class MailWay : std::uint8_t { kOut, kBack };

/// Where on the mail's way a check looked, as far as its id alone does not say it (src/engine/verify/mail_path.hpp).
struct PathScope {
  std::optional<Place> place{};
  std::optional<MailWay> way{};  ///< absent: both that the id stands for
  std::vector<Place> shown{};    ///< further ones that it showed to work, whatever became of itself
};

enum class HopOutcome : std::uint8_t {
  kOk,       ///< what was asked of it is as it should be
  kBroken,   ///< a check failed there
  kUnknown,  ///< not seen from this host, or not asked
};

struct Hop {
  Place place = Place::kSender;
  MailWay way = MailWay::kOut;
  std::string name;  ///< as a person knows it: "br-mailu", "0x19"; empty: there is no better one than the place's
  HopOutcome outcome = HopOutcome::kUnknown;
  std::string seen;                 ///< in a few words; of a broken one, what the first check that failed there saw
  std::vector<std::string> checks;  ///< ids of those that decided it, each once
  std::string mend;                 ///< of a broken one: the first failed check's
};

/// Stable, for scripts: "sender", "bridge", "mark" …
[[nodiscard]] std::string_view id_of(Place place);

}  // namespace smtpegress
