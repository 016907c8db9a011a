#include "engine/state_store.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

#include "net/file.hpp"

namespace smtpegress {
namespace {

constexpr std::chrono::seconds kLockLimit{10};
constexpr std::chrono::milliseconds kLockPoll{20};
constexpr std::size_t kMaxStateSize = 1 << 25;  // bytes; a record is some thousand, and 170 more for each tenant
constexpr int kMostSetAside = 100;  // damaged files of one instance; more would mean something else is wrong

constexpr std::string_view kOtherDirectory = "name another directory with --state-dir";

/// An error of the state directory's, which is the host's or the command line's, not the kernel's: nothing has been
/// touched. Others are the system's.
std::unexpected<Error> unusable(std::string operation, std::string object, int errnum, std::string hint = {}) {
  auto refused = system_error(std::move(operation), std::move(object), errnum, {}, std::move(hint));
  auto& error = refused.error();
  switch (errnum) {
    case EROFS:
      error.kind = ErrorKind::kPermission;
      error.hint = fmt::format("the file system is read-only; {}", kOtherDirectory);
      break;
    case EBUSY:
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case ENOENT:
    case ENOTDIR:
      error.kind = ErrorKind::kUsage;
      break;
    default:
      break;
  }
  return refused;
}

/// What stands in the directory decides what a disable takes back, so nobody else may put anything there.
Result<void> refuse_others_directory(const std::string& directory) {
  const auto others = writable_by_others(directory, StickyBit::kDoesNot);
  if (!others) {
    return unusable("look at state directory", directory, others.error().errnum, std::string(kOtherDirectory));
  }
  if (!others->empty()) {
    return usage_error("use state directory", directory,
                       fmt::format("others may write to it ({0}), and what stands there decides what is taken back; "
                                   "`chown {1} {2}` and `chmod 0700 {2}`, or {3}. Nothing was changed",
                                   *others, ::geteuid(), directory, kOtherDirectory));
  }
  return {};
}

Result<std::string> read_file(const std::string& path) {
  return read_text_file("read state", path, kMaxStateSize, Symlinks::kRefuse);
}

Result<void> remove_file(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    const int error = errno;
    return system_error("remove state", path, error);
  }
  return {};
}

}  // namespace

Whereabouts right_here() {
  constexpr std::size_t kMost = 64;  // bytes; a UUID and a newline
  Whereabouts here;
  here.boot =
      read_text_file("read", "/proc/sys/kernel/random/boot_id", kMost, Symlinks::kRefuse).value_or(std::string());
  here.boot.erase(std::ranges::find(here.boot, '\n'), here.boot.end());
  const FileDescriptor any(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  if (any.get() >= 0 && ::getsockopt(any.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) == 0) {
    here.network = std::to_string(cookie);
  }
  return here;
}

Result<StateLock> StateStore::lock() {
  if (::mkdir(directory_.c_str(), 0700) != 0 && errno != EEXIST) {
    const int error = errno;
    const bool is_denied = error == EPERM || error == EACCES;
    return unusable("create state directory", directory_, error,
                    fmt::format("{}{}",
                                error == ENOENT ? "make the directory above it, or "
                                : is_denied     ? "run as root, or "
                                                : "",
                                kOtherDirectory));
  }
  if (auto ours = refuse_others_directory(directory_); !ours) {
    return std::unexpected(ours.error());
  }
  const auto path = directory_ + "/lock";
  FileDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (file.get() < 0) {
    const int error = errno;
    return unusable("open lock", path, error,
                    fmt::format("{}{}",
                                error == EPERM || error == EACCES ? "run as root, or "
                                : error == ENOSPC                 ? ""
                                                                  : "move that file away, or ",
                                kOtherDirectory));
  }
  const auto limit = std::chrono::steady_clock::now() + kLockLimit;
  while (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    if (error != EWOULDBLOCK && error != EINTR) {
      return unusable("lock", path, error);
    }
    if (std::chrono::steady_clock::now() >= limit) {
      const auto holder = read_file(path);
      return unusable("lock", path, EBUSY,
                      fmt::format("another smtp-egress ({}) has been at work for {} s; try again when it is done, or "
                                  "end it. Nothing was changed",
                                  holder && !holder->empty() ? "process " + holder->substr(0, holder->find(' '))
                                                             : "of unknown process",
                                  kLockLimit.count()));
    }
    std::this_thread::sleep_for(kLockPoll);
  }
  // Of one width, so that it covers the last one's: cutting the file first costs as much as ten other calls.
  const auto holder = fmt::format("{:<10}\n", ::getpid());
  if (const auto written = ::pwrite(file.get(), holder.data(), holder.size(), 0);
      written != static_cast<ssize_t>(holder.size())) {
    const int error = written < 0 ? errno : ENOSPC;  // in part only where there is no more room, and errno is not set
    return unusable("write lock", path, error);
  }
  return StateLock(std::move(file));
}

Result<std::optional<InstanceRecord>> StateStore::load(const std::string& name) const {
  const auto text = read_file(path_of(name));
  if (!text) {
    if (text.error().errnum == ENOENT) {
      return std::optional<InstanceRecord>{};
    }
    if (text.error().errnum == EFBIG) {
      return damaged_record(name, path_of(name), "is damaged: it is larger than any state file");
    }
    return unusable(text.error().operation, text.error().object, text.error().errnum, text.error().hint);
  }
  if (!is_intact(*text)) {
    return damaged_record(name, path_of(name), "is damaged: its checksum is missing or does not fit");
  }
  auto written = read_record(name, path_of(name), *text);
  if (!written) {
    return std::unexpected(written.error());
  }
  if (written->about.boot != here_.boot) {
    return std::nullopt;
  }
  if (!written->about.network.empty() && written->about.network != here_.network) {
    return std::unexpected(
        Error{.kind = ErrorKind::kElsewhere,
              .operation = "use state",
              .object = path_of(name),
              .errnum = 0,
              .kernel_text = {},
              .hint = fmt::format("is of another network namespace, where {} is or was enabled; {}, or remove the "
                                  "file where that namespace is no more. Nothing was changed",
                                  name, kOtherDirectory)});
  }
  return std::move(written->record);
}

Result<void> StateStore::save(const InstanceRecord& record) {
  return write(path_of(record.profile.name), record_to_json(record, here_));
}

Result<SysctlRecord> StateStore::load_left() const {
  const auto text = read_file(path_of_left());
  if (!text && text.error().errnum != ENOENT && text.error().errnum != EFBIG) {
    return unusable(text.error().operation, text.error().object, text.error().errnum, text.error().hint);
  }
  return (text ? read_left(*text, here_) : std::nullopt).value_or(SysctlRecord{});
}

Result<void> StateStore::save_left(const SysctlRecord& left) {
  return left.saved.empty() ? remove_file(path_of_left()) : write(path_of_left(), left_to_json(left, here_));
}

Result<void> StateStore::write(const std::string& path, const std::string& text) {
  const auto beside = path + ".new";
  const auto fail = [&](std::string_view what) {
    const int error = errno;
    ::unlink(beside.c_str());
    return unusable(fmt::format("{} state", what), path, error);
  };
  {
    const FileDescriptor file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (file.get() < 0) {
      return fail("create");
    }
    const auto written = ::write(file.get(), text.data(), text.size());
    if (written >= 0 && static_cast<std::size_t>(written) != text.size()) {
      errno = ENOSPC;  // a file is written in part only where there is no more room, and then no error is told
      return fail("write");
    }
    if (written < 0 || ::fsync(file.get()) != 0) {
      return fail("write");
    }
  }
  if (::rename(beside.c_str(), path.c_str()) != 0) {
    return fail("replace");
  }
  const FileDescriptor directory(::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0 || ::fsync(directory.get()) != 0) {
    return fail("flush");
  }
  return {};
}

Result<void> StateStore::remove(const std::string& name) {
  return remove_file(path_of(name));
}

Result<std::string> StateStore::set_aside(const std::string& name) {
  for (int number = 1; number <= kMostSetAside; ++number) {
    auto aside = fmt::format("{}.damaged-{}", path_of(name), number);
    if (::renameat2(AT_FDCWD, path_of(name).c_str(), AT_FDCWD, aside.c_str(), RENAME_NOREPLACE) == 0) {
      return aside;
    }
    if (errno != EEXIST) {
      break;
    }
  }
  const int error = errno;
  return unusable("move aside damaged state", path_of(name), error, "move it away by hand");
}

Result<std::vector<std::string>> StateStore::list() const {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(directory_.c_str()), ::closedir);
  if (directory == nullptr) {
    const int error = errno;
    if (error == ENOENT) {
      return names;
    }
    return unusable("read state directory", directory_, error, std::string(kOtherDirectory));
  }
  while (const auto* entry = ::readdir(directory.get())) {
    const std::string_view file(entry->d_name);
    constexpr std::string_view kSuffix = ".json";
    if (file.ends_with(kSuffix) && check_instance_name(file.substr(0, file.size() - kSuffix.size()))) {
      names.emplace_back(file.substr(0, file.size() - kSuffix.size()));
    }
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace smtpegress
