// Files as the program needs them: small, read whole, each error with its errno.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "smtpegress/error.hpp"

namespace smtpegress {

/// Closed when it goes. Negative: none.
class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) noexcept : fd_(fd) {}
  ~FileDescriptor();
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.release()) {}
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  FileDescriptor& operator=(FileDescriptor&&) = delete;
  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

/// Of the path's last component; refused: ELOOP, and a FIFO is not waited for but read as empty.
enum class Symlinks : std::uint8_t { kFollow, kRefuse };

/// The whole text; EFBIG where it is longer than `limit` bytes. `operation` is the error's ("read profile").
Result<std::string> read_text_file(const std::string& operation, const std::string& path, std::size_t limit,
                                   Symlinks symlinks);

/// In a directory with the sticky bit, others may make files, but not replace those that stand there.
enum class StickyBit : std::uint8_t { kSuffices, kDoesNot };

/// Who beside root, this process's user and `friend_of_ours` may write to what stands at `path` (a link is followed):
/// "owner 1000, mode 0664"; empty: nobody. An error where it cannot be looked at.
Result<std::string> writable_by_others(const std::string& path, StickyBit sticky,
                                       std::optional<uid_t> friend_of_ours = {});

}  // namespace smtpegress
