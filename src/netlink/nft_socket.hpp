// nf_tables over nfnetlink: dumps and batches (libmnl, libnftnl).
#pragma once

#include "netlink/handles.hpp"
#include "smtpegress/nft.hpp"

namespace smtpegress::netlink {

class NftSocket {
 public:
  static Result<NftSocket> open();

  /// Tables, chains and rules of all families at one generation; a dump during which the generation moved, or that the
  /// kernel marked NLM_F_DUMP_INTR, is repeated a bounded number of times, then an error (EINTR).
  Result<nft::Ruleset> observe();

  /// Which a batch that is to be committed names.
  Result<std::uint32_t> generation();

  /// Sends the steps as one batch that carries `generation`, and collects every acknowledgement (FACTS 13).
  /// ErrorKind::kStale for ERESTART. Any other error names the first step that failed and the kernel's text.
  Result<void> commit(const nft::Batch& batch, std::uint32_t generation);

 private:
  explicit NftSocket(MnlSocket socket);
  MnlSocket socket_;
};

}  // namespace smtpegress::netlink
