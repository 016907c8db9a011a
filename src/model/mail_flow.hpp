// The mail flow's packets at the hooks where something can stop them: what admission is decided on, and what verify
// walks the rulesets with.
#pragma once

#include <string>
#include <vector>

#include "model/packet_walk.hpp"
#include "smtpegress/state.hpp"

namespace smtpegress {

struct FlowPacket {
  std::string title;  ///< "tcp/25 from 192.168.203.0/24", for messages
  PacketFacts facts;
};

/// Those of them that come by tables of that kind.
[[nodiscard]] std::vector<FlowPacket> seen_by(nft::Family tables, std::vector<FlowPacket> packets);

/// At the forward hook: the outgoing packets and their replies, of every source and port.
[[nodiscard]] std::vector<FlowPacket> forwarded_packets(const Profile& profile, const ResolvedHost& host);
/// The outgoing packets alone, as postrouting sees them.
[[nodiscard]] std::vector<FlowPacket> outgoing_packets(const Profile& profile, const ResolvedHost& host);
/// Replies as prerouting sees them before connection tracking: from the tunnel (home) or the WAN (VPS).
[[nodiscard]] std::vector<FlowPacket> arriving_replies(const Profile& profile, const ResolvedHost& host);

// The same, as a chain sees them that stands at `priority` of its hook: connection tracking and address translation are
// functions at that hook themselves, and a chain behind them sees what they did.

/// Replies in prerouting, to the sources and to this host's own senders.
[[nodiscard]] std::vector<FlowPacket> arriving_replies_at(const Profile& profile, const ResolvedHost& host,
                                                          std::int32_t priority);
/// The mail in prerouting: from the sources (home) or out of the tunnel (VPS).
[[nodiscard]] std::vector<FlowPacket> entering_mail_at(const Profile& profile, const ResolvedHost& host,
                                                       std::int32_t priority);
/// The mail and its replies in postrouting; of this host's own, the mail.
[[nodiscard]] std::vector<FlowPacket> leaving_packets_at(const Profile& profile, const ResolvedHost& host,
                                                         std::int32_t priority);

// This host's own mail (HostSender).

/// As it leaves its process: of every sender, address and port.
[[nodiscard]] std::vector<FlowPacket> sent_packets(const Profile& profile);
/// Its replies, as a chain at `priority` of prerouting sees them; of input, all chains see what the latest do there.
[[nodiscard]] std::vector<FlowPacket> received_replies_at(const Profile& profile, std::int32_t priority);

}  // namespace smtpegress
