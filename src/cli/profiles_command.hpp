// What `profiles` lists. Of files, and the names of what is enabled; the kernel is not asked.
#pragma once

#include <string>
#include <vector>

#include "cli/output.hpp"
#include "cli/profile_files.hpp"
#include "smtpegress/error.hpp"

namespace smtpegress::cli {

/// A line for each profile there is; with `enabled` an error, of none it is known whether it is.
[[nodiscard]] std::vector<ProfileLine> profile_lines(const ProfileFiles& files,
                                                     const Result<std::vector<std::string>>& enabled);

}  // namespace smtpegress::cli
