#include "netlink/exchange.hpp"

#include <netlink/netlink.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <new>

#include "netlink/answer_reader.hpp"

namespace smtpegress::netlink {
namespace {

constexpr int kReceiveBuffer = 1 << 20;  // bytes; the kernel caps it at net.core.rmem_max
constexpr std::size_t kDatagramSize =
    std::size_t{64} * 1024;  // bytes; a dump's datagrams are at most 32 KiB (netlink_dump)
constexpr timeval kReceiveTimeout{.tv_sec = 5, .tv_usec = 0};  // one wait; others can hold the RTNL lock for long
constexpr int kDrainLimit = 4096;                              // datagrams; far beyond what a receive buffer holds

/// Where datagrams are received before they are copied to their own size: most are far smaller than they might be, and
/// what is kept of a run's dozens of datagrams should not be the room for their largest.
using Scratch = std::unique_ptr<std::uint8_t[]>;

Scratch make_scratch() {
  return std::make_unique_for_overwrite<std::uint8_t[]>(kDatagramSize);
}

std::expected<Datagram, int> receive(int fd, int flags, const Scratch& scratch) {
  iovec part{.iov_base = scratch.get(), .iov_len = kDatagramSize};
  sockaddr_nl sender{};
  msghdr header{};
  header.msg_name = &sender;
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  while (true) {
    header.msg_namelen = sizeof sender;
    const ssize_t got = ::recvmsg(fd, &header, flags);
    const int errnum = errno;
    if (got < 0 && errnum == EINTR) {
      continue;
    }
    if (got < 0) {
      return std::unexpected(errnum == EAGAIN ? ETIMEDOUT : errnum);
    }
    if (sender.nl_pid != 0) {
      continue;  // another process wrote to our port; only the kernel is 0
    }
    if ((header.msg_flags & MSG_TRUNC) != 0) {
      return std::unexpected(EMSGSIZE);
    }
    const auto size = static_cast<std::size_t>(got);
    Datagram datagram{.bytes = std::make_unique_for_overwrite<std::uint8_t[]>(size), .size = size};
    std::memcpy(datagram.bytes.get(), scratch.get(), size);
    return datagram;
  }
}

/// A dump that is given up half way keeps the socket busy (EBUSY for the next one) until it is read to its end.
void drain(int fd) {
  const auto scratch = make_scratch();
  for (int i = 0; i < kDrainLimit; ++i) {
    if (!receive(fd, MSG_DONTWAIT, scratch)) {
      return;
    }
  }
}

struct Answer {
  Messages messages;
  bool torn = false;
};

/// Never 0, which notifications carry. One counter for all sockets is more than enough to tell two requests apart.
std::uint32_t next_sequence() {
  static std::atomic<std::uint32_t> last = 0;
  std::uint32_t sequence = ++last;
  return sequence != 0 ? sequence : ++last;
}

std::expected<Answer, Refusal> exchange(int fd, nlmsghdr* request) {
  request->nlmsg_seq = next_sequence();
  request->nlmsg_flags = static_cast<std::uint16_t>(request->nlmsg_flags | NLM_F_REQUEST);
  if (::send(fd, request, request->nlmsg_len, 0) < 0) {
    return std::unexpected(Refusal{.errnum = errno, .kernel_text = {}});
  }
  AnswerReader reader(request);
  const auto scratch = make_scratch();
  while (!reader.done()) {
    auto datagram = receive(fd, 0, scratch);
    auto read = datagram ? reader.read(std::move(*datagram))
                         : std::unexpected(Refusal{.errnum = datagram.error(), .kernel_text = {}});
    if (!read) {
      if (!reader.done()) {
        drain(fd);
      }
      return std::unexpected(std::move(read.error()));
    }
  }
  return Answer{.messages = reader.take(), .torn = reader.torn()};
}

void set_option(int fd, int level, int option, int value) {
  ::setsockopt(fd, level, option, &value, sizeof value);
}

}  // namespace

std::expected<NlSocket, int> open_netlink(int protocol) {
  NlSocket socket(nl_socket_alloc());
  if (!socket) {
    throw std::bad_alloc();
  }
  errno = 0;
  if (nl_connect(socket.get(), protocol) < 0) {
    const int errnum = errno;
    return std::unexpected(errnum != 0 ? errnum : EPROTONOSUPPORT);
  }
  if (auto set = set_options(nl_socket_get_fd(socket.get())); !set) {
    return std::unexpected(set.error());
  }
  return socket;
}

std::expected<void, int> set_options(int fd) {
  // The first three are conveniences that a kernel may lack or cap; without them answers are wordier or plainer.
  set_option(fd, SOL_SOCKET, SO_RCVBUF, kReceiveBuffer);
  set_option(fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
  set_option(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
  if (::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kReceiveTimeout, sizeof kReceiveTimeout) < 0) {
    return std::unexpected(errno);
  }
  return {};
}

NlMessage new_message(std::uint16_t type, int flags) {
  NlMessage message(nlmsg_alloc_simple(type, flags));
  if (!message) {
    throw std::bad_alloc();
  }
  return message;
}

std::expected<Messages, Refusal> ask(int fd, nlmsghdr* request) {
  auto answer = exchange(fd, request);
  if (!answer) {
    return std::unexpected(std::move(answer.error()));
  }
  return std::move(answer->messages);
}

std::expected<Messages, Refusal> dump(int fd, nlmsghdr* request) {
  for (int attempt = 0; attempt < kDumpAttempts; ++attempt) {
    auto answer = exchange(fd, request);
    if (!answer) {
      return std::unexpected(std::move(answer.error()));
    }
    if (!answer->torn) {
      return std::move(answer->messages);
    }
  }
  return std::unexpected(Refusal{.errnum = EINTR, .kernel_text = {}});
}

}  // namespace smtpegress::netlink
