// Trace events from nf_tables' messages (NFT_MSG_TRACE). No socket here.
#pragma once

#include <linux/netlink.h>

#include <optional>

#include "smtpegress/trace.hpp"

namespace smtpegress::netlink {

/// Nothing for a message that tells of no packet, or of one that is neither IPv4 nor IPv6. errnum EBADMSG: cut short,
/// or without what every event has.
Result<std::optional<TraceEvent>> decode_trace(const nlmsghdr* message);

}  // namespace smtpegress::netlink
