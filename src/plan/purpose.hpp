// Why an object is there at all, in a person's words: the second half of each line of `plan`.
#pragma once

#include <string>

#include "smtpegress/plan.hpp"

namespace smtpegress {

[[nodiscard]] std::string reason_for(const Finding& finding);

}  // namespace smtpegress
