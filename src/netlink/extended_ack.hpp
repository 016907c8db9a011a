// The kernel's own words in an error: NLMSGERR_ATTR_MSG behind an NLMSG_ERROR.
#pragma once

#include <linux/netlink.h>

#include <string>

namespace smtpegress::netlink {

/// Empty where there is none. Precondition: `message` is a whole NLMSG_ERROR message.
[[nodiscard]] std::string extended_ack_text(const nlmsghdr* message);

}  // namespace smtpegress::netlink
