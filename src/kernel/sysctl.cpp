#include "kernel/sysctl.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>

namespace smtpegress {
namespace {

/// A file descriptor, closed when it goes.
class File {
 public:
  File(const std::string& key, int flags) : fd_(::open(("/proc/sys/" + key).c_str(), flags | O_CLOEXEC)) {}
  ~File() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] int fd() const noexcept { return fd_; }

 private:
  int fd_;
};

}  // namespace

Result<std::string> read_sysctl_file(const std::string& key) {
  const File file(key, O_RDONLY);
  std::array<char, 256> buffer{};  // bytes; the sysctls used here hold one small number
  const ssize_t size = file.fd() < 0 ? -1 : ::read(file.fd(), buffer.data(), buffer.size());
  if (size < 0) {
    const int error = errno;
    return system_error("read sysctl", key, error);
  }
  std::string_view value(buffer.data(), static_cast<std::size_t>(size));
  while (!value.empty() && (value.back() == '\n' || value.back() == ' ')) {
    value.remove_suffix(1);
  }
  return std::string(value);
}

Result<void> write_sysctl_file(const std::string& key, const std::string& value) {
  const File file(key, O_WRONLY);
  const ssize_t size = file.fd() < 0 ? -1 : ::write(file.fd(), value.data(), value.size());
  if (size != static_cast<ssize_t>(value.size())) {
    const int error = size < 0 ? errno : EIO;
    return system_error("write sysctl", key + " = " + value, error, {},
                        error == EROFS ? "/proc/sys is read-only here (in a container?); set it on the host" : "");
  }
  return {};
}

}  // namespace smtpegress
