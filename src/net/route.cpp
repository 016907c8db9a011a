#include "smtpegress/route.hpp"

#include <fmt/format.h>

#include <cstring>

namespace smtpegress {
namespace {

std::string_view type_text(RouteType type) {
  switch (type) {
    case RouteType::kUnicast:
      return "";
    case RouteType::kLocal:
      return "local ";
    case RouteType::kBroadcast:
      return "broadcast ";
    case RouteType::kBlackhole:
      return "blackhole ";
    case RouteType::kUnreachable:
      return "unreachable ";
    case RouteType::kProhibit:
      return "prohibit ";
    case RouteType::kThrow:
      return "throw ";
  }
  return "other ";
}

}  // namespace

Prefix InterfaceAddress::network() const {
  return Prefix::around(local, prefix_length);
}

std::vector<UnknownAttribute> on_link() {
  constexpr std::uint16_t kFlags = kHeaderField + 8;  // offsetof(rtmsg, rtm_flags), linux/rtnetlink.h
  constexpr std::uint32_t kOnLink = 4;                // RTNH_F_ONLINK
  UnknownAttribute flags{.type = kFlags, .bytes = {}};
  flags.bytes.resize(sizeof kOnLink);
  std::memcpy(flags.bytes.data(), &kOnLink, sizeof kOnLink);
  return {std::move(flags)};
}

std::string to_string(TableId table) {
  switch (table.value) {
    case 253:
      return "default";
    case 254:
      return "main";
    case 255:
      return "local";
    default:
      return fmt::format("{}", table.value);
  }
}

std::string to_string(const Route& route) {
  auto text = fmt::format("{}{}{}", route.family == IpFamily::kV6 ? "IPv6 " : "", type_text(route.type),
                          route.destination.is_default() ? "default" : route.destination.to_string());
  if (route.gateway) {
    text += " via " + route.gateway->to_string();
  }
  if (!route.interface.empty()) {
    text += " dev " + route.interface.str();
  }
  text += " table " + to_string(route.table);
  if (route.metric != 0) {
    text += fmt::format(" metric {}", route.metric);
  }
  return text + fmt::format(" proto {}", route.protocol.value);
}

}  // namespace smtpegress
