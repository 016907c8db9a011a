// A probe: real SMTP conversations with mail servers on the internet, each held as somebody whose mail takes the
// tunnel. What is asked of whoever holds them (src/probe; tests have a fake), and what was seen. Nothing here judges:
// verify does.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "smtpegress/mail_server.hpp"
#include "smtpegress/net_types.hpp"

namespace smtpegress {

/// Somebody to send as.
struct ProbeSender {
  IpFamily family = IpFamily::kV4;
  /// Of a container: the network that its address is in. The probe is sent from within its network namespace, as its
  /// own processes send. Absent: by this host itself.
  std::optional<Prefix> source{};
  /// An address of this host's to send from; of a container, where no namespace is found. Absent: then it is not sent.
  std::optional<IpAddress> bound{};
  std::uint32_t mark = 0;              ///< of this host's own packets; 0: none
  std::optional<std::uint32_t> uid{};  ///< they count as sent by this user; absent: by whoever runs the program
  /// Of a container: neither guard nor policy rules would keep what it sends off the home line. Then nothing is sent.
  bool exposed = false;
  auto operator<=>(const ProbeSender&) const = default;
};

struct ProbeRequest {
  std::vector<ProbeSender> senders;
  std::vector<MailServer> servers;     ///< each with a port; every sender talks to every one of them, at once
  std::chrono::milliseconds patience;  ///< bounds all of it, resolving names included
  IfName tunnel{};                     ///< whose packets are counted meanwhile; empty: none
  /// The tunnel's far end, by an address that mail to it takes the tunnel to: asked where a server does not answer.
  ByFamily<std::optional<IpAddress>> far_end{};
  std::uint16_t control_port = 0;   ///< traced too where a server does not answer; 0: none
  ByFamily<IpAddress> somewhere{};  ///< on the internet: what a sender's egress is asked for, and never sent to
  auto operator<=>(const ProbeRequest&) const = default;
};

/// An SMTP reply: its code, and its lines without it.
struct SmtpReply {
  int code = 0;  ///< 0: none came
  std::vector<std::string> lines{};
  [[nodiscard]] std::string to_string() const;  ///< "554 5.7.1 listed", the last line, made printable
  auto operator<=>(const SmtpReply&) const = default;
};

/// Who told a sender, by ICMP, that its packet came to its end there.
struct PathError {
  IpAddress from;
  std::uint8_t type = 0;  ///< of ICMP or ICMPv6
  std::uint8_t code = 0;
  auto operator<=>(const PathError&) const = default;
};

/// Where SYNs with a rising time to live came to their end.
struct HopTrace {
  struct Hop {
    std::uint8_t ttl = 0;
    IpAddress from;
    auto operator<=>(const Hop&) const = default;
  };
  std::vector<Hop> hops{};                               ///< by ttl, those that told
  bool server_answered = false;                          ///< it accepted, or refused
  [[nodiscard]] std::uint8_t last_hop() const noexcept;  ///< the ttl of the farthest that told; 0: none did
  auto operator<=>(const HopTrace&) const = default;
};

/// Packets that an interface has carried.
struct LinkCounters {
  std::uint64_t received = 0;
  std::uint64_t sent = 0;
  auto operator<=>(const LinkCounters&) const = default;
};

/// How far one sender came with one server. The steps are in order: those before this one went well.
enum class ProbeStep : std::uint8_t {
  kResolve,  ///< the name has no address, or none was found in time (errnum 0)
  kFamily,   ///< the name has addresses, but none of the sender's family
  kSender,   ///< there is nobody to send as, and nothing was sent
  kAstray,   ///< it would be sent past the tunnel, and nothing was: from an address of no sender's (sent_from), of
             ///< a sender that is exposed, or of this host itself by another interface (leaves_by)
  kConnect,  ///< errnum says why; ETIMEDOUT: nobody answered
  kBanner,   ///< connected, and no greeting, or one that turns us away
  kEhlo,     ///< greeted, and no answer to EHLO, or one that turns us away
  kLarge,    ///< a full-size segment was lost, and lost again, where small ones arrive
  kDone,     ///< all of it
};

/// How a sender's packets were sent.
enum class ProbeManner : std::uint8_t { kNone, kNamespace, kHost };

struct ProbeSighting {
  std::size_t sender = 0;  ///< which of the request's
  std::size_t server = 0;
  ProbeStep step = ProbeStep::kResolve;
  int errnum = 0;      ///< of the step that it ended at; 0: none is involved
  std::string text{};  ///< the resolver's own words, or why there is nobody to send as
  ProbeManner manner = ProbeManner::kNone;
  std::optional<IpAddress> address{};    ///< the server's
  std::optional<IpAddress> sent_from{};  ///< the sender's own, as the kernel chose it or as it was bound
  IfName leaves_by{};  ///< kAstray, of kHost: where the kernel would send it; empty: not one interface
  std::optional<PathError> path_error{};
  SmtpReply banner{};
  std::string said{};  ///< in EHLO, and HELO: a host's name, or the sender's address in brackets
  SmtpReply ehlo{};
  bool knows_no_ehlo = false;     ///< then `ehlo` is its answer to HELO
  std::vector<IpAddress> told{};  ///< addresses that this answer has in it
  // Of the connection, once there is one.
  std::uint32_t segment = 0;      ///< bytes; the largest that are sent (TCP_INFO's snd_mss)
  std::uint32_t path_mtu = 0;     ///< bytes, as the kernel knows it by now
  std::uint32_t retransmits = 0;  ///< packets sent again
  std::uint32_t large_write = 0;  ///< bytes sent at once; 0: not tried
  bool large_arrived = false;     ///< it was answered, or all of it acknowledged
  // Where nobody answered.
  std::optional<HopTrace> trace{};
  std::optional<HopTrace> control{};       ///< the same to the control port
  std::optional<bool> far_end_answered{};  ///< absent: not asked
  auto operator<=>(const ProbeSighting&) const = default;
};

/// A sender's other ways out: from which address it would begin a connection to the internet. Nothing is sent to learn
/// it.
struct ProbeEgress {
  std::size_t sender = 0;
  IpAddress from;
  auto operator<=>(const ProbeEgress&) const = default;
};

struct ProbeReport {
  std::vector<ProbeSighting> sightings{};  ///< by sender, then server
  std::vector<ProbeEgress> egress{};       ///< of senders found in a namespace, in both families
  std::optional<LinkCounters> before{};    ///< of the tunnel; absent where it could not be read
  std::optional<LinkCounters> after{};
};

/// Whoever holds the conversations. probe() returns within the request's patience, makes no object in the kernel, and
/// leaves no socket behind.
class Prober {
 public:
  Prober() = default;
  Prober(const Prober&) = delete;
  Prober& operator=(const Prober&) = delete;
  virtual ~Prober() = default;
  virtual ProbeReport probe(const ProbeRequest& request) = 0;
};

}  // namespace smtpegress
