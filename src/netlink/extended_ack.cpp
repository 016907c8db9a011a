#include "netlink/extended_ack.hpp"

#include <algorithm>
#include <cstring>

#include "netlink/attributes.hpp"

namespace smtpegress::netlink {

std::string extended_ack_text(const nlmsghdr* message) {
  const Bytes body = message_payload(message, 0);
  if ((message->nlmsg_flags & NLM_F_ACK_TLVS) == 0 || body.size() < sizeof(nlmsgerr)) {
    return {};
  }
  nlmsgerr error{};
  std::memcpy(&error, body.data(), sizeof error);
  std::size_t echoed = sizeof error;
  // Without NETLINK_CAP_ACK the kernel echoes the whole request of a failure before its attributes.
  if ((message->nlmsg_flags & NLM_F_CAPPED) == 0 && error.msg.nlmsg_len > sizeof(nlmsghdr)) {
    echoed += error.msg.nlmsg_len - sizeof(nlmsghdr);
  }
  const Attributes attributes(message_payload(message, std::min<std::size_t>(echoed, message->nlmsg_len)));
  return text_until_nul(attributes.bytes(NLMSGERR_ATTR_MSG));
}

}  // namespace smtpegress::netlink
