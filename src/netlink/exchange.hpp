// One request to the kernel and the whole of its answer. Shared by rtnetlink and generic netlink (libnl) and ctnetlink
// (libmnl), hence by file descriptor.
//
// Every request has its own sequence number and what answers another is skipped, so that an exchange that failed half
// way can never be taken for the answer to the next. Not safe for use by two threads at once.
#pragma once

#include <linux/netlink.h>

#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "netlink/handles.hpp"
#include "smtpegress/error.hpp"

namespace smtpegress::netlink {

/// Why there is no answer: the kernel's verdict, or that of send and recv.
struct Refusal {
  int errnum = 0;           ///< positive
  std::string kernel_text;  ///< extended ack, where there is one
};

inline constexpr int kDumpAttempts = 10;  // then the host changes too fast to be read: EINTR

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

/// A socket of `protocol` (NETLINK_ROUTE, NETLINK_GENERIC), its options set. The error is an errno.
std::expected<NlSocket, int> open_netlink(int protocol);

/// A message with its header set and room for attributes. Throws std::bad_alloc.
[[nodiscard]] NlMessage new_message(std::uint16_t type, int flags);

/// Extended acks, strict checking where the kernel has it, and a time limit on each wait. The error is an errno.
std::expected<void, int> set_options(int fd);

/// A single question (its one answer ends it) or, with NLM_F_ACK in the request, a change (its ack ends it). Sets the
/// request's sequence number and NLM_F_REQUEST.
std::expected<Messages, Refusal> ask(int fd, nlmsghdr* request);

/// A request with NLM_F_DUMP. A dump that the kernel marks as torn is repeated; errnum EINTR after kDumpAttempts.
std::expected<Messages, Refusal> dump(int fd, nlmsghdr* request);

inline std::expected<Messages, Refusal> ask(nl_sock* socket, nl_msg* request) {
  return ask(nl_socket_get_fd(socket), nlmsg_hdr(request));
}
inline std::expected<Messages, Refusal> dump(nl_sock* socket, nl_msg* request) {
  return dump(nl_socket_get_fd(socket), nlmsg_hdr(request));
}

}  // namespace smtpegress::netlink
