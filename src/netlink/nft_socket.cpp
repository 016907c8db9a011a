#include "netlink/nft_socket.hpp"

#include <fmt/format.h>
// libc's structures first, see nft_layout.hpp
#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "netlink/attribute_view.hpp"
#include "netlink/exchange.hpp"
#include "netlink/extended_ack.hpp"
#include "netlink/nft_batch.hpp"
#include "netlink/nft_codec.hpp"

namespace smtpegress::netlink {
namespace {

constexpr int kObserveAttempts = 10;  // a ruleset that changes more often than that is being reloaded in a loop
// Bytes of receive buffer that one acknowledgement takes, its sk_buff included; measured: 768, more with an error text.
constexpr std::size_t kAckRoom = 2048;
constexpr std::size_t kSmallBatch = 64;        // steps, whose acknowledgements fit any receive buffer
constexpr std::size_t kSmallDatagram = 65536;  // bytes, which fit any send buffer
constexpr const char* kPermissionHint = "it takes root, or CAP_NET_ADMIN in this network namespace";
constexpr const char* kSupportHint = "this kernel lacks nf_tables or one of its modules";

// linux/errno.h, which userspace does not see: what the kernel says to a batch of another generation.
constexpr int kRestart = 85;  // ERESTART

std::unexpected<Error> kernel_error(std::string operation, std::string object, int errnum, std::string text) {
  const char* hint = "";
  if (errnum == EPERM) {
    hint = kPermissionHint;
  } else if (errnum == EOPNOTSUPP || errnum == EPROTONOSUPPORT) {
    hint = kSupportHint;
  }
  return system_error(std::move(operation), std::move(object), errnum, std::move(text), hint);
}

std::unexpected<Error> stale() {
  return std::unexpected(Error{.kind = ErrorKind::kStale,
                               .operation = "commit ruleset",
                               .object = {},
                               .errnum = kRestart,
                               .kernel_text = {},
                               .hint = "another program changed it meanwhile"});
}

// ---- dumps

struct Request {
  nlmsghdr header{};
  nfgenmsg nfnetlink{};
};

Request request(std::uint16_t type, std::uint16_t flags) {
  Request r;
  r.header.nlmsg_len = sizeof r;
  r.header.nlmsg_type = static_cast<std::uint16_t>((NFNL_SUBSYS_NFTABLES << 8) | type);
  r.header.nlmsg_flags = flags;
  r.nfnetlink.nfgen_family = NFPROTO_UNSPEC;  // every family
  r.nfnetlink.version = NFNETLINK_V0;
  return r;
}

std::unexpected<Error> read_error(Refusal refusal) {
  return kernel_error("read ruleset", {}, refusal.errnum, std::move(refusal.kernel_text));
}

Result<std::uint32_t> read_generation(int fd) {
  Request r = request(NFT_MSG_GETGEN, 0);
  auto answer = ask(fd, &r.header);
  if (!answer) {
    return read_error(std::move(answer.error()));
  }
  for (const auto* message : *answer) {
    if (const auto id = Attributes(message_payload(message, sizeof(nfgenmsg))).be32(NFTA_GEN_ID)) {
      return *id;
    }
  }
  return read_error({.errnum = EBADMSG, .kernel_text = {}});
}

/// Calls `each` with every object's message, until one of the calls fails.
template <class Each>
Result<void> read_dump(int fd, std::uint16_t type, Each each) {
  Request r = request(type, NLM_F_DUMP);
  auto answer = dump(fd, &r.header);
  if (!answer) {
    return read_error(std::move(answer.error()));
  }
  for (const auto* message : *answer) {
    if (Result<void> added = each(message); !added) {
      return added;
    }
  }
  return {};
}

template <class T>
Result<void> store(Result<T> decoded, std::vector<T>& objects) {
  if (!decoded) {
    return std::unexpected(decoded.error());
  }
  objects.push_back(std::move(*decoded));
  return {};
}

Result<void> add_rule(nft::Ruleset& ruleset, std::size_t& chain, const nlmsghdr* message) {
  auto decoded = decode_nft_rule(message);
  if (!decoded) {
    return std::unexpected(decoded.error());
  }
  auto& [key, rule] = *decoded;
  // The kernel dumps a chain's rules together.
  if (chain >= ruleset.chains.size() || ruleset.chains[chain].key != key) {
    const auto found = std::ranges::find(ruleset.chains, key, &nft::ObservedChain::key);
    chain = static_cast<std::size_t>(found - ruleset.chains.begin());
    if (found == ruleset.chains.end()) {
      ruleset.chains.push_back({.key = std::move(key), .handle = 0, .hook = std::nullopt, .rules = {}});
    }
  }
  ruleset.chains[chain].rules.push_back(std::move(rule));
  return {};
}

Result<nft::Ruleset> read_once(int fd) {
  nft::Ruleset ruleset;
  auto read = read_dump(fd, NFT_MSG_GETTABLE,
                        [&](const nlmsghdr* message) { return store(decode_table(message), ruleset.tables); });
  if (read) {
    read = read_dump(fd, NFT_MSG_GETCHAIN,
                     [&](const nlmsghdr* message) { return store(decode_chain(message), ruleset.chains); });
  }
  if (read) {
    std::size_t chain = 0;
    read = read_dump(fd, NFT_MSG_GETRULE, [&](const nlmsghdr* message) { return add_rule(ruleset, chain, message); });
  }
  if (!read) {
    return std::unexpected(read.error());
  }
  return ruleset;
}

// ---- batches

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

struct Failure {
  std::optional<std::size_t> step;  ///< none: of the batch as a whole
  int errnum = 0;
  std::string kernel_text;
};

/// Counts the acknowledgements of one batch.
class Acknowledgements {
 public:
  Acknowledgements(std::uint32_t first, std::size_t steps) : first_(first), outstanding_(steps), seen_(steps, false) {}

  void read(Bytes datagram) {
    while (const auto header = header_of<nlmsghdr>(datagram)) {
      if (header->nlmsg_len < sizeof(nlmsghdr) || header->nlmsg_len > datagram.size()) {
        return;
      }
      if (header->nlmsg_type == NLMSG_ERROR) {
        note(reinterpret_cast<const nlmsghdr*>(datagram.data()));
      }
      datagram = datagram.subspan(std::min<std::size_t>(NLMSG_ALIGN(header->nlmsg_len), datagram.size()));
    }
  }
  [[nodiscard]] bool complete() const { return outstanding_ == 0; }
  [[nodiscard]] const std::optional<Failure>& failure() const { return failure_; }

 private:
  void note(const nlmsghdr* message) {
    const int verdict = header_of<int>(payload_of(message)).value_or(-EBADMSG);
    const std::uint32_t place = message->nlmsg_seq - first_;  // 0 is the batch's beginning, and stands for all of it
    const bool is_step = place >= 1 && place <= seen_.size();
    if (is_step && !seen_[place - 1]) {
      seen_[place - 1] = true;
      --outstanding_;
    }
    if (verdict >= 0 || place > seen_.size() + 1 || failure_) {
      return;  // fine, or not ours, or a consequence of an earlier one
    }
    failure_ = Failure{.step = is_step ? std::optional<std::size_t>(place - 1) : std::nullopt,
                       .errnum = -verdict,
                       .kernel_text = extended_ack_text(message)};
  }

  std::uint32_t first_;
  std::size_t outstanding_;
  std::vector<bool> seen_;
  std::optional<Failure> failure_;
};

/// Reads whatever the kernel has answered. It acknowledges a batch before send() returns, so there is nothing to wait
/// for, and what is not there now was lost for want of buffer space (ENOBUFS).
void collect(int fd, Acknowledgements& acks) {
  std::array<std::uint8_t, 8192> buffer;  // bytes; one acknowledgement each, as no request is echoed (NETLINK_CAP_ACK)
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
    if (failure->errnum == kRestart) {
      return stale();
    }
    if (!failure->step) {
      return kernel_error("commit ruleset", fmt::format("{} changes", batch.size()), failure->errnum,
                          failure->kernel_text);
    }
    auto [operation, object] = describe(batch.at(*failure->step));
    return kernel_error(std::move(operation), std::move(object), failure->errnum, failure->kernel_text);
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
  return *now == generation ? kernel_error("commit ruleset", fmt::format("{} changes", batch.size()), ENOBUFS, {})
                            : stale();
}

}  // namespace

NftSocket::NftSocket(MnlSocket socket) : socket_(std::move(socket)) {}

Result<NftSocket> NftSocket::open() {
  MnlSocket socket(mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC));
  if (socket == nullptr || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) {
    return kernel_error("open netfilter socket", {}, errno, {});
  }
  const int fd = mnl_socket_get_fd(socket.get());
  if (auto set = set_options(fd); !set) {
    return kernel_error("open netfilter socket", {}, set.error(), {});
  }
  int on = 1;
  mnl_socket_setsockopt(socket.get(), NETLINK_CAP_ACK, &on, sizeof on);  // without it errors echo the whole request
  return NftSocket(std::move(socket));
}

Result<nft::Ruleset> NftSocket::observe() {
  const int fd = mnl_socket_get_fd(socket_.get());
  auto before = read_generation(fd);
  for (int attempt = 0; attempt < kObserveAttempts && before; ++attempt) {
    auto ruleset = read_once(fd);
    const auto after = read_generation(fd);
    if (!after) {
      return std::unexpected(after.error());
    }
    if (*after == *before) {
      if (ruleset) {
        ruleset->generation = *after;
      }
      return ruleset;
    }
    before = after;  // what was read belongs to two rulesets
  }
  if (!before) {
    return std::unexpected(before.error());
  }
  return system_error("read ruleset", {}, EINTR, {},
                      "another program keeps changing it; try again when that has ended");
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
    return kernel_error("commit ruleset", fmt::format("{} changes", batch.size()), errno, {});
  }
  Acknowledgements acks(first, batch.size());
  collect(fd, acks);
  return outcome(fd, batch, generation, acks);
}

}  // namespace smtpegress::netlink
