// A file that is there whole, or not at all.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace smtpegress::cli {

/// What becomes of one that is there already.
enum class Existing : std::uint8_t { kRefuse, kReplace };

/// Written beside, flushed to disk, and only then given its name; of that mode whatever the umask says, where the file
/// system has modes. 0, or the errno of what failed: EEXIST where one is there that is to stay.
[[nodiscard]] int write_whole_file(const std::string& path, std::string_view text, mode_t mode, Existing existing);

}  // namespace smtpegress::cli
