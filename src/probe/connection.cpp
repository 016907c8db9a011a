#include "probe/connection.hpp"

#include <linux/errqueue.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <array>
#include <cerrno>

#include "probe/sockets.hpp"

namespace smtpegress::probe {
namespace {

template <class Value>
bool set(int fd, int level, int option, const Value& value) {
  return ::setsockopt(fd, level, option, &value, sizeof value) == 0;
}

/// A close before the end resets the connection: no FIN is waited for, and nothing is sent again by nobody.
bool set_abrupt_end(int fd, bool abrupt) {
  return set(fd, SOL_SOCKET, SO_LINGER, linger{.l_onoff = abrupt ? 1 : 0, .l_linger = 0});
}

bool keep_to(int fd, const IfName& device) {
  const auto& name = device.str();
  return name.empty() ||
         ::setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name.c_str(), static_cast<socklen_t>(name.size())) == 0;
}

bool prepare(int fd, IpFamily family, const Sending& how) {
  constexpr int kOn = 1;
  const bool v4 = family == IpFamily::kV4;
  const int ttl = how.ttl;
  return set_abrupt_end(fd, true) && set(fd, IPPROTO_TCP, TCP_NODELAY, kOn) &&
         set(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_RECVERR : IPV6_RECVERR, kOn) &&
         (how.mark == 0 || set(fd, SOL_SOCKET, SO_MARK, how.mark)) && keep_to(fd, how.device) &&
         (ttl == 0 || set(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TTL : IPV6_UNICAST_HOPS, ttl)) &&
         (ttl == 0 || set(fd, IPPROTO_TCP, TCP_SYNCNT, kOn));
}

/// Who told, out of one message of the error queue.
std::optional<PathError> path_error_in(const cmsghdr* header) {
  sock_extended_err error{};
  const bool is_error = (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_RECVERR) ||
                        (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_RECVERR);
  const auto size = header->cmsg_len - CMSG_LEN(0);
  if (!is_error || size < sizeof error) {
    return std::nullopt;
  }
  const unsigned char* data = CMSG_DATA(header);
  std::memcpy(&error, data, sizeof error);
  const auto from = address_in(data + sizeof error, size - sizeof error);
  const bool by_icmp = error.ee_origin == SO_EE_ORIGIN_ICMP || error.ee_origin == SO_EE_ORIGIN_ICMP6;
  return from && by_icmp ? std::optional(PathError{*from, error.ee_type, error.ee_code}) : std::nullopt;
}

}  // namespace

Connection::Connection(const Endpoint& to, const Sending& how)
    : socket_(::socket(family_number(to.address.family), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP)),
      family_(to.address.family) {
  if (fd() < 0 || !prepare(fd(), family_, how)) {
    fail(errno);
    return;
  }
  if (how.bound) {
    const auto from = socket_address(*how.bound, 0);
    if (::bind(fd(), from.get(), from.length) != 0) {
      fail(errno);
      return;
    }
  }
  const auto server = socket_address(to.address, to.port);
  if (::connect(fd(), server.get(), server.length) == 0) {
    state_ = State::kOpen;
  } else if (errno != EINPROGRESS) {
    fail(errno);
  }
}

void Connection::fail(int errnum) {
  state_ = State::kFailed;
  errnum_ = errnum;
  if (fd() >= 0) {
    read_path_error();
  }
}

/// The queue may hold errors that ended nothing (a router far away that was out of reach for a moment): the last
/// counts.
void Connection::read_path_error() {
  for (;;) {
    std::array<char, 512> control{};
    std::array<char, 1> payload{};
    iovec vector{.iov_base = payload.data(), .iov_len = payload.size()};
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    if (::recvmsg(fd(), &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
      return;
    }
    for (auto* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
      if (const auto told = path_error_in(header)) {
        path_error_ = told;
      }
    }
  }
}

std::optional<IpAddress> Connection::local_address() const {
  SocketAddress address;
  return fd() >= 0 && ::getsockname(fd(), address.get(), &address.length) == 0
             ? address_in(&address.storage, address.length)
             : std::nullopt;
}

void Connection::look() {
  wait_until_open(Deadline(Deadline::Clock::now()));
}

void Connection::wait_until_open(const Deadline& deadline) {
  while (state_ == State::kOpening) {
    pollfd watched{.fd = fd(), .events = POLLOUT, .revents = 0};
    const int ready = ::poll(&watched, 1, deadline.left());
    if (ready > 0) {
      int error = 0;
      socklen_t length = sizeof error;
      ::getsockopt(fd(), SOL_SOCKET, SO_ERROR, &error, &length);
      if (error != 0) {
        fail(error);
      } else if ((watched.revents & POLLOUT) != 0) {
        state_ = State::kOpen;
      } else {
        read_path_error();  // that ended nothing; or poll returns at once for ever
      }
    } else if (ready == 0 || errno != EINTR) {
      return;
    }
  }
}

Connection::Received Connection::receive(std::string& to, const Deadline& deadline) {
  std::array<char, 4096> bytes{};
  for (;;) {
    const auto count = ::recv(fd(), bytes.data(), bytes.size(), 0);
    if (count > 0) {
      to.append(bytes.data(), static_cast<std::size_t>(count));
      return Received::kBytes;
    }
    if (count == 0) {
      return Received::kClosed;
    }
    if (errno != EAGAIN && errno != EINTR) {
      fail(errno);
      return Received::kFailed;
    }
    pollfd watched{.fd = fd(), .events = POLLIN, .revents = 0};
    if (deadline.past() || ::poll(&watched, 1, deadline.left()) == 0) {
      return Received::kNothingYet;
    }
    if (watched.revents == POLLERR) {
      read_path_error();
    }
  }
}

bool Connection::send(std::string_view bytes, const Deadline& deadline) {
  while (!bytes.empty()) {
    const auto count = ::send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(count));
      continue;
    }
    if (errno != EAGAIN && errno != EINTR) {
      fail(errno);
      return false;
    }
    pollfd watched{.fd = fd(), .events = POLLOUT, .revents = 0};
    if (deadline.past() || ::poll(&watched, 1, deadline.left()) == 0) {
      return false;
    }
  }
  return true;
}

TcpFacts Connection::facts() const {
  tcp_info info{};
  socklen_t length = sizeof info;
  if (fd() < 0 || ::getsockopt(fd(), IPPROTO_TCP, TCP_INFO, &info, &length) != 0) {
    return {};
  }
  int waiting = 0;  // bytes that are not sent, or not acknowledged; of a connection that was reset it tells nothing
  const bool stands = info.tcpi_state == TCP_ESTABLISHED || info.tcpi_state == TCP_CLOSE_WAIT;
  const bool acknowledged = stands && ::ioctl(fd(), SIOCOUTQ, &waiting) == 0 && waiting == 0;
  return {info.tcpi_snd_mss, info.tcpi_pmtu, info.tcpi_unacked, info.tcpi_total_retrans, acknowledged};
}

void Connection::end_politely() {
  set_abrupt_end(fd(), false);
}

std::optional<IpAddress> source_towards(const IpAddress& to) {
  const FileDescriptor socket(::socket(family_number(to.family), SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP));
  constexpr std::uint16_t kDiscard = 9;  // connecting a datagram socket looks up the way and sends nothing
  const auto there = socket_address(to, kDiscard);
  SocketAddress here;
  if (socket.get() < 0 || ::connect(socket.get(), there.get(), there.length) != 0 ||
      ::getsockname(socket.get(), here.get(), &here.length) != 0) {
    return std::nullopt;
  }
  return address_in(&here.storage, here.length);
}

}  // namespace smtpegress::probe
