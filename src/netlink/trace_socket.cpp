#include "netlink/trace_socket.hpp"

// libc's structures before linux/*, see nft_layout.hpp.
#include <netinet/in.h>

#include <linux/netfilter/nfnetlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "netlink/attributes.hpp"
#include "netlink/nft_dump.hpp"
#include "netlink/trace_codec.hpp"

namespace smtpegress::netlink {
namespace {

// Bytes. An event takes about 1 KiB of it (its sk_buff counted), a packet about twenty events: some hundred packets
// while this process does something else. Past net.core.rmem_max, which CAP_NET_ADMIN allows.
constexpr int kReceiveBuffer = 16 << 20;
constexpr std::size_t kEventsAtOnce = 512;  // then the caller has a look at them
constexpr int kCommits = 20;                // attempts, while others change the ruleset

std::unexpected<Error> refused(int errnum, std::string text = {}) {
  return nft_error("listen to", "packet traces", errnum, std::move(text));
}

Result<MnlSocket> listen() {
  MnlSocket socket(mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC));
  if (socket == nullptr || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) {
    return refused(errno);
  }
  const int fd = mnl_socket_get_fd(socket.get());
  if (::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer) != 0) {
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
  }
  int group = NFNLGRP_NFTRACE;
  if (mnl_socket_setsockopt(socket.get(), NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0) {
    return refused(errno);
  }
  return socket;
}

/// The flag is refused by kernels that do not know it (nf_tables_newtable, net/netfilter/nf_tables_api.c).
Error explained(Error error) {
  if (error.errnum == EOPNOTSUPP || error.errnum == EINVAL) {
    error.errnum = EOPNOTSUPP;
    error.hint = "tracing takes Linux 5.12 or later, whose tables go by themselves when this program ends";
  }
  return error;
}

void read_messages(Bytes datagram, TraceRead& read) {
  while (datagram.size() >= sizeof(nlmsghdr)) {
    const auto length = load_host<nlmsghdr>(datagram).nlmsg_len;
    if (length < sizeof(nlmsghdr) || length > datagram.size()) {
      read.overrun = true;  // cannot be; what it told of is lost
      return;
    }
    const auto event = decode_trace(reinterpret_cast<const nlmsghdr*>(datagram.data()));
    if (!event) {
      read.overrun = true;
    } else if (*event) {
      read.events.push_back(**event);
    }
    datagram = datagram.subspan(std::min<std::size_t>(NLMSG_ALIGN(length), datagram.size()));
  }
}

}  // namespace

Result<std::unique_ptr<PacketTrace>> TraceSocket::start(const nft::Batch& table) {
  auto events = listen();
  if (!events) {
    return std::unexpected(events.error());
  }
  auto owner = NftSocket::open();
  if (!owner) {
    return std::unexpected(owner.error());
  }
  for (int attempt = 0; attempt < kCommits; ++attempt) {
    const auto generation = owner->generation();
    if (!generation) {
      return std::unexpected(generation.error());
    }
    const auto done = owner->commit(table, *generation);
    if (done) {
      return std::unique_ptr<PacketTrace>(new TraceSocket(*std::move(events), *std::move(owner)));
    }
    if (done.error().kind != ErrorKind::kStale) {
      return std::unexpected(explained(done.error()));
    }
  }
  return nft_error("commit ruleset", "the table that traces", EINTR, {});
}

/// The kernel reports an overrun ahead of the events that wait since before it, and adds none to them until all are
/// read (netlink_overrun and netlink_rcv_wake, net/netlink/af_netlink.c): packets that begin among them may be half
/// told.
Result<TraceRead> TraceSocket::next(std::chrono::milliseconds wait) {
  const int fd = mnl_socket_get_fd(events_.get());
  TraceRead read;
  pollfd poll{.fd = fd, .events = POLLIN, .revents = 0};
  const int ready = ::poll(&poll, 1, static_cast<int>(wait.count()));
  if (ready < 0 && errno != EINTR) {
    return refused(errno);
  }
  if (ready <= 0) {
    read.overrun = overrun_;
    overrun_ = overrun_ && ready < 0;  // a signal says nothing of what waits
    return read;
  }
  alignas(nlmsghdr) std::array<std::uint8_t, 16384> buffer;  // bytes; an event's datagram is under 1 KiB
  while (read.events.size() < kEventsAtOnce) {
    sockaddr_nl sender{};
    socklen_t size = sizeof sender;
    const ssize_t got =
        ::recvfrom(fd, buffer.data(), buffer.size(), MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&sender), &size);
    const int errnum = errno;
    if (got >= 0 && sender.nl_pid == 0) {
      read_messages(Bytes(buffer).first(static_cast<std::size_t>(got)), read);
    } else if (got < 0 && errnum == ENOBUFS) {
      read.overrun = true;
    } else if (got < 0 && errnum == EAGAIN) {
      read.overrun = std::exchange(overrun_, false) || read.overrun;
      return read;
    } else if (got < 0 && errnum != EINTR) {
      return refused(errnum);
    }
  }
  read.overrun = overrun_ = overrun_ || read.overrun;
  return read;
}

}  // namespace smtpegress::netlink
