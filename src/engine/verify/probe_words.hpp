// What a probe saw: what it can be taken for, and in words.
#pragma once

#include <string>

#include "engine/verify/checks.hpp"
#include "smtpegress/probe.hpp"

namespace smtpegress {

/// "192.168.203.10, from its network namespace"; "this host as 192.168.203.1 (why not a container)".
[[nodiscard]] std::string words_for(const ProbeSender& sender, const ProbeSighting& seen);
/// "host unreachable (ICMP 3/1)"
[[nodiscard]] std::string words_for(const PathError& error);

/// Home: what is sent to a private address, or to a network of the sources' own, goes as it would without us.
[[nodiscard]] bool is_spared(const Inquiry& ask, const ProbeSighting& seen);
[[nodiscard]] bool is_unanswered(const ProbeSighting& seen);

/// Did EHLO say the sender's address, for want of a name?
[[nodiscard]] bool said_its_address(const ProbeSighting& seen);
/// And may the server's answer have that address from there, rather than from what it sees? Precondition: it tells the
/// sender's address and no other.
[[nodiscard]] bool may_repeat_us(const ProbeSighting& seen);

/// How far it came: "the server"; "203.0.113.1, hop 1"; "nowhere".
[[nodiscard]] std::string words_for(const HopTrace& trace);

/// How to let the mail leave as that address.
[[nodiscard]] std::string command_to_leave_as(const Profile& profile, const IpAddress& address);

/// How far a sender's packets to the mail's port came, by the routers that told.
struct Reach {
  enum class Place : std::uint8_t {
    kUnsought,  ///< where they end could not be looked for
    kUnknown,   ///< nobody told
    kHere,      ///< this host did, and nobody behind it
    kFarEnd,    ///< home: the VPS did, and nobody behind it
    kBeyond,    ///< a router on the internet did
    kServer,    ///< the server answered
  };
  Place place = Place::kUnknown;
  std::optional<HopTrace::Hop> hop{};  ///< the farthest that told
};
[[nodiscard]] Reach reach_of(const Inquiry& ask, const ProbeSighting& seen);

/// On the VPS, of a server that does not answer the mail: where packets to the control port come to beside it.
enum class BesideControl : std::uint8_t {
  kNothing,  ///< no farther, or it was not asked
  kFarther,  ///< routers tell of them that do not tell of the mail: one on the way drops it
  kServer,   ///< the server answers them, and no router behind the mail's last one tells of them: it is there, or in
             ///< front of it, that the mail is dropped
};
[[nodiscard]] BesideControl beside_control(const ProbeSighting& seen);
/// "they come as far as …, and nobody behind it tells of them"
[[nodiscard]] std::string words_for(const Reach& reach);

}  // namespace smtpegress
