#include "net/file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
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
      ::open(path.c_str(), O_RDONLY | O_CLOEXEC | (symlinks == Symlinks::kRefuse ? O_NOFOLLOW | O_NONBLOCK : 0)));
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

Result<std::string> writable_by_others(const std::string& path, StickyBit sticky, std::optional<uid_t> friend_of_ours) {
  struct stat seen {};
  if (::stat(path.c_str(), &seen) != 0) {
    const int error = errno;
    return system_error("look at", path, error);
  }
  const bool is_safe = sticky == StickyBit::kSuffices && S_ISDIR(seen.st_mode) && (seen.st_mode & S_ISVTX) != 0;
  const bool by_mode = (seen.st_mode & (S_IWGRP | S_IWOTH)) != 0 && !is_safe;
  const bool by_owner = seen.st_uid != 0 && seen.st_uid != ::geteuid() && seen.st_uid != friend_of_ours;
  return by_mode || by_owner ? fmt::format("owner {}, mode {:04o}", seen.st_uid, seen.st_mode & 07777U) : std::string();
}

}  // namespace smtpegress
