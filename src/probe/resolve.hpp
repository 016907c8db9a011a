// Names, by the host's own resolver, and never longer than one is willing to wait.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "probe/deadline.hpp"
#include "smtpegress/net_types.hpp"

namespace smtpegress::probe {

struct Resolved {
  std::vector<IpAddress> addresses{};  ///< in the resolver's order
  std::string problem{};               ///< its own words, where there are none; empty: it did not answer in time
};

/// One question, being asked from construction on. getaddrinfo(3) has no time limit and cannot be called off, so it is
/// left to a thread that nobody waits for: it holds nothing but the place for its answer, and ends with the process.
class Resolution {
 public:
  /// An address is its own answer, and nobody is asked.
  explicit Resolution(const std::string& host);
  [[nodiscard]] Resolved answer(const Deadline& deadline) const;

 private:
  struct Place {
    std::mutex mutex;
    std::condition_variable changed;
    bool done = false;
    Resolved resolved;
  };
  std::shared_ptr<Place> place_ = std::make_shared<Place>();
};

}  // namespace smtpegress::probe
