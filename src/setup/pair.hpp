// The two ends of one tunnel held against each other.
#pragma once

#include <vector>

#include "setup/descriptor.hpp"
#include "smtpegress/engine.hpp"

namespace smtpegress::setup {

/// One check for each thing that both ends have to agree on; a failed one says what to do, and at which end.
/// Precondition: `home` is a home's, `vps` a VPS's.
[[nodiscard]] std::vector<Check> compare_ends(const Descriptor& home, const Descriptor& vps);

}  // namespace smtpegress::setup
