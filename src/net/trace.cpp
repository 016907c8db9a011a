#include "smtpegress/trace.hpp"

#include <fmt/format.h>

#include <array>

namespace smtpegress {
namespace {

struct Flag {
  std::uint8_t bit;
  std::string_view name;
};
// TCP header byte 13, RFC 9293. PSH and URG tell nothing of a packet's fate.
constexpr std::array kFlags{Flag{0x02, "SYN"}, Flag{0x01, "FIN"}, Flag{0x04, "RST"}, Flag{0x10, "ACK"}};

std::string end_text(const IpAddress& address, std::uint16_t port) {
  const auto text = address.to_string();
  return address.family == IpFamily::kV4 ? fmt::format("{}:{}", text, port) : fmt::format("[{}]:{}", text, port);
}

}  // namespace

std::string to_string(const TracedPacket& packet) {
  std::string flags;
  for (const auto& flag : kFlags) {
    if ((packet.tcp_flags & flag.bit) != 0) {
      flags += (flags.empty() ? "" : ",") + std::string(flag.name);
    }
  }
  return fmt::format("{} -> {}{}{}{}", end_text(packet.source, packet.source_port),
                     end_text(packet.destination, packet.destination_port), flags.empty() ? "" : " [", flags,
                     flags.empty() ? "" : "]");
}

}  // namespace smtpegress
