// One request to the kernel and the whole of its answer. Shared by rtnetlink and generic netlink (libnl) and ctnetlink
// (libmnl), hence by file descriptor.
//
// Every request has its own sequence number and what answers another is skipped, so that an exchange that failed half
// way can never be taken for the answer to the next. Not safe for use by two threads at once.
#pragma once

#include <linux/netlink.h>

#include <expected>

#include "netlink/answer_reader.hpp"
#include "netlink/handles.hpp"
#include "smtpegress/error.hpp"

namespace smtpegress::netlink {

inline constexpr int kDumpAttempts = 10;  // then the host changes too fast to be read: EINTR

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
