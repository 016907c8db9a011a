// Links, addresses, policy rules and routes to and from rtnetlink messages. No socket here: bytes in, values out.
//
// What stands in `other` of a rule or route: each attribute that the struct has no field for, its payload as the kernel
// sent it; and each field of the fixed header that the struct has none for and that is not at its default, as type
// kHeaderField + its offset. Attributes at their defaults are left out, so that a rule that says "no suppression"
// equals one that says nothing. Sorted. Encoding writes all of it back.
#pragma once

#include <linux/netlink.h>

#include <span>
#include <vector>

#include "netlink/handles.hpp"
#include "smtpegress/route.hpp"

namespace smtpegress::netlink {

/// errnum EBADMSG for each decoder: the message is cut short, or of a family that is neither IPv4 nor IPv6.
/// Precondition for each: nlmsg_len bytes are readable.
/// The name is empty where the kernel allowed one that IfName refuses (control bytes).
Result<Link> decode_link(const nlmsghdr* message);
Result<InterfaceAddress> decode_address(const nlmsghdr* message);
Result<PolicyRule> decode_rule(const nlmsghdr* message);
/// An outgoing interface that `links` does not have stays in `other` as RTA_OIF.
Result<Route> decode_route(const nlmsghdr* message, std::span<const Link> links);

/// What a lookup's answer says; `interface` is still an index.
struct DecodedAnswer {
  int link = 0;
  TableId table;
  std::optional<IpAddress> gateway;
  std::optional<IpAddress> preferred_source;
  RouteType type = RouteType::kUnicast;
};
Result<DecodedAnswer> decode_route_answer(const nlmsghdr* message);

/// True for a message of IPv4 or IPv6; dumps of "any family" have others too.
[[nodiscard]] bool is_ip_message(const nlmsghdr* message);
/// A route of that family, and none that the kernel made from another (a path MTU exception), which `ip route` does not
/// show either. (A kernel without IPv6 answers with the routes of all families that it has.) True where the message is
/// too short to tell.
[[nodiscard]] bool is_route_of(const nlmsghdr* message, IpFamily family);

/// RTM_NEWRULE or RTM_DELRULE. Errors: EINVAL where `other` holds more than a message can.
Result<NlMessage> encode_rule(std::uint16_t type, int flags, const PolicyRule& rule);
/// RTM_NEWROUTE or RTM_DELROUTE; `link` is the index of route.interface, 0 where that is empty. The scope is the one
/// that `ip route add` chooses, unless `other` holds another.
Result<NlMessage> encode_route(std::uint16_t type, int flags, const Route& route, int link);
/// RTM_GETROUTE; `incoming` is the index of query.incoming, 0 where that is empty.
Result<NlMessage> encode_query(const RouteQuery& query, int incoming);

}  // namespace smtpegress::netlink
