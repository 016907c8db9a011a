// Datagrams: messages are read out of them where they are, whichever way they are cut into datagrams. The first byte of
// the input is the request: a question, a change or a dump.
#include <array>
#include <optional>

#include "fuzz/datagrams.hpp"
#include "netlink/answer_reader.hpp"

using namespace smtpegress;

namespace {

constexpr std::uint32_t kSequence = 7;

struct Outcome {
  std::optional<netlink::Refusal> refusal;
  std::vector<fuzz::Octets> messages;
  bool done = false;
  bool torn = false;
};

nlmsghdr request(std::uint8_t kind) {
  constexpr std::array<std::uint16_t, 3> kFlags{NLM_F_REQUEST, NLM_F_REQUEST | NLM_F_ACK, NLM_F_REQUEST | NLM_F_DUMP};
  nlmsghdr header{};
  header.nlmsg_flags = kFlags.at(kind % kFlags.size());
  header.nlmsg_seq = kSequence;
  return header;
}

void check_message(const nlmsghdr* message) {
  fuzz::must(message->nlmsg_len >= sizeof(nlmsghdr), "a message has a header");
  fuzz::must(message->nlmsg_seq == kSequence, "a message answers the request");
  fuzz::must(message->nlmsg_type != NLMSG_ERROR && message->nlmsg_type != NLMSG_DONE &&
                 message->nlmsg_type != NLMSG_NOOP && message->nlmsg_type != NLMSG_OVERRUN,
             "what ends an answer is not part of it");
}

Outcome read(const nlmsghdr& request, const std::vector<fuzz::Bytes>& datagrams) {
  netlink::AnswerReader reader(&request);
  Outcome outcome;
  for (const auto& bytes : datagrams) {
    if (reader.done()) {
      break;
    }
    netlink::Datagram datagram{.bytes = std::make_unique<std::uint8_t[]>(bytes.size()), .size = bytes.size()};
    std::ranges::copy(bytes, datagram.bytes.get());
    if (auto good = reader.read(std::move(datagram)); !good) {
      fuzz::must(good.error().errnum > 0, "a refusal has a number");
      outcome.refusal = std::move(good.error());
      break;
    }
  }
  outcome.done = reader.done();
  outcome.torn = reader.torn();
  if (!outcome.refusal) {  // what was read before a refusal is nobody's
    const auto messages = reader.take();
    for (const auto* message : messages) {
      check_message(message);
      const auto* bytes = reinterpret_cast<const std::uint8_t*>(message);
      outcome.messages.emplace_back(bytes, bytes + message->nlmsg_len);  // all of it is there to be read
    }
  }
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const auto header = request(data[0]);
  const fuzz::Bytes bytes(data + 1, size - 1);
  const auto whole = read(header, {bytes});
  const auto parts = read(header, fuzz::cut(bytes));
  fuzz::must(whole.done == parts.done && whole.torn == parts.torn && whole.messages == parts.messages,
             "how messages come in datagrams makes no difference");
  fuzz::must(whole.refusal.has_value() == parts.refusal.has_value() &&
                 (!whole.refusal || (whole.refusal->errnum == parts.refusal->errnum &&
                                     whole.refusal->kernel_text == parts.refusal->kernel_text)),
             "nor to a refusal");
  return 0;
}
