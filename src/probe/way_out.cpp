#include "probe/way_out.hpp"

#include <netinet/in.h>

#include "net/ephemeral_port.hpp"

namespace smtpegress::probe {

Result<RouteAnswer> way_out(const RouteLookup& look_up, const Endpoint& to, const Sending& how,
                            const std::optional<std::uint32_t>& uid) {
  return look_up({.destination = to.address,
                  .source = how.bound,
                  .incoming = {},
                  .mark = how.mark,
                  .ip_protocol = IPPROTO_TCP,
                  .source_port = kEphemeral,
                  .destination_port = to.port,
                  .uid = uid});
}

}  // namespace smtpegress::probe
