// The tunnel interfaces that this program makes, and what hangs on them, to and from rtnetlink messages. No socket
// here.
#pragma once

#include <linux/netlink.h>

#include <string_view>

#include "netlink/attribute_view.hpp"
#include "netlink/handles.hpp"
#include "smtpegress/route.hpp"

namespace smtpegress::netlink {

/// Of an interface that this program has made and not yet given its alias (IFLA_GROUP, which a new interface can be
/// given in the message that makes it, as an alias cannot: rtnl_newlink_create, net/core/rtnetlink.c). "smtp" in ASCII.
inline constexpr std::uint32_t kHalfMadeGroup = 0x736d7470;

/// What IFLA_INFO_DATA says of an interface of `kind`; nothing for a kind that this program does not make.
[[nodiscard]] std::optional<Encapsulation> decode_encapsulation(std::string_view kind, Bytes data);

/// One entry of a neighbour table. Nothing where it is not a permanent one of IPv4 or IPv6; EBADMSG where it is cut
/// short.
Result<std::optional<Neighbour>> decode_neighbour(const nlmsghdr* message, int link);

/// RTM_NEWLINK: makes the interface, down and in kHalfMadeGroup. `lower` is the index of link.lower.
Result<NlMessage> encode_new_link(const LinkSpec& link, int lower);
/// RTM_NEWLINK: gives the interface of that index its alias and MTU, takes it out of the group and sets it up or down.
Result<NlMessage> encode_finished_link(const LinkSpec& link, int index);
/// RTM_DELLINK
Result<NlMessage> encode_deleted_link(const LinkSpec& link, int index);
/// RTM_NEWNEIGH, in place of any other of that address.
Result<NlMessage> encode_neighbour(const Neighbour& neighbour, int index);
/// RTM_NEWADDR, with all its bits as prefix; IPv6's without asking whether another host has it.
Result<NlMessage> encode_address(const IpAddress& address, int index);
/// RTM_GETNEIGH: a dump of one interface's neighbours of both families.
Result<NlMessage> encode_neighbour_request(int index);

/// What makes an interface another one, which it cannot become by being changed.
[[nodiscard]] bool same_tunnel(const Link& standing, const LinkSpec& wanted, int lower);

}  // namespace smtpegress::netlink
