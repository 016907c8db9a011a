#include "smtpegress/probe.hpp"

#include <fmt/format.h>

#include "smtpegress/dns.hpp"

namespace smtpegress {
namespace {

bool is_ipv6(std::string_view text) {
  const auto address = IpAddress::parse(text);
  return address && address->family == IpFamily::kV6;
}

std::unexpected<Error> no_server(std::string_view text) {
  return usage_error({}, fmt::format("'{}'", text),
                     "is no mail server; write mx.example.org, mx.example.org:25, 192.0.2.25 or [2001:db8::25]:25");
}

}  // namespace

Result<MailServer> MailServer::parse(std::string_view text) {
  auto host = text;
  std::string_view port;
  bool has_port = false;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    const auto rest = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (end == std::string_view::npos || (!rest.empty() && !rest.starts_with(':')) ||
        !is_ipv6(text.substr(1, end - 1))) {
      return no_server(text);
    }
    host = text.substr(1, end - 1);
    has_port = !rest.empty();
    port = has_port ? rest.substr(1) : rest;
  } else if (const auto colon = text.find(':'); colon != std::string_view::npos && colon == text.rfind(':')) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
    has_port = true;
  }
  const auto number = has_port ? PortRange::parse(port) : PortRange{};
  if ((!IpAddress::parse(host) && !DnsName::parse(host)) || !number || port.find('-') != std::string_view::npos) {
    return no_server(text);
  }
  return MailServer{std::string(host), has_port ? std::optional(number->first) : std::nullopt};
}

std::string MailServer::to_string() const {
  if (!port) {
    return host;
  }
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, *port) : fmt::format("[{}]:{}", host, *port);
}

std::string SmtpReply::to_string() const {
  if (code == 0) {
    return "nothing";
  }
  auto text = fmt::format("{}", code);
  for (const char c : lines.empty() || lines.back().empty() ? std::string() : " " + lines.back()) {
    const auto byte = static_cast<unsigned char>(c);
    text += byte < ' ' || byte >= 0x7f ? fmt::format("\\x{:02x}", byte) : std::string(1, c);
  }
  return text;
}

std::uint8_t HopTrace::last_hop() const noexcept {
  return hops.empty() ? std::uint8_t{0} : hops.back().ttl;
}

}  // namespace smtpegress
