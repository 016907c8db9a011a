// The kernel's answers to one batch of changes to nf_tables. No socket here: bytes in, verdict out.
#pragma once

#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "netlink/attributes.hpp"

namespace smtpegress::netlink {

/// What the kernel refused a batch for.
struct BatchFailure {
  std::optional<std::size_t> step;  ///< by its place in the batch; none: the batch as a whole
  int errnum = 0;                   ///< positive
  std::string kernel_text;          ///< extended ack, where there is one

  friend bool operator==(const BatchFailure&, const BatchFailure&) = default;
};

/// Counts the acknowledgements of one batch that encode_batch has numbered. The kernel sends one for each step, and one
/// for the message that begins or ends the batch only where it refuses it.
class Acknowledgements {
 public:
  /// `first` is the sequence number that encode_batch was given. Precondition: the batch's numbers do not wrap.
  Acknowledgements(std::uint32_t first, std::size_t steps) : first_(first), outstanding_(steps), seen_(steps, false) {}

  /// Reads the answers in one datagram; what answers something else, or is no answer, is passed over. A step's second
  /// answer is not counted. Precondition: `datagram` is aligned as nlmsghdr is.
  void read(Bytes datagram);

  /// Every step has been answered, well or not.
  [[nodiscard]] bool complete() const { return outstanding_ == 0; }
  /// The first one that was read: the others are consequences of it.
  [[nodiscard]] const std::optional<BatchFailure>& failure() const { return failure_; }

 private:
  void note(const nlmsghdr* message);

  std::uint32_t first_;
  std::size_t outstanding_;
  std::vector<bool> seen_;  ///< by step
  std::optional<BatchFailure> failure_;
};

}  // namespace smtpegress::netlink
