// Verify's checks laid out along the mail's way (mail_path.hpp of the public face).
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "engine/verify/checks.hpp"

namespace smtpegress {

/// What a check's id says of where it looks. A failed check breaks this hop and no other.
struct PlaceOfCheck {
  std::string_view id;
  Place home;
  Place vps;
  std::optional<MailWay> way{};  ///< absent: both
  /// A tunnel that is not there takes routes and addresses with it: behind a failed "tunnel" a failure of this one is
  /// the tunnel's.
  bool hangs_on_the_tunnel = false;
};

/// Null where there is no such check: each that verify can make has its row.
[[nodiscard]] const PlaceOfCheck* place_of_check(std::string_view id);

/// Of an object of ours, or of what stands in its place.
[[nodiscard]] PathScope where_of(const Finding& finding, const Profile& profile);

/// Call last: the hops of both ways, as the checks so far tell of them. Nothing further is asked.
[[nodiscard]] std::vector<Hop> mail_path(const Inquiry& ask);

/// What a hop is called by people, and what was seen of it where all is well or nothing is known.
[[nodiscard]] std::string name_of(const Inquiry& ask, Place place);
[[nodiscard]] std::string sight_of(const Inquiry& ask, Place place, HopOutcome outcome);

}  // namespace smtpegress
