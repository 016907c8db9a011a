#include "model/mail_flow.hpp"

#include <fmt/format.h>

namespace smtpegress {
namespace {

constexpr std::uint8_t kSyn = 0x02;  // the SYN flag alone, RFC 9293

template <class Make>
std::vector<FlowPacket> each(const Profile& profile, Make make) {
  std::vector<FlowPacket> packets;
  for (const auto& source : profile.sources) {
    for (const auto& ports : profile.ports) {
      packets.push_back(make(source, ports));
    }
  }
  return packets;
}

IfName single(const std::vector<IfName>& links) {
  return links.size() == 1 ? links.front() : IfName{};
}

/// The interface on the sources' side of this host, and the one on the internet's side.
IfName inner_link(const Profile& profile, const ResolvedHost& host) {
  return profile.side == Side::kHome ? single(host.source_links) : profile.tunnel;
}
IfName outer_link(const Profile& profile, const ResolvedHost& host) {
  return profile.side == Side::kHome ? profile.tunnel : host.wan;
}

}  // namespace

std::vector<FlowPacket> outgoing_packets(const Profile& profile, const ResolvedHost& host) {
  return each(profile, [&](const Prefix& source, const PortRange& ports) {
    return FlowPacket{fmt::format("tcp/{} from {}", ports.to_string(), source.to_string()),
                      {.in = inner_link(profile, host),
                       .out = outer_link(profile, host),
                       .source = source,
                       .destination = {},
                       .source_port = {},
                       .destination_port = ports,
                       .ct_states = nft::kCtNew | nft::kCtEstablished,
                       .direction = nft::CtDirection::kOriginal,
                       .mark = profile.mark.value,
                       .tcp_flags_never = {}}};
  });
}

std::vector<FlowPacket> forwarded_packets(const Profile& profile, const ResolvedHost& host) {
  auto packets = outgoing_packets(profile, host);
  const auto replies = each(profile, [&](const Prefix& source, const PortRange& ports) {
    return FlowPacket{fmt::format("replies from tcp/{} to {}", ports.to_string(), source.to_string()),
                      {.in = outer_link(profile, host),
                       .out = inner_link(profile, host),
                       .source = {},
                       .destination = source,
                       .source_port = ports,
                       .destination_port = {},
                       .ct_states = nft::kCtEstablished,
                       .direction = nft::CtDirection::kReply,
                       .mark = profile.mark.value,
                       .tcp_flags_never = kSyn}};
  });
  packets.insert(packets.end(), replies.begin(), replies.end());
  return packets;
}

std::vector<FlowPacket> arriving_replies(const Profile& profile, const ResolvedHost& host) {
  return each(profile, [&](const Prefix& source, const PortRange& ports) {
    // On the VPS a reply still carries the public address before connection tracking has seen it.
    const auto destination = profile.side == Side::kHome ? std::optional(source)
                             : host.snat_to              ? std::optional(Prefix{*host.snat_to, 32})
                                                         : std::nullopt;
    return FlowPacket{fmt::format("replies from tcp/{} to {}", ports.to_string(), source.to_string()),
                      {.in = outer_link(profile, host),
                       .out = {},
                       .source = {},
                       .destination = destination,
                       .source_port = ports,
                       .destination_port = {},
                       .ct_states = 0,
                       .direction = {},
                       .mark = {},
                       .tcp_flags_never = kSyn}};
  });
}

}  // namespace smtpegress
