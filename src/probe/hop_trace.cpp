#include "probe/hop_trace.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>

namespace smtpegress::probe {
namespace {

constexpr std::uint8_t kFarthest = 16;  // hops; the internet's far ends are rarely farther, and the first few tell most

struct Shot {
  std::size_t target;
  std::uint8_t ttl;
  std::unique_ptr<Connection> connection;
};

/// What is known of one shot, into its target's trace. One that was never sent says nothing of who would have told.
void record(const Shot& shot, std::optional<HopTrace>& whole) {
  const auto& connection = *shot.connection;
  const bool failed = connection.state() == Connection::State::kFailed;
  if (failed && (connection.errnum() == EMFILE || connection.errnum() == ENFILE)) {
    whole.reset();
  }
  if (!whole) {
    return;
  }
  auto& trace = *whole;
  if (connection.state() == Connection::State::kOpen ||
      (failed && connection.errnum() == ECONNREFUSED && !connection.path_error())) {
    trace.server_answered = true;
  } else if (failed && connection.path_error()) {
    trace.hops.push_back({shot.ttl, connection.path_error()->from});
  }
}

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
  std::vector<std::optional<HopTrace>> traces(to.size(), HopTrace{});
  for (const auto& shot : shots) {
    record(shot, traces[shot.target]);
  }
  return traces;
}

}  // namespace smtpegress::probe
