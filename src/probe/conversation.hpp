// One sender's conversation with one server, from the SYN to QUIT; and, where nobody answers, the search for the place
// where its packets come to their end.
#pragma once

#include <string>

#include "probe/connection.hpp"
#include "smtpegress/probe.hpp"

namespace smtpegress::probe {

/// What a conversation needs to know beside its sender.
struct Talk {
  Endpoint server;
  Sending how;
  std::string name;  ///< whom EHLO says it is; empty: the sender's address
  std::optional<IpAddress> far_end{};
  std::uint16_t control_port = 0;
  std::chrono::milliseconds patience{};  ///< of the whole probe: each step has its share of it
};

/// Fills in the sighting from its step kConnect on, by sockets of the calling thread's network namespace.
void hold(const Talk& talk, const Deadline& deadline, ProbeSighting& sighting);

}  // namespace smtpegress::probe
