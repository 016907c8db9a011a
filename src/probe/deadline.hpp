// A point in time that bounds everything done until then.
#pragma once

#include <algorithm>
#include <chrono>

namespace smtpegress::probe {

class Deadline {
 public:
  using Clock = std::chrono::steady_clock;
  explicit Deadline(Clock::time_point at) : at_(at) {}
  static Deadline in(std::chrono::milliseconds time) { return Deadline(Clock::now() + time); }

  /// In ms for poll(2), rounded up; 0: it is past.
  [[nodiscard]] int left() const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(at_ - Clock::now()).count();
    constexpr std::int64_t kLongest = 3'600'000;  // ms; nobody waits longer
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, kLongest));
  }
  [[nodiscard]] bool past() const { return left() == 0; }
  [[nodiscard]] Deadline at_most(std::chrono::milliseconds time) const {
    return Deadline(std::min(at_, Clock::now() + time));
  }

 private:
  Clock::time_point at_;
};

}  // namespace smtpegress::probe
