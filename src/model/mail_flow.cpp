#include "model/mail_flow.hpp"

#include <fmt/format.h>

#include "model/docker.hpp"
#include "model/families.hpp"
#include "model/host_senders.hpp"
#include "model/rules.hpp"
#include "model/tenants.hpp"

namespace smtpegress {
namespace {

using rules::kSyn;

// linux/netfilter_ipv4.h
constexpr std::int32_t kTrackingPriority = -200;     // NF_IP_PRI_CONNTRACK
constexpr std::int32_t kDestinationPriority = -100;  // NF_IP_PRI_NAT_DST

template <class Make>
std::vector<FlowPacket> each(const Profile& profile, const ResolvedHost& host, Make make) {
  std::vector<FlowPacket> packets;
  for (const auto& source : mail_sources(profile, host)) {
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
IfName inner_link(const Profile& profile, const ResolvedHost& host, const MailSource& source) {
  return profile.side == Side::kHome ? single(host.source_links) : source.tunnel;
}
IfName outer_link(const Profile& profile, const ResolvedHost& host) {
  return profile.side == Side::kHome ? profile.tunnel : host.wan;
}

}  // namespace

std::vector<FlowPacket> seen_by(nft::Family tables, std::vector<FlowPacket> packets) {
  std::erase_if(packets, [&](const FlowPacket& packet) { return !sees(tables, packet.facts.family); });
  return packets;
}

std::vector<FlowPacket> outgoing_packets(const Profile& profile, const ResolvedHost& host) {
  return each(profile, host, [&](const MailSource& source, const PortRange& ports) {
    return FlowPacket{fmt::format("tcp/{} from {}", ports.to_string(), source.network.to_string()),
                      {.family = source.network.address.family,
                       .in = inner_link(profile, host, source),
                       .out = outer_link(profile, host),
                       .source = source.network,
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
  const auto replies = each(profile, host, [&](const MailSource& source, const PortRange& ports) {
    return FlowPacket{fmt::format("replies from tcp/{} to {}", ports.to_string(), source.network.to_string()),
                      {.family = source.network.address.family,
                       .in = outer_link(profile, host),
                       .out = inner_link(profile, host, source),
                       .source = {},
                       .destination = source.network,
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
  return each(profile, host, [&](const MailSource& source, const PortRange& ports) {
    // Where the mail's address was replaced, a reply carries the new one until connection tracking has seen it.
    const bool preserved = profile.side == Side::kHome && profile.nat == HomeNat::kPreserve;
    const auto destination = preserved        ? std::optional(source.network)
                             : source.snat_to ? std::optional(Prefix::of(*source.snat_to))
                                              : std::nullopt;
    return FlowPacket{fmt::format("replies from tcp/{} to {}", ports.to_string(), source.network.to_string()),
                      {.family = source.network.address.family,
                       .in = outer_link(profile, host),
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

std::vector<FlowPacket> arriving_replies_at(const Profile& profile, const ResolvedHost& host, std::int32_t priority) {
  auto packets = arriving_replies(profile, host);
  const auto behind_nat = forwarded_packets(profile, host);
  const bool sidesteps = bypass_for(profile, host) == DockerBypass::kSidestep;
  for (std::size_t i = 0; i < packets.size(); ++i) {
    auto& facts = packets[i].facts;
    if (sidesteps && rules::kBeforeRawPriority < priority && priority < rules::kAfterRawPriority) {
      facts.destination = sidestep_network(*facts.destination);
    }
    if (priority > kTrackingPriority) {
      facts.ct_states = nft::kCtEstablished;
      facts.direction = nft::CtDirection::kReply;
    }
    if (priority > kDestinationPriority) {
      facts.destination = behind_nat.at(behind_nat.size() / 2 + i).facts.destination;
    }
  }
  const auto own = received_replies_at(profile, priority);
  packets.insert(packets.end(), own.begin(), own.end());
  return packets;
}

std::vector<FlowPacket> entering_mail_at(const Profile& profile, const ResolvedHost& host, std::int32_t priority) {
  auto packets = outgoing_packets(profile, host);
  for (auto& packet : packets) {
    packet.facts.out = {};
    packet.facts.mark.reset();  // whoever sets one in prerouting
    if (priority <= kTrackingPriority) {
      packet.facts.ct_states = 0;
      packet.facts.direction.reset();
    }
  }
  return packets;
}

std::vector<FlowPacket> leaving_packets_at(const Profile& profile, const ResolvedHost& host, std::int32_t priority) {
  auto packets = forwarded_packets(profile, host);
  if (priority >= rules::kBeforeSnatPriority) {
    std::size_t next = 0;  // the mail of each source and port, then the replies
    for (const auto& source : mail_sources(profile, host)) {
      for (std::size_t port = 0; port < profile.ports.size(); ++port, ++next) {
        auto& facts = packets.at(next).facts;
        facts.source = source.snat_to ? std::optional(Prefix::of(*source.snat_to)) : facts.source;
      }
    }
  }
  const auto own = sent_packets(profile);
  packets.insert(packets.end(), own.begin(), own.end());
  return packets;
}

std::vector<FlowPacket> sent_packets(const Profile& profile) {
  std::vector<FlowPacket> packets;
  for (const auto& sender : profile.host_senders) {
    for (const auto& address : sender.addresses) {
      for (const auto& ports : profile.ports) {
        const auto uid =
            sender.who == HostSender::Who::kUser ? std::optional(sender.uid) : std::optional<std::uint32_t>();
        packets.push_back(
            {fmt::format("tcp/{} of {}", ports.to_string(), HostSender{sender.who, sender.uid, {address}}.to_string()),
             {.family = address.family,
              .in = {},
              .out = profile.tunnel,
              .source = Prefix::of(address),
              .destination = {},
              .source_port = {},
              .destination_port = ports,
              .ct_states = nft::kCtNew | nft::kCtEstablished,
              .direction = nft::CtDirection::kOriginal,
              .mark = 0,
              .tcp_flags_never = {},
              .passage = Passage::kSent,
              .uid = uid}});
      }
    }
  }
  return packets;
}

std::vector<FlowPacket> received_replies_at(const Profile& profile, std::int32_t priority) {
  const bool is_tracked = priority > kTrackingPriority;
  std::vector<FlowPacket> packets;
  for (const auto& address : own_addresses(profile)) {
    for (const auto& ports : profile.ports) {
      packets.push_back({fmt::format("replies from tcp/{} to {}", ports.to_string(), address.to_string()),
                         {.family = address.family,
                          .in = profile.tunnel,
                          .out = {},
                          .source = {},
                          .destination = Prefix::of(address),
                          .source_port = ports,
                          .destination_port = {},
                          .ct_states = is_tracked ? nft::kCtEstablished : 0,
                          .direction = is_tracked ? std::optional(nft::CtDirection::kReply) : std::nullopt,
                          .mark = {},
                          .tcp_flags_never = kSyn,
                          .passage = Passage::kReceived,
                          .uid = {}}});
    }
  }
  return packets;
}

}  // namespace smtpegress
