#include "netlink/answer_reader.hpp"

#include <algorithm>
#include <cerrno>

#include "netlink/attribute_view.hpp"
#include "netlink/extended_ack.hpp"

namespace smtpegress::netlink {

std::expected<void, Refusal> AnswerReader::read(Datagram datagram) {
  Bytes rest(datagram.bytes.get(), datagram.size);
  while (!rest.empty() && !done_) {
    const auto header = header_of<nlmsghdr>(rest);
    if (!header || header->nlmsg_len < sizeof(nlmsghdr) || header->nlmsg_len > rest.size()) {
      return std::unexpected(Refusal{.errnum = EBADMSG, .kernel_text = {}});
    }
    if (header->nlmsg_seq == sequence_) {
      if (auto read = read_message(reinterpret_cast<const nlmsghdr*>(rest.data())); !read) {
        return read;
      }
    }
    rest = rest.subspan(std::min<std::size_t>(NLMSG_ALIGN(header->nlmsg_len), rest.size()));
  }
  messages_.keep(std::move(datagram.bytes));
  return {};
}

std::expected<void, Refusal> AnswerReader::read_message(const nlmsghdr* message) {
  torn_ = torn_ || (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
  switch (message->nlmsg_type) {
    case NLMSG_NOOP:
      return {};
    case NLMSG_OVERRUN:
      return std::unexpected(Refusal{.errnum = EOVERFLOW, .kernel_text = {}});
    case NLMSG_ERROR:
    case NLMSG_DONE: {
      // Both start with an int, zero or a negative errno; a DONE of an old kernel may have none.
      const int verdict = header_of<int>(payload_of(message)).value_or(0);
      done_ = true;
      if (verdict < 0) {
        auto text = message->nlmsg_type == NLMSG_ERROR ? extended_ack_text(message) : std::string{};
        return std::unexpected(Refusal{.errnum = errno_of(verdict), .kernel_text = std::move(text)});
      }
      return {};
    }
    default:
      messages_.add(message);
      done_ = (message->nlmsg_flags & NLM_F_MULTI) == 0 && (request_flags_ & (NLM_F_ACK | NLM_F_DUMP)) == 0;
      return {};
  }
}

}  // namespace smtpegress::netlink
