// Would a packet of the mail flow come through a chain? Rules are tried in order with three-valued tests, because an
// observed rule may hold what the decoder does not understand, and a flow is not one packet but many. A rule that may
// accept all of them, or send them back, leaves nothing certain of what stands behind it.
#pragma once

#include <optional>
#include <string>

#include "smtpegress/nft.hpp"

namespace smtpegress {

/// What this host has to do with packets.
enum class Passage : std::uint8_t {
  kForwarded,
  kSent,      ///< by this host itself: they come in by no interface
  kReceived,  ///< for this host itself: they leave by none
};

/// A set of packets, as far as it is known: an unset field may be anything.
struct PacketFacts {
  IpFamily family = IpFamily::kV4;
  IfName in;  ///< empty: anything
  IfName out;
  std::optional<Prefix> source;
  std::optional<Prefix> destination;
  std::optional<PortRange> source_port;
  std::optional<PortRange> destination_port;
  std::uint8_t protocol = 6;    ///< IPPROTO_TCP
  std::uint32_t ct_states = 0;  ///< the states it may be in; 0: not tracked yet, unknown
  std::optional<nft::CtDirection> direction;
  std::optional<std::uint32_t> mark;
  /// Does the way back to its source, looked up without its mark or with it, lead by the interface it came in by?
  std::optional<bool> returns{};
  std::optional<bool> returns_by_mark{};
  std::optional<std::uint8_t> tcp_flags_never;  ///< flags & (fin|syn|rst|ack) is never this value
  Passage passage = Passage::kForwarded;
  std::optional<std::uint32_t> uid{};  ///< of those sent: whose process does
};

/// Where a packet may end.
struct Obstacle {
  nft::ChainKey chain;
  std::string rule;       ///< in nft's words; "policy drop" for the chain's policy
  bool certain = false;   ///< packets surely end there, as many as was asked for; else it depends on what is not known
  bool of_peers = false;  ///< of certain peers only, by their addresses: somebody's decision about those
  std::uint64_t handle = 0;  ///< the rule's; 0: the chain's policy, or a rule of iptables-legacy, which has none
};

/// When an obstacle counts as certain.
enum class Ends : std::uint8_t {
  kSome,  ///< some of the packets surely end there: those of one container of the network, say
  kAll,   ///< none of them gets past it
};

/// The first place in the base chain `chain`, or in a chain it jumps to, where such a packet may be dropped, rejected
/// or handed to userspace; nothing if it surely comes through. Rules for which `skip` holds are taken as not there.
using SkipRule = bool (*)(const nft::Rule&);
[[nodiscard]] std::optional<Obstacle> find_obstacle(const nft::Ruleset& ruleset, const nft::ObservedChain& chain,
                                                    const PacketFacts& packet, SkipRule skip = nullptr,
                                                    Ends ends = Ends::kSome);

/// The first rule in the nat chain that may give such a packet another address: the source's in postrouting, the
/// destination's in prerouting.
[[nodiscard]] std::optional<Obstacle> find_rewrite(const nft::Ruleset& ruleset, const nft::ObservedChain& chain,
                                                   const PacketFacts& packet);

/// Do all of the rule's tests hold? In rising order.
enum class Holds : std::uint8_t {
  kNo,
  kPeers,  ///< for certain peers, by an address that the rule names and that is none of this host's
  kMaybe,  ///< it depends on something unknown: the peer's address, a test that the decoder does not understand
  kSome,   ///< for a part of these packets, surely: one container of the source network, the flow's first packet
  kYes,
};
[[nodiscard]] Holds holds(const nft::Rule& rule, const PacketFacts& packet);

}  // namespace smtpegress
