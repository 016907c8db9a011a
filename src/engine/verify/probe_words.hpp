// What a probe saw, in words.
#pragma once

#include <string>

#include "engine/verify/checks.hpp"
#include "smtpegress/probe.hpp"

namespace smtpegress {

/// "192.168.203.10, from its network namespace"; "this host as 192.168.203.1 (why not a container)".
[[nodiscard]] std::string words_for(const ProbeSender& sender, const ProbeSighting& seen);
/// "host unreachable (ICMP 3/1)"
[[nodiscard]] std::string words_for(const PathError& error);

[[nodiscard]] bool is_own_address(const Inquiry& ask, const IpAddress& address);

/// How far a sender's packets to the mail's port came, by the routers that told.
struct Reach {
  enum class Place : std::uint8_t {
    kUnknown,  ///< nobody told
    kHere,     ///< this host did, and nobody behind it
    kFarEnd,   ///< home: the VPS did, and nobody behind it
    kBeyond,   ///< a router on the internet did
    kServer,   ///< the server answered
  };
  Place place = Place::kUnknown;
  std::optional<HopTrace::Hop> hop{};  ///< the farthest that told
};
[[nodiscard]] Reach reach_of(const Inquiry& ask, const ProbeSighting& seen);
/// "they come as far as …, and nobody behind it tells of them"
[[nodiscard]] std::string words_for(const Reach& reach);

}  // namespace smtpegress
