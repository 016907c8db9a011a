// The sysctls that this program sets, as paths below /proc/sys.
#pragma once

#include <string>
#include <string_view>

namespace smtpegress {

inline constexpr std::string_view kIpForward = "net/ipv4/ip_forward";

/// Of an interface's name, "all" or "default".
[[nodiscard]] inline std::string rp_filter_key(std::string_view interface) {
  return "net/ipv4/conf/" + std::string(interface) + "/rp_filter";
}

}  // namespace smtpegress
