// A packet of trace's own: the opening of a connection, as a sender of the mail stack's would open it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "smtpegress/profile.hpp"

namespace smtpegress::cli {

struct KnockTarget {
  IpAddress address;
  std::uint16_t port = 0;

  /// "192.0.2.25", "192.0.2.25:26", "2001:db8::25", "[2001:db8::25]:26". kUsage for another thing, and for a port that
  /// is none of the profile's.
  static Result<KnockTarget> parse(std::string_view text, const Profile& profile);
};

class Knock {
 public:
  Knock(const Knock&) = delete;
  Knock& operator=(const Knock&) = delete;
  ~Knock();

  /// Sends the SYN and does not wait: from the network namespace of a process that has an address of a source's, else
  /// as the user who is a source, else from an address of this host's own in a source's network, with the mark. Nothing
  /// is left behind in any of them. kUsage where there is no such address.
  static Result<std::unique_ptr<Knock>> send(const Profile& profile, const KnockTarget& to);

  /// Was it answered, or refused? The connection is closed then.
  [[nodiscard]] bool has_ended();
  /// "192.168.203.10, in the network namespace of process 1234"
  [[nodiscard]] const std::string& from() const { return from_; }

 private:
  Knock(int socket, std::string from) : socket_(socket), from_(std::move(from)) {}
  int socket_;  ///< -1: closed
  std::string from_;
};

}  // namespace smtpegress::cli
