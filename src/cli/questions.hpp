// Questions to the person at the terminal.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "setup/propose.hpp"

namespace smtpegress::cli {

/// A numbered list on `out`, an answer from `in`, asked again until it is one: the values chosen. An empty line is the
/// first candidate. kUsage: `in` has ended.
Result<std::vector<std::string>> ask(const setup::Question& question, std::FILE* in, std::FILE* out);

}  // namespace smtpegress::cli
