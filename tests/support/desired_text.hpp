// A desired state as text, every attribute of every object on its line: what goldens of the lowering compare.
#pragma once

#include <string>

#include "smtpegress/state.hpp"

namespace smtpegress::test {

[[nodiscard]] std::string desired_text(const DesiredState& desired);

}  // namespace smtpegress::test
