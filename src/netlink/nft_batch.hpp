// A batch of steps as the one datagram that nf_tables takes as a transaction.
#pragma once

#include <cstdint>
#include <vector>

#include "smtpegress/nft.hpp"

namespace smtpegress::netlink {

/// NFNL_MSG_BATCH_BEGIN with sequence number `first` and the generation; step i with first + 1 + i, each asking for an
/// acknowledgement; NFNL_MSG_BATCH_END last. Errors: a rule that cannot be encoded (kUsage).
Result<std::vector<std::uint8_t>> encode_batch(const nft::Batch& batch, std::uint32_t generation, std::uint32_t first);

/// How many sequence numbers encode_batch takes.
[[nodiscard]] constexpr std::uint32_t sequence_numbers_of(std::size_t steps) {
  return static_cast<std::uint32_t>(steps) + 2;
}

/// For messages: "add rule" and "ip filter DOCKER-USER: meta mark 0x19 counter accept".
struct StepText {
  std::string operation;
  std::string object;
};
[[nodiscard]] StepText describe(const nft::BatchStep& step);

}  // namespace smtpegress::netlink
