#include "kernel/sysctl.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "net/file.hpp"

namespace smtpegress {
namespace {

// bytes; the sysctls used here hold one small number
constexpr std::size_t kMaxValue = 256;

}  // namespace

Result<std::string> read_sysctl_file(const std::string& key) {
  auto value = read_text_file("read sysctl", "/proc/sys/" + key, kMaxValue, Symlinks::kFollow);
  while (value && (value->ends_with('\n') || value->ends_with(' '))) {
    value->pop_back();
  }
  return value;
}

Result<void> write_sysctl_file(const std::string& key, const std::string& value) {
  const FileDescriptor file(::open(("/proc/sys/" + key).c_str(), O_WRONLY | O_CLOEXEC));
  const ssize_t size = file.get() < 0 ? -1 : ::write(file.get(), value.data(), value.size());
  if (size != static_cast<ssize_t>(value.size())) {
    const int error = size < 0 ? errno : EIO;
    return system_error("write sysctl", key + " = " + value, error, {},
                        error == EROFS ? "/proc/sys is read-only here (in a container?); set it on the host" : "");
  }
  return {};
}

}  // namespace smtpegress
