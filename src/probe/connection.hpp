// One tcp connection, non-blocking, with what the kernel knows of it: who refused it by ICMP, what had to be sent
// again.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/file.hpp"
#include "probe/deadline.hpp"
#include "smtpegress/probe.hpp"

namespace smtpegress::probe {

struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;
};

/// How its packets are sent.
struct Sending {
  std::optional<IpAddress> bound{};
  std::uint32_t mark = 0;
  std::uint8_t ttl = 0;  ///< 0: the system's; else its SYN is sent a few times at most
  /// The only one that it may leave by, and its answers come in by, whatever becomes of the routes; empty: any.
  IfName device{};
};

/// Of TCP_INFO.
struct TcpFacts {
  std::uint32_t segment = 0;
  std::uint32_t path_mtu = 0;
  std::uint32_t unacknowledged = 0;  ///< packets
  std::uint32_t retransmits = 0;     ///< packets, of the connection's whole life
  bool all_acknowledged = false;     ///< what was written: the other side has it, and has not reset the connection
};

/// Ends with a reset unless it is let go by end_politely(): nothing of it outlives the process, however that ends.
class Connection {
 public:
  enum class State : std::uint8_t { kOpening, kOpen, kFailed };

  /// Sends the SYN. A failure at once is the state's, with its errnum.
  Connection(const Endpoint& to, const Sending& how);

  [[nodiscard]] int fd() const noexcept { return socket_.get(); }
  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] int errnum() const noexcept { return errnum_; }
  [[nodiscard]] const std::optional<PathError>& path_error() const noexcept { return path_error_; }
  [[nodiscard]] std::optional<IpAddress> local_address() const;

  /// Looks, without waiting, whether it is open by now, or has failed.
  void look();
  /// The same, waiting until it is no longer opening.
  void wait_until_open(const Deadline& deadline);

  enum class Received : std::uint8_t { kBytes, kNothingYet, kClosed, kFailed };
  /// Waits until `deadline` for bytes; appends them.
  Received receive(std::string& to, const Deadline& deadline);
  /// All of it, or false: not before the deadline, or the connection failed.
  bool send(std::string_view bytes, const Deadline& deadline);

  [[nodiscard]] TcpFacts facts() const;
  void end_politely();

 private:
  void fail(int errnum);
  void read_path_error();

  FileDescriptor socket_;
  IpFamily family_;
  State state_ = State::kOpening;
  int errnum_ = 0;
  std::optional<PathError> path_error_;
};

/// As which address this network namespace would send to `to`, by its routes alone: no packet is sent. Nothing where it
/// has no way.
[[nodiscard]] std::optional<IpAddress> source_towards(const IpAddress& to);

}  // namespace smtpegress::probe
