// A client's port in what is asked of the kernel before there is a socket.
#pragma once

#include <cstdint>

namespace smtpegress {

/// Any would do: the kernel chooses the real one when it connects, from net.ipv4.ip_local_port_range (32768 to 60999).
constexpr std::uint16_t kEphemeral = 40'000;

}  // namespace smtpegress
