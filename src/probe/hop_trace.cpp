#include "probe/hop_trace.hpp"

#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <poll.h>

#include <cerrno>

#include "net/contains.hpp"

namespace smtpegress::probe {
namespace {

constexpr std::uint8_t kFarthest = 16;  // hops; the internet's far ends are rarely farther, and the first few tell most

struct Shot {
  std::size_t target;
  std::uint8_t ttl;
  std::unique_ptr<Connection> connection;
};

/// Lived not long enough, says a router that would have passed it on. Other errors are refusals, of whatever time to
/// live.
bool is_time_exceeded(const PathError& error) {
  return error.type == (error.from.family == IpFamily::kV4 ? ICMP_TIME_EXCEEDED : ICMP6_TIME_EXCEEDED);
}

/// Was it never sent?
bool is_for_want_of_descriptors(const Connection& connection) {
  return connection.state() == Connection::State::kFailed &&
         (connection.errnum() == EMFILE || connection.errnum() == ENFILE);
}

/// Of shots with a rising time to live, whose connections are not waited for any more.
class Record {
 public:
  explicit Record(const IpAddress& target) : target_(target) {}

  void add(std::uint8_t ttl, const Connection& connection) {
    const bool failed = connection.state() == Connection::State::kFailed;
    const auto& error = connection.path_error();
    if (connection.state() == Connection::State::kOpen || (failed && connection.errnum() == ECONNREFUSED && !error)) {
      trace_.server_answered = true;
    } else if (failed && error) {
      add_error(ttl, *error, connection.local_address());
    }
  }
  [[nodiscard]] HopTrace trace() const {
    return ended_here_ ? HopTrace{.hops = {}, .server_answered = trace_.server_answered} : trace_;
  }

 private:
  void add_error(std::uint8_t ttl, const PathError& error, const std::optional<IpAddress>& own) {
    if (is_time_exceeded(error)) {
      add_hop(ttl, error.from);
    } else if (error.from == target_) {
      trace_.server_answered = true;
    } else if (error.from == own) {
      ended_here_ = true;
    } else {
      if (!contains(trace_.hops, error.from, &HopTrace::Hop::from)) {
        add_hop(ttl, error.from);
      }
      is_refused_ = true;
    }
  }
  /// Behind a router that refuses them there is none.
  void add_hop(std::uint8_t ttl, const IpAddress& from) {
    if (!is_refused_) {
      trace_.hops.push_back({ttl, from});
    }
  }

  IpAddress target_;
  HopTrace trace_;
  bool is_refused_ = false;
  bool ended_here_ = false;  ///< this host itself lets none out
};

void wait(std::vector<Shot>& shots, const Deadline& deadline) {
  for (;;) {
    std::vector<pollfd> watched;
    for (const auto& shot : shots) {
      shot.connection->look();
      if (shot.connection->state() == Connection::State::kOpening) {
        watched.push_back({.fd = shot.connection->fd(), .events = POLLOUT, .revents = 0});
      }
    }
    if (watched.empty() || deadline.past() ||
        (::poll(watched.data(), watched.size(), deadline.left()) < 0 && errno != EINTR)) {
      return;
    }
  }
}

/// Nothing where one of its shots was never sent: that says nothing of who would have told.
std::optional<HopTrace> trace_of(const std::vector<Shot>& shots, std::size_t target, const IpAddress& address) {
  Record record(address);
  for (const auto& shot : shots) {
    if (shot.target != target) {
      continue;
    }
    if (is_for_want_of_descriptors(*shot.connection)) {
      return std::nullopt;
    }
    record.add(shot.ttl, *shot.connection);
  }
  return record.trace();
}

}  // namespace

std::vector<std::optional<HopTrace>> trace_hops(const std::vector<Endpoint>& to, const Sending& how,
                                                const Deadline& deadline) {
  std::vector<Shot> shots;
  for (std::size_t target = 0; target < to.size(); ++target) {
    for (std::uint8_t ttl = 1; ttl <= kFarthest; ++ttl) {
      auto sending = how;
      sending.ttl = ttl;
      shots.push_back({target, ttl, std::make_unique<Connection>(to[target], sending)});
    }
  }
  wait(shots, deadline);
  std::vector<std::optional<HopTrace>> traces;
  traces.reserve(to.size());
  for (std::size_t target = 0; target < to.size(); ++target) {
    traces.push_back(trace_of(shots, target, to[target].address));
  }
  return traces;
}

}  // namespace smtpegress::probe
