// Packets followed through nf_tables, as the kernel tells of them (`meta nftrace`), and what became of each.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "smtpegress/net_types.hpp"
#include "smtpegress/nft.hpp"

namespace smtpegress {

/// What a packet's headers say, at one place on its way.
struct TracedPacket {
  IpAddress source;
  IpAddress destination;
  std::uint16_t length = 0;    ///< bytes, the IP header included; of IPv6 only what follows it is counted in the packet
  std::uint8_t hops_left = 0;  ///< TTL, hop limit
  std::uint8_t protocol = 0;   ///< IPPROTO_*
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  std::uint8_t tcp_flags = 0;  ///< RFC 9293, header byte 13
  auto operator<=>(const TracedPacket&) const = default;
};
[[nodiscard]] std::string to_string(const TracedPacket& packet);  ///< "192.0.2.1:40000 -> 192.0.2.25:25 [SYN]"

/// One rule that held, or one chain's end. A rule whose tests failed is not told of.
struct TraceEvent {
  enum class Kind : std::uint8_t { kPolicy = 1, kReturn = 2, kRule = 3 };  // enum nft_trace_types
  std::uint32_t id = 0;  ///< of the packet; used again, after a while, for another
  Kind kind = Kind::kRule;
  nft::ChainKey chain;
  std::uint64_t handle = 0;             ///< the rule's; 0: none, the chain's end
  std::optional<nft::Verdict> verdict;  ///< the rule's, or the policy's; absent: one that is not known here
  std::uint32_t mark = 0;               ///< after the rule
  // With a base chain's first event alone:
  std::optional<TracedPacket> packet;
  int in = 0;  ///< interface by index; 0: none
  int out = 0;
  std::uint32_t ct_states = 0;  ///< one of nft::kCt…; 0: not tracked yet, or a kernel before 6.16
  auto operator<=>(const TraceEvent&) const = default;
};

struct TraceRead {
  std::vector<TraceEvent> events;  ///< in the order in which they happened
  bool overrun = false;            ///< more came than the socket has room for: some were lost
};

/// A table of ours stands for as long as this object does, and goes with it: by the kernel's own hand, whatever ends
/// the process.
class PacketTrace {
 public:
  PacketTrace() = default;
  PacketTrace(const PacketTrace&) = delete;
  PacketTrace& operator=(const PacketTrace&) = delete;
  virtual ~PacketTrace() = default;

  /// What has come; waits for it, at most so long or until a signal comes. None: nothing came.
  virtual Result<TraceRead> next(std::chrono::milliseconds wait) = 0;
};

enum class JourneyEnd : std::uint8_t {
  kLeft,        ///< by an interface
  kDelivered,   ///< to this host itself
  kDropped,     ///< by a rule or a policy
  kQueued,      ///< handed to a program, which did not give it back while it was followed
  kLost,        ///< by something that nf_tables does not show
  kUnfinished,  ///< the trace ended first, or events were lost
};

/// A rule that had a part in it.
struct TraceStep {
  nft::ChainKey chain;
  std::uint64_t handle = 0;  ///< 0: the chain's policy
  std::string rule;          ///< in nft's words; "handle 12" where it is not known, "policy drop"
  std::string verdict;       ///< "accept", "drop"; empty: the packet went on
  std::string owner;         ///< whose rule it is: "ours (mark)", "Docker", "ufw"
  std::uint32_t mark = 0;    ///< the packet's, behind it
  auto operator<=>(const TraceStep&) const = default;
};

/// A packet's whole way, or that of several which went the same one.
struct Journey {
  enum class Direction : std::uint8_t { kMail, kReply };
  enum class Judgement : std::uint8_t {
    kRight,
    kWrong,
    kAside,  ///< no mail of the instance's: said, not judged
  };
  Direction direction = Direction::kMail;
  TracedPacket packet;  ///< as it came
  IfName in;            ///< empty: sent by this host itself
  std::vector<TraceStep> steps;
  JourneyEnd end = JourneyEnd::kUnfinished;
  Judgement judgement = Judgement::kRight;
  IfName out;                           ///< by which it left
  std::optional<TracedPacket> left_as;  ///< with other addresses, perhaps
  std::string reason;                   ///< where it is not right: why, in a line
  std::string mend;                     ///< and what to do
  std::size_t count = 1;                ///< packets that went this way
};

}  // namespace smtpegress
