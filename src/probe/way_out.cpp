#include "probe/way_out.hpp"

#include <netinet/in.h>

namespace smtpegress::probe {

Result<RouteAnswer> way_out(const RouteLookup& look_up, const Endpoint& to, const Sending& how,
                            const std::optional<std::uint32_t>& uid) {
  constexpr std::uint16_t kSomePort =
      40'000;  // the kernel chooses the real one, an ephemeral one too, when it connects
  return look_up({.destination = to.address,
                  .source = how.bound,
                  .incoming = {},
                  .mark = how.mark,
                  .ip_protocol = IPPROTO_TCP,
                  .source_port = kSomePort,
                  .destination_port = to.port,
                  .uid = uid});
}

}  // namespace smtpegress::probe
