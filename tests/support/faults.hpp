// What goes wrong on an enabled host, and what verify has to say of it.
#pragma once

#include <algorithm>
#include <functional>
#include <ostream>
#include <set>
#include <string>

#include "smtpegress/engine.hpp"
#include "support/fake_kernel.hpp"

namespace smtpegress::test {

struct Fault {
  std::string name;
  bool home = true;  ///< or on the VPS
  std::function<void(FakeHost&)> happens;
  std::set<std::string> failing;  ///< the checks that tell of it, and no other
  std::string said;               ///< in the detail or the mend of a failing check
  friend void PrintTo(const Fault& value, std::ostream* out) { *out << value.name; }
};

struct Failures {
  std::set<std::string> ids;
  std::string told;  ///< a line for each: "id: detail | mend"
};
[[nodiscard]] inline Failures failures(const VerifyReport& report) {
  Failures failures;
  for (const auto& check : report.checks) {
    if (check.outcome == Outcome::kFailed) {
      failures.ids.insert(check.id);
      failures.told += check.id + ": " + check.detail + " | " + check.mend + "\n";
    }
  }
  return failures;
}

/// Held against the picture: the hop that is broken first is that of the check that failed first, and none is without
/// one. Empty: so it is; else what is not so.
[[nodiscard]] inline std::string unlike_the_picture(const VerifyReport& report) {
  const auto check = std::ranges::find(report.checks, Outcome::kFailed, &Check::outcome);
  const Hop* first = nullptr;
  for (const auto& hop : report.path) {
    const bool nearer = first == nullptr || hop.place < first->place;
    first = hop.outcome == HopOutcome::kBroken && nearer ? &hop : first;
  }
  if (check == report.checks.end() || first == nullptr) {
    return (check == report.checks.end()) == (first == nullptr) ? "" : "a check failed, and no hop, or the other way";
  }
  const bool is_its = std::ranges::count(first->checks, check->id) != 0 && first->seen.starts_with(check->detail);
  return is_its ? "" : check->id + " failed first; the first hop to be broken is " + std::string(id_of(first->place));
}

}  // namespace smtpegress::test
