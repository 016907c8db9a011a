// Files as the program needs them: small, read whole, each error with its errno.
#pragma once

#include <cstddef>
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

enum class Symlinks : std::uint8_t { kFollow, kRefuse };  ///< of the path's last component; refused: ELOOP

/// The whole text; EFBIG where it is longer than `limit` bytes. `operation` is the error's ("read profile").
Result<std::string> read_text_file(const std::string& operation, const std::string& path, std::size_t limit,
                                   Symlinks symlinks);

}  // namespace smtpegress
