// Sysctls, as files below /proc/sys of the caller's network namespace.
#pragma once

#include <string>

#include "smtpegress/error.hpp"

namespace smtpegress {

/// errnum ENOENT where the file is absent.
Result<std::string> read_sysctl_file(const std::string& key);
Result<void> write_sysctl_file(const std::string& key, const std::string& value);

}  // namespace smtpegress
