#include "netlink/nft_acknowledgements.hpp"

#include <algorithm>
#include <cerrno>

#include "netlink/answer_reader.hpp"
#include "netlink/attribute_view.hpp"
#include "netlink/extended_ack.hpp"

namespace smtpegress::netlink {

void Acknowledgements::read(Bytes datagram) {
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

void Acknowledgements::note(const nlmsghdr* message) {
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
  failure_ = BatchFailure{.step = is_step ? std::optional<std::size_t>(place - 1) : std::nullopt,
                          .errnum = errno_of(verdict),
                          .kernel_text = extended_ack_text(message)};
}

}  // namespace smtpegress::netlink
