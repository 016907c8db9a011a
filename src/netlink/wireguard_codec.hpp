// The kernel's WireGuard over generic netlink (linux/wireguard.h): messages only. The userspace interface's text is
// parse_uapi in wireguard.hpp.
#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "netlink/handles.hpp"
#include "smtpegress/route.hpp"

namespace smtpegress::netlink {

inline constexpr std::size_t kWireGuardKeySize = 32;  // bytes; WG_KEY_LEN, linux/wireguard.h

/// With padding, as wg(8) shows keys.
[[nodiscard]] std::string base64(std::span<const std::uint8_t> bytes);

/// CTRL_CMD_GETFAMILY for "wireguard".
[[nodiscard]] NlMessage encode_family_query();
/// The family's number; nothing where the answer has none.
[[nodiscard]] std::optional<std::uint16_t> decode_family(const nlmsghdr* message);

/// WG_CMD_GET_DEVICE, a dump.
[[nodiscard]] NlMessage encode_device_query(std::uint16_t family, const IfName& name);
/// Adds the peers of one message of that dump. A peer whose allowed IPs fill more than one message comes again with the
/// rest. errnum EBADMSG: cut short, or a peer without a key.
Result<void> decode_device(WireGuardDevice& device, const nlmsghdr* message);

}  // namespace smtpegress::netlink
