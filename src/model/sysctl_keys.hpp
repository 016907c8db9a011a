// The sysctls that this program sets, as paths below /proc/sys.
#pragma once

#include <string>
#include <string_view>

namespace smtpegress {

inline constexpr std::string_view kIpv4Conf = "net/ipv4/conf/";
inline constexpr std::string_view kIpv6Conf = "net/ipv6/conf/";
inline constexpr std::string_view kIpForward = "net/ipv4/ip_forward";
inline constexpr std::string_view kIpv6Forward = "net/ipv6/conf/all/forwarding";

/// Of an interface's name, "all" or "default".
[[nodiscard]] inline std::string rp_filter_key(std::string_view interface) {
  return std::string(kIpv4Conf) + std::string(interface) + "/rp_filter";
}

/// Is it one of that interface's own, which come and go with it?
[[nodiscard]] inline bool is_of_interface(std::string_view key, std::string_view interface) {
  return key.find("/conf/" + std::string(interface) + "/") != std::string_view::npos;
}

/// How an interface takes router advertisements: 1 only while the host does not forward, 2 always.
[[nodiscard]] inline std::string accept_ra_key(std::string_view interface) {
  return std::string(kIpv6Conf) + std::string(interface) + "/accept_ra";
}
[[nodiscard]] inline bool is_accept_ra(std::string_view key) {
  return key.ends_with("/accept_ra");
}

}  // namespace smtpegress
