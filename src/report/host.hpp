// The program and the host that it runs on: versions, and what the host is.
#pragma once

#include <string>
#include <vector>

namespace smtpegress::report {

/// Version, compiler, libraries.
[[nodiscard]] std::vector<std::string> program_lines();
/// Kernel, distribution, and whether it is a container or a virtual machine, as far as files tell. Not its name.
[[nodiscard]] std::vector<std::string> host_lines();

/// The host's own names, "mail.example.org" and "mail"; for masking.
[[nodiscard]] std::vector<std::string> own_names();

}  // namespace smtpegress::report
