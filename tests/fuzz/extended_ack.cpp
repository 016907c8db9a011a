// The kernel's words in an error. The input is an NLMSG_ERROR's body, and then the words themselves.
#include "netlink/extended_ack.hpp"

#include "fuzz/messages.hpp"
#include "fuzz/netlink_mutator.hpp"

using namespace smtpegress;

const std::size_t fuzz::kHeaderSize = sizeof(nlmsgerr);

namespace {

/// Refused with these words; the request of `echoed` bytes is sent back behind the error, as it is without
/// NETLINK_CAP_ACK.
fuzz::Octets refused(std::string_view words, std::size_t echoed) {
  nlmsgerr error{};
  error.error = -EINVAL;
  error.msg.nlmsg_len = static_cast<std::uint32_t>(sizeof(nlmsghdr) + echoed);
  return fuzz::joined({fuzz::octets(error), fuzz::Octets(echoed, 0xff),
                       fuzz::attribute(NLMSGERR_ATTR_OFFS, fuzz::octets(std::uint32_t{16})),
                       fuzz::attribute(NLMSGERR_ATTR_MSG, fuzz::octets(std::string(words) + '\0'))});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Bytes input(data, size);
  for (const unsigned flags : {0U, unsigned{NLM_F_ACK_TLVS}, unsigned{NLM_F_ACK_TLVS | NLM_F_CAPPED}}) {
    const auto text =
        netlink::extended_ack_text(fuzz::Message(input, NLMSG_ERROR, static_cast<std::uint16_t>(flags)).header());
    fuzz::must(text.empty() || flags != 0, "words are there only where the kernel says so");
    fuzz::must(fuzz::text_of(input).find(text) != std::string_view::npos, "words are the message's own");
  }

  const auto words = fuzz::text_of(input).substr(0, fuzz::text_of(input).find('\0'));
  const fuzz::Message message(refused(words, size % 64), NLMSG_ERROR, NLM_F_ACK_TLVS);
  fuzz::must(netlink::extended_ack_text(message.header()) == words, "the kernel's words are read whole");
  return 0;
}
