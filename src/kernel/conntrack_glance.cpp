#include "kernel/conntrack_glance.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <string>
#include <string_view>

namespace smtpegress {
namespace {

/// "ipv4     2 tcp      6 86399 ESTABLISHED src=… dst=… sport=… dport=25 src=…": the first dport is the original one.
bool may_match(std::string_view line, IpFamily family, const std::vector<PortRange>& ports) {
  const std::string_view other = family == IpFamily::kV4 ? "ipv6 " : "ipv4 ";
  if (line.starts_with(other) || line.find(" tcp ") == std::string_view::npos) {
    return false;
  }
  constexpr std::string_view kKey = " dport=";
  const auto at = line.find(kKey);
  std::uint16_t port = 0;
  if (at == std::string_view::npos ||
      std::from_chars(line.data() + at + kKey.size(), line.data() + line.size(), port).ec != std::errc{}) {
    return true;
  }
  return std::ranges::any_of(ports, [&](const PortRange& range) { return range.contains(port); });
}

}  // namespace

bool lists_tcp_to(std::istream& list, IpFamily family, const std::vector<PortRange>& ports) {
  for (std::string line; std::getline(list, line);) {
    if (may_match(line, family, ports)) {
      return true;
    }
  }
  return list.bad();
}

bool may_track_tcp_to(IpFamily family, const std::vector<PortRange>& ports) {
  std::ifstream list("/proc/net/nf_conntrack");
  return !list.is_open() || lists_tcp_to(list, family, ports);
}

}  // namespace smtpegress
