// The kernel's lists of links, addresses, policy rules and routes over a socket; RouteSocket's reading half.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "netlink/exchange.hpp"
#include "smtpegress/route.hpp"

namespace smtpegress::netlink {

/// An Error for a person from the kernel's verdict; `interface` is named in the hint where it is to blame.
[[nodiscard]] std::unexpected<Error> refused(std::string operation, std::string object, Refusal refusal,
                                             const IfName& interface = {});

/// With the neighbours of those that could be ours: VXLANs with an alias.
Result<std::vector<Link>> list_links(nl_sock* socket);
Result<std::vector<InterfaceAddress>> list_addresses(nl_sock* socket);

/// Never in part. The kernel counts its place in rules, and in the routes of one prefix, but marks no dump of them as
/// torn (dump_rules, net/core/fib_rules.c; fn_trie_dump_leaf, net/ipv4/fib_trie.c). So a list of several datagrams is
/// read until it is twice the same and nothing was announced to have changed meanwhile; errnum EINTR where it never is.
/// Twice the same alone is not enough: a change at the same place of each reading tears both alike.
Result<std::vector<PolicyRule>> list_rules(nl_sock* socket, IpFamily family);
/// One table's routes, or those of all tables where `table` is zero. errnum ENOENT: no such table.
Result<std::vector<Route>> list_routes(nl_sock* socket, IpFamily family, TableId table, std::span<const Link> links);

/// By index, or by name where that is not empty.
Result<Link> one_link(nl_sock* socket, int index, const IfName& name);

}  // namespace smtpegress::netlink
