// A WireGuard interface's peers: from the kernel by generic netlink (libnl-genl-3), from a userspace implementation by
// its control socket (FACTS 30).
#pragma once

#include <string_view>

#include "smtpegress/route.hpp"

namespace smtpegress::netlink {

/// errnum ENODEV: neither the kernel nor a control socket knows it as a WireGuard interface.
Result<WireGuardDevice> read_wireguard(const IfName& name);

/// Reads an answer to "get=1" of the cross-platform userspace interface. Tolerates unknown keys; a malformed known one
/// is an error that names it.
Result<WireGuardDevice> parse_uapi(const IfName& name, std::string_view answer);

}  // namespace smtpegress::netlink
