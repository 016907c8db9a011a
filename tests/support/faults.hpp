// What goes wrong on an enabled host, and what verify has to say of it.
#pragma once

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

}  // namespace smtpegress::test
