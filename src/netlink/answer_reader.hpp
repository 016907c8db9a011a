// The messages of one answer, read out of the datagrams that bring it. No socket here: bytes in, messages out.
#pragma once

#include <linux/netlink.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace smtpegress::netlink {

/// Why there is no answer: the kernel's verdict, or that of send and recv.
struct Refusal {
  int errnum = 0;           ///< positive
  std::string kernel_text;  ///< extended ack, where there is one
};

/// A failure's errno from the verdict in an NLMSG_ERROR or NLMSG_DONE, which is negative. EBADMSG for the one number
/// that has no opposite, and that no kernel sends.
[[nodiscard]] constexpr int errno_of(int verdict) noexcept {
  return verdict == std::numeric_limits<int>::min() ? EBADMSG : -verdict;
}

/// The messages of one answer, as received; acknowledgements and the end marker are not among them.
class Messages {
 public:
  /// `datagram` is held as long as this object; the messages point into it.
  void keep(std::unique_ptr<std::uint8_t[]> datagram) {
    parts_ += messages_.size() > before_ ? 1 : 0;
    before_ = messages_.size();
    datagrams_.push_back(std::move(datagram));
  }
  void add(const nlmsghdr* message) { messages_.push_back(message); }
  template <class Predicate>
  void drop_if(Predicate predicate) {
    std::erase_if(messages_, predicate);
  }
  [[nodiscard]] auto begin() const { return messages_.begin(); }
  [[nodiscard]] auto end() const { return messages_.end(); }
  [[nodiscard]] bool empty() const { return messages_.empty(); }
  /// Datagrams that had messages. The kernel fills each in one go: only a dump of several can be torn.
  [[nodiscard]] int parts() const { return parts_; }

 private:
  std::vector<std::unique_ptr<std::uint8_t[]>> datagrams_;
  std::vector<const nlmsghdr*> messages_;
  std::size_t before_ = 0;
  int parts_ = 0;
};

/// As received; nlmsghdr's alignment is that of the allocation.
struct Datagram {
  std::unique_ptr<std::uint8_t[]> bytes;
  std::size_t size = 0;
};

/// Collects the answer to one request, datagram by datagram. What answers another request is skipped.
class AnswerReader {
 public:
  explicit AnswerReader(const nlmsghdr* request)
      : sequence_(request->nlmsg_seq), request_flags_(request->nlmsg_flags) {}

  [[nodiscard]] bool done() const { return done_; }
  [[nodiscard]] bool torn() const { return torn_; }  ///< the kernel says that a dump's parts do not fit together
  Messages take() { return std::move(messages_); }

  /// Reads one datagram's messages; the refusal, where the kernel sent one or the datagram is no netlink.
  std::expected<void, Refusal> read(Datagram datagram);

 private:
  std::expected<void, Refusal> read_message(const nlmsghdr* message);

  std::uint32_t sequence_;
  std::uint16_t request_flags_;
  bool done_ = false;
  bool torn_ = false;
  Messages messages_;
};

}  // namespace smtpegress::netlink
