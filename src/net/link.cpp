#include "smtpegress/link.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace smtpegress {

std::string MacAddress::to_string() const {
  return fmt::format("{:02x}", fmt::join(bytes, ":"));
}

std::string to_string(const LinkSpec& link) {
  if (link.remote == IpAddress{}) {
    return fmt::format("{} {}", link.name.str(), link.kind);
  }
  auto text = fmt::format("{} {} {} -> {} dev {}", link.name.str(), link.kind,
                          link.local ? link.local->to_string() : "?", link.remote.to_string(), link.lower.str());
  if (link.port != 0) {
    text += fmt::format(" udp {}", link.port);
  }
  if (link.mtu != 0) {
    text += fmt::format(" mtu {}", link.mtu);
  }
  for (const auto& address : link.addresses) {
    text += " address " + address.to_string();
  }
  return text;
}

}  // namespace smtpegress
