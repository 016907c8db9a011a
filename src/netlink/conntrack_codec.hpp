// Tracked flows to and from ctnetlink messages (linux/netfilter/nfnetlink_conntrack.h). No socket here.
#pragma once

#include <linux/netlink.h>

#include <array>
#include <cstdint>
#include <optional>

#include "smtpegress/route.hpp"

namespace smtpegress::netlink {

enum class FlowFilter : std::uint8_t {
  kNone,
  kTcpInKernel,  ///< CTA_FILTER: Linux 5.8 and later; older ones ignore it and send every protocol
};

/// One request, in a buffer that is large enough for any that is built here.
class CtMessage {
 public:
  [[nodiscard]] nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(bytes_.data()); }
  [[nodiscard]] std::uint8_t* data() { return bytes_.data(); }

 private:
  alignas(nlmsghdr) std::array<std::uint8_t, 512> bytes_{};
};

[[nodiscard]] CtMessage encode_flow_dump(IpFamily family, FlowFilter filter);
/// By the original tuple, zone and id.
[[nodiscard]] CtMessage encode_flow_delete(const Flow& flow);

/// Nothing for a flow that is not tcp over IPv4 or IPv6. errnum EBADMSG: cut short, or a tcp flow without its tuples or
/// id.
Result<std::optional<Flow>> decode_flow(const nlmsghdr* message);

}  // namespace smtpegress::netlink
