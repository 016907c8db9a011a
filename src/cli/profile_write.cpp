// A profile of the administrator's, written by `init`.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "cli/profile_files.hpp"
#include "cli/whole_file.hpp"
#include "net/file.hpp"

namespace smtpegress::cli {
namespace {

constexpr const char* kOperation = "write profile";
// Whatever the umask says: it holds no secret, and `check` needs no root.
constexpr mode_t kDirectoryMode = 0755, kFileMode = 0644;

/// Of the file system's, which is not the kernel's fault: nothing of the host was touched.
std::unexpected<Error> unwritable(const std::string& path, int errnum) {
  auto refused = system_error(kOperation, path, errnum, {},
                              "run it as root, or name a place for profiles in SMTP_EGRESS_CONFIG_DIR");
  if (refused.error().kind == ErrorKind::kKernel) {
    refused.error().kind = errnum == EROFS ? ErrorKind::kPermission : ErrorKind::kUsage;
  }
  return refused;
}

/// One that is there is left as it is. 0, or the errno of what failed.
int make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), kDirectoryMode) != 0) {
    const int error = errno;
    return error == EEXIST ? 0 : error;
  }
  const FileDescriptor made(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  return made.get() < 0 || ::fchmod(made.get(), kDirectoryMode) != 0 ? errno : 0;
}

}  // namespace

Result<void> ProfileFiles::write(const std::string& name, std::string_view text, Existing existing) const {
  if (const int failed = make_directory(config_dir_); failed != 0) {
    return unwritable(config_dir_, failed);
  }
  const auto others = writable_by_others(config_dir_, StickyBit::kSuffices, sudo_user());
  if (!others) {
    return std::unexpected(others.error());
  }
  if (!others->empty()) {
    return usage_error(kOperation, path_of(name),
                       fmt::format("others may write to {0} ({1}), and enable would refuse it; `chown root {0}` and "
                                   "`chmod go-w {0}`",
                                   config_dir_, *others));
  }
  const auto path = path_of(name);
  if (const int failed = write_whole_file(path, text, kFileMode, existing); failed != 0) {
    return failed == EEXIST
               ? usage_error(kOperation, path, "is there already; --force replaces it, or give another NAME")
               : unwritable(path, failed);
  }
  return {};
}

}  // namespace smtpegress::cli
