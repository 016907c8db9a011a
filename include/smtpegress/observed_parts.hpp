// A host as one observation found it (kernel.hpp), each part for itself: for who tells what there is, and decides
// nothing by it.
#pragma once

#include <functional>
#include <optional>

#include "smtpegress/error.hpp"
#include "smtpegress/kernel.hpp"

namespace smtpegress {

struct ObservedParts {
  ObservedState state{};  ///< a part that could not be had is empty
  // Why it could not.
  std::optional<Error> links{};  ///< or their addresses
  std::optional<Error> rules{};
  std::optional<Error> routes{};
  std::optional<Error> ruleset{};

  /// Null: all of them could be had.
  [[nodiscard]] const Error* first_error() const {
    for (const auto* error : {&links, &rules, &routes, &ruleset}) {
      if (*error) {
        return &**error;
      }
    }
    return nullptr;
  }
};

using ObserveParts = std::function<ObservedParts()>;

/// Of the running kernel, in the caller's network namespace.
[[nodiscard]] ObservedParts observe_parts();

}  // namespace smtpegress
