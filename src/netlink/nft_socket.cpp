#include "netlink/nft_socket.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <utility>

#include "netlink/exchange.hpp"
#include "netlink/nft_acknowledgements.hpp"
#include "netlink/nft_batch.hpp"
#include "netlink/nft_dump.hpp"

namespace smtpegress::netlink {
namespace {

// Bytes of receive buffer for one acknowledgement: the kernel counts its sk_buff and data area, under 1 KiB, and an
// error's text on top.
constexpr std::size_t kAckRoom = 2048;
constexpr std::size_t kSmallBatch = 64;        // steps, whose acknowledgements fit any receive buffer
constexpr std::size_t kSmallDatagram = 65536;  // bytes, which fit any send buffer

std::unexpected<Error> stale() {
  return std::unexpected(Error{.kind = ErrorKind::kStale,
                               .operation = "commit ruleset",
                               .object = {},
                               .errnum = ERESTART,
                               .kernel_text = {},
                               .hint = "another program changed it meanwhile"});
}

/// A run of `count` sequence numbers that no other call of this process has had lately, so that an answer left over
/// from a failed call is never taken for one to this. The upper half: the lower is exchange.cpp's.
std::uint32_t reserve_sequence(std::uint32_t count) {
  static std::atomic<std::uint32_t> used = 0;
  constexpr std::uint32_t kUpperHalf = 0x80000000;
  std::uint32_t first = used.fetch_add(count) | kUpperHalf;
  if (first + count < first) {  // would wrap; cannot again, right behind the wrap
    first = used.fetch_add(count) | kUpperHalf;
  }
  return first;
}

void set_buffer(int fd, int forced_option, int option, std::size_t bytes) {
  const int value = static_cast<int>(std::min<std::size_t>(bytes, INT32_MAX / 2));
  // Past the system-wide limit, which takes CAP_NET_ADMIN as everything here does; without it, as far as allowed.
  if (::setsockopt(fd, SOL_SOCKET, forced_option, &value, sizeof value) != 0) {
    ::setsockopt(fd, SOL_SOCKET, option, &value, sizeof value);
  }
}

/// Reads whatever the kernel has answered. It acknowledges a batch before send() returns, so there is nothing to wait
/// for, and what is not there now was lost for want of buffer space (ENOBUFS).
void collect(int fd, Acknowledgements& acks) {
  alignas(nlmsghdr) std::array<std::uint8_t, 8192>
      buffer;  // bytes; one acknowledgement each, as no request is echoed (NETLINK_CAP_ACK)
  while (true) {
    sockaddr_nl sender{};
    socklen_t size = sizeof sender;
    const ssize_t got =
        ::recvfrom(fd, buffer.data(), buffer.size(), MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&sender), &size);
    const int errnum = errno;
    if (got >= 0 && sender.nl_pid == 0) {
      acks.read(Bytes(buffer).first(static_cast<std::size_t>(got)));
    } else if (got < 0 && errnum != EINTR && errnum != ENOBUFS) {
      return;
    }
  }
}

Result<void> outcome(int fd, const nft::Batch& batch, std::uint32_t generation, const Acknowledgements& acks) {
  if (const auto& failure = acks.failure()) {
    if (failure->errnum == ERESTART) {
      return stale();
    }
    if (!failure->step) {
      return nft_error("commit ruleset", fmt::format("{} changes", batch.size()), failure->errnum,
                       failure->kernel_text);
    }
    auto [operation, object] = describe(batch.at(*failure->step));
    return nft_error(std::move(operation), std::move(object), failure->errnum, failure->kernel_text);
  }
  if (acks.complete()) {
    return {};
  }
  // Whether it was committed can be seen by the generation alone. Where that moved, by us or by another, the caller has
  // to look at the ruleset anew, as with any stale batch.
  const auto now = read_generation(fd);
  if (!now) {
    return std::unexpected(now.error());
  }
  return *now == generation ? nft_error("commit ruleset", fmt::format("{} changes", batch.size()), ENOBUFS, {})
                            : stale();
}

}  // namespace

NftSocket::NftSocket(MnlSocket socket) : socket_(std::move(socket)) {}

Result<NftSocket> NftSocket::open() {
  MnlSocket socket(mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC));
  if (socket == nullptr || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) {
    return nft_error("open netfilter socket", {}, errno, {});
  }
  const int fd = mnl_socket_get_fd(socket.get());
  if (auto set = set_options(fd); !set) {
    return nft_error("open netfilter socket", {}, set.error(), {});
  }
  int on = 1;
  mnl_socket_setsockopt(socket.get(), NETLINK_CAP_ACK, &on, sizeof on);  // without it errors echo the whole request
  return NftSocket(std::move(socket));
}

Result<nft::Ruleset> NftSocket::observe() {
  return read_ruleset(mnl_socket_get_fd(socket_.get()));
}

Result<std::uint32_t> NftSocket::generation() {
  return read_generation(mnl_socket_get_fd(socket_.get()));
}

Result<void> NftSocket::commit(const nft::Batch& batch, std::uint32_t generation) {
  if (batch.empty()) {
    return {};
  }
  const std::uint32_t first = reserve_sequence(sequence_numbers_of(batch.size()));
  const auto datagram = encode_batch(batch, generation, first);
  if (!datagram) {
    return std::unexpected(datagram.error());
  }
  const int fd = mnl_socket_get_fd(socket_.get());
  if (datagram->size() > kSmallDatagram) {
    set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, datagram->size() + kSmallDatagram);
  }
  if (batch.size() > kSmallBatch) {
    set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, batch.size() * kAckRoom);
  }
  if (mnl_socket_sendto(socket_.get(), datagram->data(), datagram->size()) < 0) {
    return nft_error("commit ruleset", fmt::format("{} changes", batch.size()), errno, {});
  }
  Acknowledgements acks(first, batch.size());
  collect(fd, acks);
  return outcome(fd, batch, generation, acks);
}

}  // namespace smtpegress::netlink
