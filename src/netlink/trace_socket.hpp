// A table of ours that lives as long as its socket, and the events of what it has the kernel trace (libmnl).
#pragma once

#include <memory>

#include "netlink/handles.hpp"
#include "netlink/nft_socket.hpp"
#include "smtpegress/trace.hpp"

namespace smtpegress::netlink {

class TraceSocket final : public PacketTrace {
 public:
  /// As Kernel::trace. Listens before the table stands, so that no packet's beginning is missed.
  static Result<std::unique_ptr<PacketTrace>> start(const nft::Batch& table);

  /// Says overrun until there is nothing more to read: see there.
  Result<TraceRead> next(std::chrono::milliseconds wait) override;

 private:
  TraceSocket(MnlSocket events, NftSocket owner) : events_(std::move(events)), owner_(std::move(owner)) {}

  MnlSocket events_;
  NftSocket owner_;       ///< the table is its: when it is closed, the kernel deletes the table
  bool overrun_ = false;  ///< and what waited then is not all read yet
};

}  // namespace smtpegress::netlink
