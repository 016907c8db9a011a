// The kernel's answers to a batch: whatever comes before them they are counted, each once, and the first failure stays.
// The first byte of the input is the number of steps.
#include "netlink/nft_acknowledgements.hpp"

#include "fuzz/datagrams.hpp"

using namespace smtpegress;

namespace {

using netlink::Acknowledgements;

constexpr std::uint32_t kFirst = 0x80000000;  // what the batch begins with

/// In a buffer of exactly its size, aligned as what is received is.
void read(Acknowledgements& acks, fuzz::Bytes datagram) {
  const auto exact = std::make_unique_for_overwrite<std::uint8_t[]>(datagram.size());
  std::ranges::copy(datagram, exact.get());
  acks.read({exact.get(), datagram.size()});
}

fuzz::Octets answer(std::size_t step, int verdict) {
  return fuzz::whole_message(NLMSG_ERROR, 0, kFirst + 1 + static_cast<std::uint32_t>(step),
                             fuzz::octets(nlmsgerr{.error = verdict, .msg = {}}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::size_t steps = data[0];
  const fuzz::Bytes bytes(data + 1, size - 1);
  Acknowledgements acks(kFirst, steps);
  read(acks, bytes);
  const auto failure = acks.failure();
  const bool complete = acks.complete();
  fuzz::must(!complete || steps * sizeof(nlmsghdr) <= bytes.size(), "an answer to each step is a message each");
  fuzz::must(!failure || failure->errnum > 0, "a failure has a number");
  fuzz::must(!failure || !failure->step || *failure->step < steps, "a failure's step is one of the batch");

  Acknowledgements parts(kFirst, steps);
  for (const auto& part : fuzz::cut(bytes)) {
    read(parts, part);
  }
  fuzz::must(parts.complete() == complete && parts.failure() == failure,
             "how answers come in datagrams makes no difference");
  read(acks, bytes);
  fuzz::must(acks.complete() == complete && acks.failure() == failure, "an answer counts once");

  for (std::size_t step = 0; step < steps; ++step) {
    read(acks, answer(step, 0));
  }
  fuzz::must(acks.complete() && acks.failure() == failure, "answers behind anything are counted");
  if (steps > 0) {
    read(acks, answer(steps - 1, -EPERM));
    const netlink::BatchFailure refused{.step = steps - 1, .errnum = EPERM, .kernel_text = {}};
    fuzz::must(acks.failure() == (failure ? failure : refused), "the first failure is the one that is told");
  }
  return 0;
}
