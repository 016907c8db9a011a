#include "engine/verify/endpoint.hpp"

#include <fmt/format.h>
#include <netinet/in.h>

#include <cstring>

namespace smtpegress {

std::optional<Endpoint> endpoint_of(const WireGuardPeer& peer) {
  const auto written = MailServer::parse(peer.endpoint);  // an endpoint is written as a mail server is
  if (!written) {
    return std::nullopt;
  }
  const auto address = IpAddress::parse(written->host);
  return address ? std::optional(Endpoint{*address, written->port.value_or(0)}) : std::nullopt;
}

std::optional<EndpointWay> way_to_endpoint(const Inquiry& ask, const IfName& tunnel, const WireGuardDevice& device,
                                           const WireGuardPeer& peer) {
  const auto endpoint = endpoint_of(peer);
  if (!endpoint) {
    return std::nullopt;
  }
  const auto& [address, port] = *endpoint;
  const auto answer = ask.kernel.look_up_route({.destination = address,
                                                .source = {},
                                                .incoming = {},
                                                .mark = device.fwmark,
                                                .ip_protocol = IPPROTO_UDP,
                                                .source_port = 0,
                                                .destination_port = port});
  if (!answer) {
    return EndpointWay{false, answer.error().message(), "see `ip link` and `ip route`; then verify again"};
  }
  if (answer->errnum != 0) {
    return EndpointWay{
        false, fmt::format("no way to {}: the kernel answers: {}", peer.endpoint, ::strerrordesc_np(answer->errnum)),
        fmt::format("bring up the uplink: `ip route` shows no default route and none to {}", address.to_string())};
  }
  if (answer->interface == tunnel) {
    return EndpointWay{
        false, fmt::format("the tunnel's own packets to {} are routed into {} itself", peer.endpoint, tunnel.str()),
        fmt::format("Table = off in {}.conf, or a route of its own to {} by the uplink", tunnel.str(),
                    address.to_string())};
  }
  return EndpointWay{true, fmt::format("{} by {}", peer.endpoint, answer->interface.str()), {}};
}

}  // namespace smtpegress
