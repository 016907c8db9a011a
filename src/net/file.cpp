#include "net/file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace smtpegress {

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) {
    ::close(fd_);
  }
}

Result<std::string> read_text_file(const std::string& operation, const std::string& path, std::size_t limit,
                                   Symlinks symlinks) {
  const FileDescriptor file(
      ::open(path.c_str(), O_RDONLY | O_CLOEXEC | (symlinks == Symlinks::kRefuse ? O_NOFOLLOW : 0)));
  std::string text;
  std::array<char, 4096> part;  // NOLINT(*-member-init): read fills it
  for (;;) {
    const ssize_t size = file.get() < 0 ? -1 : ::read(file.get(), part.data(), part.size());
    if (size < 0) {
      const int error = errno;
      return system_error(operation, path, error);
    }
    if (size == 0) {
      return text;
    }
    text.append(part.data(), static_cast<std::size_t>(size));
    if (text.size() > limit) {
      return system_error(operation, path, EFBIG);
    }
  }
}

}  // namespace smtpegress
