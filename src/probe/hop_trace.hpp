// Where packets to a server come to their end: SYNs with a rising time to live, and the routers that tell of them. No
// raw socket: the kernel keeps who told in the connection's error queue.
#pragma once

#include <optional>
#include <vector>

#include "probe/connection.hpp"

namespace smtpegress::probe {

/// Of all of `to` at once, until `deadline`, or until all is known; nothing of one for which there were too few file
/// descriptors. `how`'s time to live does not count. A hop is who tells that the time to live is over; whoever refuses
/// a packet is the last one, unless it is the server itself, which has answered then. Where this host itself refuses
/// them there is no hop.
[[nodiscard]] std::vector<std::optional<HopTrace>> trace_hops(const std::vector<Endpoint>& to, const Sending& how,
                                                              const Deadline& deadline);

}  // namespace smtpegress::probe
