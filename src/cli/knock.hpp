// A packet of trace's own: the opening of a connection, as a sender of the mail stack's would open it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "probe/connection.hpp"
#include "probe/way_out.hpp"
#include "smtpegress/profile.hpp"

namespace smtpegress::cli {

/// "192.0.2.25", "192.0.2.25:26", "2001:db8::25", "[2001:db8::25]:26"; the port is the profile's first where none is
/// given. kUsage for another thing, and for a port that is none of the profile's.
Result<probe::Endpoint> parse_knock_target(std::string_view text, const Profile& profile);

/// What is asked before a knock is sent: Kernel::look_up_route(), and is_exposed() (engine/exposed.hpp) of a
/// container's address.
struct KnockQuestions {
  probe::RouteLookup way;
  std::function<Result<bool>(const IpAddress&)> is_exposed;
};

class Knock {
 public:
  /// Sends the SYN and does not wait: from the network namespace of a process that has an address of a source's, else
  /// as the user who is a source, else from an address of this host's own in a source's network, with the mark. Nothing
  /// is left behind in any of them. kUsage where there is no such address, or where it would leave past the tunnel:
  /// nothing is sent then. kSystem where the kernel refuses.
  static Result<Knock> send(const Profile& profile, const probe::Endpoint& to, const KnockQuestions& ask);

  /// Was it answered, or refused?
  [[nodiscard]] bool has_ended();
  /// "192.168.203.10, in its own network namespace"
  [[nodiscard]] const std::string& from() const { return from_; }

 private:
  Knock(std::unique_ptr<probe::Connection> connection, std::string from)
      : connection_(std::move(connection)), from_(std::move(from)) {}
  std::unique_ptr<probe::Connection> connection_;
  std::string from_;
};

}  // namespace smtpegress::cli
