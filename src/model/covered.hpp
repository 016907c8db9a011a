// Does a list of networks, such as AllowedIPs, hold a network whole?
#pragma once

#include <vector>

#include "smtpegress/net_types.hpp"

namespace smtpegress {

/// Is every address of `wanted` in one of `allowed`? Halves, as in 0.0.0.0/1 and 128.0.0.0/1, count together.
[[nodiscard]] bool covered(const Prefix& wanted, const std::vector<Prefix>& allowed);

}  // namespace smtpegress
