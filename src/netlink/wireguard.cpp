#include "netlink/wireguard.hpp"

#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <string>

#include "netlink/exchange.hpp"
#include "netlink/wireguard_codec.hpp"

namespace smtpegress::netlink {
namespace {

constexpr std::size_t kAnswerLimit = std::size_t{4} * 1024 * 1024;  // bytes; some 20,000 peers
constexpr std::chrono::milliseconds kAnswerTimeout{2000};           // for the whole answer
constexpr timeval kWaitTimeout{.tv_sec = 2, .tv_usec = 0};          // for each of connect, send, recv
constexpr std::string_view kQuestion = "get=1\n\n";

std::unexpected<Error> failed(std::string object, int errnum, std::string kernel_text = {}) {
  const bool denied = errnum == EPERM || errnum == EACCES;
  return system_error("read WireGuard interface", std::move(object), errnum, std::move(kernel_text),
                      denied ? "this needs CAP_NET_ADMIN; run it as root" : "");
}

/// Nothing where the kernel has no WireGuard, or the interface is not one of its own.
Result<std::optional<WireGuardDevice>> read_kernel(const IfName& name) {
  auto socket = open_netlink(NETLINK_GENERIC);
  if (!socket) {
    return failed(name.str(), socket.error());
  }
  const NlMessage family_query = encode_family_query();
  const auto families = ask(socket->get(), family_query.get());
  if (!families && families.error().errnum != ENOENT) {
    return failed(name.str(), families.error().errnum, families.error().kernel_text);
  }
  const auto family = families && !families->empty() ? decode_family(*families->begin()) : std::nullopt;
  if (!family) {
    return std::nullopt;
  }
  const NlMessage query = encode_device_query(*family, name);
  const auto messages = dump(socket->get(), query.get());
  if (!messages) {
    const int errnum = messages.error().errnum;
    if (errnum == ENODEV || errnum == EOPNOTSUPP) {
      return std::nullopt;
    }
    return failed(name.str(), errnum, messages.error().kernel_text);
  }
  WireGuardDevice device{.name = name, .peers = {}};
  for (const nlmsghdr* message : *messages) {
    if (auto read = decode_device(device, message); !read) {
      return std::unexpected(std::move(read.error()));
    }
  }
  return device;
}

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

/// Connects and asks; an errno where that fails.
int ask_control_socket(int fd, const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return ENAMETOOLONG;
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  if (::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kWaitTimeout, sizeof kWaitTimeout) < 0 ||
      ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &kWaitTimeout, sizeof kWaitTimeout) < 0 ||
      ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
    return errno;
  }
  const ssize_t sent = ::send(fd, kQuestion.data(), kQuestion.size(), MSG_NOSIGNAL);
  const int errnum = errno;
  if (sent < 0) {
    return errnum;
  }
  return static_cast<std::size_t>(sent) == kQuestion.size() ? 0 : EIO;
}

/// Up to the empty line that ends an answer, or the end of the stream. An errno where that fails.
std::expected<std::string, int> read_answer(int fd) {
  const auto deadline = std::chrono::steady_clock::now() + kAnswerTimeout;
  std::string answer;
  std::array<char, 16384> part{};
  while (!answer.ends_with("\n\n")) {
    const ssize_t got = ::recv(fd, part.data(), part.size(), 0);
    const int errnum = errno;
    if (got == 0) {
      break;
    }
    if (got < 0 && errnum != EINTR) {
      return std::unexpected(errnum == EAGAIN ? ETIMEDOUT : errnum);
    }
    if (std::chrono::steady_clock::now() > deadline) {
      return std::unexpected(ETIMEDOUT);
    }
    if (got > 0) {
      answer.append(part.data(), static_cast<std::size_t>(got));
    }
    if (answer.size() > kAnswerLimit) {
      return std::unexpected(EMSGSIZE);
    }
  }
  return answer;
}

Result<WireGuardDevice> read_control_socket(const IfName& name) {
  const std::string path = "/run/wireguard/" + name.str() + ".sock";
  const FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (const int errnum = errno; socket.get() < 0) {
    return failed(name.str(), errnum);
  }
  const std::string object = name.str() + " (" + path + ')';
  const int errnum = ask_control_socket(socket.get(), path);
  if (errnum == ENOENT || errnum == ECONNREFUSED) {  // refused: left behind by one that has ended
    return system_error("read WireGuard interface", name.str(), ENODEV, {},
                        "neither the kernel nor a control socket " + path + " knows it as WireGuard");
  }
  if (errnum != 0) {
    return failed(object, errnum == EAGAIN ? ETIMEDOUT : errnum);
  }
  const auto answer = read_answer(socket.get());
  if (!answer) {
    return failed(object, answer.error());
  }
  return parse_uapi(name, *answer);
}

}  // namespace

Result<WireGuardDevice> read_wireguard(const IfName& name) {
  auto device = read_kernel(name);
  if (!device) {
    return std::unexpected(std::move(device.error()));
  }
  if (*device) {
    return std::move(**device);
  }
  return read_control_socket(name);
}

}  // namespace smtpegress::netlink
