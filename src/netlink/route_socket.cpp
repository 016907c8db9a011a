#include "netlink/route_socket.hpp"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>

#include "net/contains.hpp"
#include "netlink/exchange.hpp"
#include "netlink/route_codec.hpp"
#include "netlink/route_list.hpp"

namespace smtpegress::netlink {
namespace {

constexpr TableId kLocalTable{255};  // RT_TABLE_LOCAL, linux/rtnetlink.h

/// 0 for no name.
Result<int> index_of(nl_sock* socket, const IfName& name) {
  if (name.empty()) {
    return 0;
  }
  const auto link = one_link(socket, 0, name);
  if (!link) {
    return std::unexpected(link.error());
  }
  return link->index;
}

Result<void> change(nl_sock* socket, std::string operation, std::string object, const Result<NlMessage>& request,
                    const IfName& interface = {}) {
  if (!request) {
    return std::unexpected(request.error());
  }
  if (auto done = ask(socket, request->get()); !done) {
    return refused(std::move(operation), std::move(object), std::move(done.error()), interface);
  }
  return {};
}

// The kernel deletes the first object that matches what the request says, and what a request leaves out matches
// anything: a rule with an iif, or inverted, or a route with another metric, source or option would go in our stead.
// So the exact one must stand, and none that the request fits as well may stand before it.
template <class T, class Fits>
int exactly_one_errno(const std::vector<T>& standing, const T& wanted, int absent, Fits fits) {
  const auto first = std::find_if(standing.begin(), standing.end(), fits);
  if (first == standing.end() || std::find(first, standing.end(), wanted) == standing.end()) {
    return absent;
  }
  return *first == wanted ? 0 : ENOTUNIQ;
}

std::unexpected<Error> not_deleted(std::string operation, std::string object, int errnum) {
  const bool shadowed = errnum == ENOTUNIQ;
  return system_error(std::move(operation), std::move(object), errnum, {},
                      shadowed ? "another one that the kernel would take for it stands before it; delete that by hand"
                               : "it is not there as it was made; it was removed or changed by someone else");
}

/// Selectors that the kernel compares where the request has them (rule_find, net/core/fib_rules.c; fib4_rule_compare,
/// net/ipv4/fib_rules.c).
bool is_compared(std::uint16_t type) {
  constexpr std::array<std::uint16_t, 10> kCompared{
      FRA_DST,
      FRA_SRC,
      FRA_IIFNAME,
      FRA_OIFNAME,
      FRA_IP_PROTO,
      FRA_UID_RANGE,
      FRA_SPORT_RANGE,
      FRA_DPORT_RANGE,
      kHeaderField + offsetof(fib_rule_hdr, dst_len),
      kHeaderField + offsetof(fib_rule_hdr, src_len),
  };
  return contains(kCompared, type);
}

/// fib_nl_delrule, net/core/fib_rules.c: what is zero or absent in the request is not compared, nor is "invert".
bool would_delete(const PolicyRule& wanted, const PolicyRule& standing) {
  const bool told_apart = std::ranges::any_of(wanted.other, [&](const UnknownAttribute& selector) {
    return is_compared(selector.type) && !contains(standing.other, selector);
  });
  if (told_apart) {
    return false;
  }
  const auto fits = [](std::uint32_t asked, std::uint32_t has) { return asked == 0 || asked == has; };
  const Mark asked = wanted.mark.value_or(Mark{.value = 0, .mask = 0});
  const Mark has = standing.mark.value_or(Mark{.value = 0, .mask = 0});
  return wanted.priority == standing.priority && fits(wanted.protocol.value, standing.protocol.value) &&
         fits(wanted.action, standing.action) && fits(wanted.table.value, standing.table.value) &&
         fits(asked.value, has.value) && fits(asked.mask, has.mask);
}

/// fib_table_delete, net/ipv4/fib_trie.c, as above. Gateways are told apart by the scope, or by being in the request.
bool would_delete(const Route& wanted, const Route& standing) {
  return wanted.destination == standing.destination && wanted.type == standing.type &&
         (wanted.metric == 0 || wanted.metric == standing.metric) && wanted.interface == standing.interface &&
         wanted.gateway == standing.gateway && (wanted.protocol.value == 0 || wanted.protocol == standing.protocol);
}

/// These are a lookup's own results, not failures of the asking: unreachable, no route, prohibit, blackhole, and a
/// forwarded packet whose source rp_filter refuses (EXDEV, or EINVAL for a martian).
bool is_lookup_result(int errnum) {
  return errnum == EHOSTUNREACH || errnum == ENETUNREACH || errnum == EACCES || errnum == EINVAL || errnum == EXDEV;
}

RouteAnswer no_way(int errnum, TableId table) {
  RouteAnswer answer;
  answer.errnum = errnum;
  answer.table = table;
  return answer;
}

/// IPv6 answers with a route of such a type where IPv4 answers with the error itself.
int errno_of(RouteType type) {
  switch (type) {
    case RouteType::kBlackhole:
      return EINVAL;
    case RouteType::kUnreachable:
      return EHOSTUNREACH;
    case RouteType::kProhibit:
      return EACCES;
    case RouteType::kUnicast:
    case RouteType::kLocal:
    case RouteType::kBroadcast:
    case RouteType::kThrow:
      return 0;
  }
  return 0;
}

}  // namespace

RouteSocket::RouteSocket(NlSocket socket) : socket_(std::move(socket)) {}

Result<RouteSocket> RouteSocket::open() {
  auto socket = open_netlink(NETLINK_ROUTE);
  if (!socket) {
    return system_error("open", "rtnetlink socket", socket.error());
  }
  return RouteSocket(std::move(*socket));
}

Result<std::vector<Link>> RouteSocket::links() {
  return list_links(socket_.get());
}

Result<std::vector<InterfaceAddress>> RouteSocket::addresses() {
  return list_addresses(socket_.get());
}

Result<std::vector<PolicyRule>> RouteSocket::rules(IpFamily family) {
  auto all = list_rules(socket_.get(), family);
  return !all && all.error().errnum == EAFNOSUPPORT ? std::vector<PolicyRule>{} : std::move(all);
}

Result<std::vector<Route>> RouteSocket::routes(IpFamily family, const std::vector<Link>& links) {
  auto all = list_routes(socket_.get(), family, TableId{0}, links);
  if (all) {
    std::erase_if(*all, [](const Route& route) { return route.table == kLocalTable; });
  }
  return all;
}

Result<void> RouteSocket::add_route(const Route& route) {
  const auto index = index_of(socket_.get(), route.interface);
  if (!index) {
    return refused("add route", to_string(route), {.errnum = index.error().errnum, .kernel_text = {}}, route.interface);
  }
  return change(socket_.get(), "add route", to_string(route),
                encode_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, route, *index), route.interface);
}

Result<void> RouteSocket::delete_route(const Route& route) {
  const auto index = index_of(socket_.get(), route.interface);
  if (!index) {
    const bool gone = index.error().errnum == ENODEV;  // the interface's routes went with it
    return gone ? not_deleted("delete route", to_string(route), ESRCH) : std::unexpected(index.error());
  }
  std::vector<Link> links(1);
  links.front().index = *index;
  links.front().name = route.interface;
  const auto standing = list_routes(socket_.get(), route.family, route.table, links);
  if (!standing && standing.error().errnum != ENOENT) {  // ENOENT: no such table
    return std::unexpected(standing.error());
  }
  const int errnum = exactly_one_errno(standing.value_or(std::vector<Route>{}), route, ESRCH,
                                       [&](const Route& r) { return would_delete(route, r); });
  if (errnum != 0) {
    return not_deleted("delete route", to_string(route), errnum);
  }
  return change(socket_.get(), "delete route", to_string(route), encode_route(RTM_DELROUTE, NLM_F_ACK, route, *index),
                route.interface);
}

Result<void> RouteSocket::add_rule(const PolicyRule& rule, Duplicates duplicates) {
  const int exclusive = duplicates == Duplicates::kRefuse ? NLM_F_EXCL : 0;
  return change(socket_.get(), "add rule", to_string(rule),
                encode_rule(RTM_NEWRULE, NLM_F_CREATE | NLM_F_ACK | exclusive, rule));
}

Result<void> RouteSocket::delete_rule(const PolicyRule& rule) {
  const auto standing = list_rules(socket_.get(), rule.family);
  if (!standing) {
    return std::unexpected(standing.error());
  }
  const int errnum =
      exactly_one_errno(*standing, rule, ENOENT, [&](const PolicyRule& r) { return would_delete(rule, r); });
  if (errnum != 0) {
    return not_deleted("delete rule", to_string(rule), errnum);
  }
  return change(socket_.get(), "delete rule", to_string(rule), encode_rule(RTM_DELRULE, NLM_F_ACK, rule));
}

Result<RouteAnswer> RouteSocket::look_up(const RouteQuery& query) {
  const auto incoming = index_of(socket_.get(), query.incoming);
  if (!incoming) {
    return std::unexpected(incoming.error());
  }
  const auto request = encode_query(query, *incoming);
  if (!request) {
    return std::unexpected(request.error());
  }
  const auto messages = ask(socket_.get(), request->get());
  if (!messages && is_lookup_result(messages.error().errnum)) {
    return no_way(messages.error().errnum, {});
  }
  if (!messages || messages->empty()) {
    return refused("look up route to", query.destination.to_string(),
                   messages ? Refusal{.errnum = EBADMSG, .kernel_text = {}} : messages.error(), query.incoming);
  }
  const auto answer = decode_route_answer(*messages->begin());
  if (!answer) {
    return std::unexpected(answer.error());
  }
  if (const int errnum = errno_of(answer->type); errnum != 0) {
    return no_way(errnum, answer->table);
  }
  RouteAnswer result;
  result.table = answer->table;
  result.gateway = answer->gateway;
  result.preferred_source = answer->preferred_source;
  if (answer->link != 0) {
    auto link = one_link(socket_.get(), answer->link, {});
    if (!link) {
      return std::unexpected(std::move(link.error()));
    }
    result.interface = std::move(link->name);
  }
  return result;
}

}  // namespace smtpegress::netlink
