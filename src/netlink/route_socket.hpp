// rtnetlink: links, addresses, policy rules, routes, route lookups (libnl-3's sockets and attributes; codecs of our
// own, because libnl-route 3.7 has no accessor for several rule attributes, FACTS 22).
#pragma once

#include <vector>

#include "netlink/handles.hpp"
#include "smtpegress/route.hpp"

namespace smtpegress::netlink {

class RouteSocket {
 public:
  static Result<RouteSocket> open();

  Result<std::vector<Link>> links();
  Result<std::vector<InterfaceAddress>> addresses();
  /// None of a family that this kernel has not (ipv6.disable=1).
  Result<std::vector<PolicyRule>> rules(IpFamily family);
  /// All tables but local; `links` gives names to interface indexes.
  Result<std::vector<Route>> routes(IpFamily family, const std::vector<Link>& links);

  Result<void> put_link(const LinkSpec& link,
                        const std::optional<LinkSpec>& former);  ///< see smtpegress/kernel.hpp; in link_socket.cpp
  Result<void> delete_link(const LinkSpec& link);                ///< the same
  Result<void> add_route(const Route& route);                    ///< NLM_F_CREATE | NLM_F_EXCL
  Result<void> delete_route(const Route& route);  ///< by table, destination, metric, type, interface and protocol
  Result<void> add_rule(const PolicyRule& rule, Duplicates duplicates);
  Result<void> delete_rule(const PolicyRule& rule);  ///< always with FRA_PROTOCOL and FRA_PRIORITY (FACTS 15)
  Result<RouteAnswer> look_up(const RouteQuery& query);

 private:
  explicit RouteSocket(NlSocket socket);
  Result<std::vector<Route>> our_routes_on(const Link& link);
  NlSocket socket_;
};

}  // namespace smtpegress::netlink
