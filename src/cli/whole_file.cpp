#include "cli/whole_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "net/file.hpp"

namespace smtpegress::cli {
namespace {

/// A file that was made here; removed when it goes: what is to stay has another name by then.
class Scratch {
 public:
  explicit Scratch(std::string path) : path_(std::move(path)) {}
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { ::unlink(path_.c_str()); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// 0, or the errno of what failed.
int write_all(int fd, std::string_view text, mode_t mode) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0) {
      return errno;
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return ::fchmod(fd, mode) != 0 || ::fsync(fd) != 0 ? errno : 0;
}

/// A file that has the name `path` already stays. FAT and exFAT have no links, and some others, NFS for one, do not
/// know the flag: they say EINVAL.
bool rename_unless_there(const char* beside, const char* path) {
  if (::renameat2(AT_FDCWD, beside, AT_FDCWD, path, RENAME_NOREPLACE) == 0) {
    return true;
  }
  return errno == EINVAL && ::link(beside, path) == 0;
}

}  // namespace

int write_whole_file(const std::string& path, std::string_view text, mode_t mode, Existing existing) {
  const std::filesystem::path target(path);
  const auto folder = target.has_parent_path() ? target.parent_path().string() : std::string(".");
  const FileDescriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0) {
    return errno;
  }
  auto name = fmt::format("{}/.{}.XXXXXX", folder, target.filename().string());
  const FileDescriptor file(::mkostemp(name.data(), O_CLOEXEC));  // mkstemp(3): a name that nothing has
  if (file.get() < 0) {
    return errno;
  }
  const Scratch beside(std::move(name));
  if (const int failed = write_all(file.get(), text, mode); failed != 0) {
    return failed;
  }
  const bool stands = existing == Existing::kReplace ? ::rename(beside.path().c_str(), path.c_str()) == 0
                                                     : rename_unless_there(beside.path().c_str(), path.c_str());
  return !stands || ::fsync(directory.get()) != 0 ? errno : 0;
}

}  // namespace smtpegress::cli
