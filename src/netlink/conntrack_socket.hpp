// Connection tracking over ctnetlink (libmnl): list and delete tcp flows.
#pragma once

#include <vector>

#include "netlink/handles.hpp"
#include "smtpegress/route.hpp"

namespace smtpegress::netlink {

class ConntrackSocket {
 public:
  static Result<ConntrackSocket> open();
  /// Filtered in the kernel where it can (CTA_FILTER), here again in any case.
  Result<std::vector<Flow>> tcp_flows(IpFamily family);
  Result<void> delete_flow(const Flow& flow);  ///< ENOENT is success

 private:
  explicit ConntrackSocket(MnlSocket socket);
  MnlSocket socket_;
};

}  // namespace smtpegress::netlink
