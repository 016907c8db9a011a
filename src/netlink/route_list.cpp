#include "netlink/route_list.hpp"

#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <optional>

#include "netlink/route_codec.hpp"
#include "netlink/route_message.hpp"
#include "netlink/tunnel_codec.hpp"

namespace smtpegress::netlink {
namespace {

constexpr std::uint32_t kLinkFilter = RTEXT_FILTER_SKIP_STATS;  // statistics are two thirds of a link's message

std::string hint_for(int errnum, const IfName& interface) {
  switch (errnum) {
    case EPERM:
    case EACCES:
      return "this needs CAP_NET_ADMIN; run it as root";
    case ENETDOWN:
      return interface.empty() ? "bring the interface up" : "bring " + interface.str() + " up";
    case ENODEV:
      return interface.empty() ? "there is no such interface" : "there is no interface " + interface.str();
    case EEXIST:
      return "the same stands there already, made by someone else";
    case EAFNOSUPPORT:
      return "this kernel runs without IPv6 (ipv6.disable=1); leave the IPv6 networks out of the sources";
    case EINTR:
      return "something on this host changes it all the time; try again";
    case ETIMEDOUT:
      return "the kernel did not answer; another program may hold its routing lock";
    default:
      return {};
  }
}

template <class T>
using Decoder = std::function<Result<T>(const nlmsghdr*)>;
using Filter = std::function<bool(const nlmsghdr*)>;

/// One list's request, and what to read of its answer.
template <class T>
struct Listing {
  std::string what;  ///< for errors
  NlMessage request;
  Decoder<T> decode;
  Filter wanted = [](const nlmsghdr*) { return true; };
  std::vector<int> announced_in = {};  ///< RTNLGRP_*: where its changes are announced
};

template <class T>
struct Listed {
  std::vector<T> all;
  int parts = 0;
};

template <class T>
Result<Listed<T>> list(nl_sock* socket, const Listing<T>& listing) {
  const auto messages = dump(socket, listing.request.get());
  if (!messages) {
    return refused("list", listing.what, messages.error());
  }
  Listed<T> listed{.all = {}, .parts = messages->parts()};
  for (const nlmsghdr* message : *messages) {
    if (!listing.wanted(message)) {
      continue;
    }
    auto one = listing.decode(message);
    if (!one) {
      return std::unexpected(std::move(one.error()));
    }
    listed.all.push_back(std::move(*one));
  }
  return listed;
}

/// Hears of changes from when it is made.
class ChangeWatch {
 public:
  static std::expected<ChangeWatch, int> open(const std::vector<int>& groups) {
    auto socket = open_netlink(NETLINK_ROUTE);
    if (!socket) {
      return std::unexpected(socket.error());
    }
    const int fd = nl_socket_get_fd(socket->get());
    for (const int group : groups) {
      if (::setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0) {
        return std::unexpected(errno);
      }
    }
    return ChangeWatch(std::move(*socket));
  }

  /// True where nothing was announced since the last call. What was announced need not be read, only taken away.
  bool quiet() {
    const int fd = nl_socket_get_fd(socket_.get());
    std::array<char, 64> start{};
    bool heard = false;
    while (::recv(fd, start.data(), start.size(), MSG_DONTWAIT) >= 0 || errno == ENOBUFS || errno == EINTR) {
      heard = true;  // ENOBUFS: more than the socket could hold
    }
    return !heard;
  }

 private:
  explicit ChangeWatch(NlSocket socket) : socket_(std::move(socket)) {}
  NlSocket socket_;
};

template <class T>
Result<std::vector<T>> list_settled(nl_sock* socket, const Listing<T>& listing) {
  std::optional<ChangeWatch> watch;
  std::optional<std::vector<T>> before;
  for (int attempt = 0; attempt < kDumpAttempts; ++attempt) {
    auto listed = list(socket, listing);
    if (!listed) {
      return std::unexpected(std::move(listed.error()));
    }
    if (listed->parts <= 1) {
      return std::move(listed->all);
    }
    if (!watch) {
      auto opened = ChangeWatch::open(listing.announced_in);
      if (!opened) {
        return refused("watch", listing.what, {.errnum = opened.error(), .kernel_text = {}});
      }
      watch.emplace(std::move(*opened));
      continue;  // this one was read unwatched
    }
    const bool quiet = watch->quiet();
    if (quiet && before == listed->all) {
      return std::move(listed->all);
    }
    before = quiet ? std::optional(std::move(listed->all)) : std::nullopt;
  }
  return refused("list", listing.what, {.errnum = EINTR, .kernel_text = {}});
}

}  // namespace

std::unexpected<Error> refused(std::string operation, std::string object, Refusal refusal, const IfName& interface) {
  auto hint = hint_for(refusal.errnum, interface);
  return system_error(std::move(operation), std::move(object), refusal.errnum, std::move(refusal.kernel_text),
                      std::move(hint));
}

namespace {

Result<std::vector<Neighbour>> list_neighbours(nl_sock* socket, int link) {
  auto request = encode_neighbour_request(link);
  auto listed = list<std::optional<Neighbour>>(
      socket, {.what = "neighbours", .request = *std::move(request), .decode = [link](const nlmsghdr* message) {
                 return decode_neighbour(message, link);
               }});
  if (!listed) {
    return std::unexpected(std::move(listed.error()));
  }
  std::vector<Neighbour> neighbours;
  for (const auto& neighbour : listed->all) {
    if (neighbour) {
      neighbours.push_back(*neighbour);
    }
  }
  std::ranges::sort(neighbours);
  return neighbours;
}

}  // namespace

Result<std::vector<Link>> list_links(nl_sock* socket) {
  MessageBuilder builder(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP);
  builder.header(ifinfomsg{}).u32(IFLA_EXT_MASK, kLinkFilter);
  auto listed = list<Link>(socket, {.what = "links", .request = builder.take(), .decode = decode_link});
  if (!listed) {
    return std::unexpected(std::move(listed.error()));
  }
  std::erase_if(listed->all, [](const Link& link) { return link.name.empty(); });
  for (auto& link : listed->all) {
    if (link.kind == "vxlan" && !link.alias.empty()) {
      auto neighbours = list_neighbours(socket, link.index);
      if (!neighbours) {
        return std::unexpected(std::move(neighbours.error()));
      }
      link.neighbours = *std::move(neighbours);
    }
  }
  return std::move(listed->all);
}

Result<std::vector<InterfaceAddress>> list_addresses(nl_sock* socket) {
  MessageBuilder builder(RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP);
  builder.header(ifaddrmsg{});
  auto listed = list<InterfaceAddress>(
      socket, {.what = "addresses", .request = builder.take(), .decode = decode_address, .wanted = is_ip_message});
  if (!listed) {
    return std::unexpected(std::move(listed.error()));
  }
  return std::move(listed->all);
}

Result<std::vector<PolicyRule>> list_rules(nl_sock* socket, IpFamily family) {
  fib_rule_hdr header{};
  header.family = family_to(family);
  MessageBuilder builder(RTM_GETRULE, NLM_F_REQUEST | NLM_F_DUMP);
  builder.header(header);
  return list_settled<PolicyRule>(socket,
                                  {.what = "policy rules",
                                   .request = builder.take(),
                                   .decode = decode_rule,
                                   .announced_in = {family == IpFamily::kV4 ? RTNLGRP_IPV4_RULE : RTNLGRP_IPV6_RULE}});
}

Result<std::vector<Route>> list_routes(nl_sock* socket, IpFamily family, TableId table, std::span<const Link> links) {
  rtmsg header{};
  header.rtm_family = family_to(family);
  MessageBuilder builder(RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP);
  builder.header(header);
  if (table.value != 0) {
    builder.u32(RTA_TABLE, table.value);  // a kernel without strict checking sends all tables nevertheless
  }
  // Routes that go with their link or source address go without a word of their own.
  const bool v4 = family == IpFamily::kV4;
  const std::vector<int> announced_in{v4 ? RTNLGRP_IPV4_ROUTE : RTNLGRP_IPV6_ROUTE,
                                      v4 ? RTNLGRP_IPV4_IFADDR : RTNLGRP_IPV6_IFADDR, RTNLGRP_LINK};
  auto routes = list_settled<Route>(socket, {.what = "routes",
                                             .request = builder.take(),
                                             .decode = [&](const nlmsghdr* m) { return decode_route(m, links); },
                                             .wanted = [&](const nlmsghdr* m) { return is_route_of(m, family); },
                                             .announced_in = announced_in});
  if (routes && table.value != 0) {
    std::erase_if(*routes, [&](const Route& route) { return route.table != table; });
  }
  return routes;
}

Result<Link> one_link(nl_sock* socket, int index, const IfName& name) {
  ifinfomsg header{};
  header.ifi_index = index;
  MessageBuilder builder(RTM_GETLINK, NLM_F_REQUEST);
  builder.header(header).u32(IFLA_EXT_MASK, kLinkFilter);
  if (!name.empty()) {
    builder.text(IFLA_IFNAME, name.str());
  }
  const NlMessage request = builder.take();
  auto messages = ask(socket, request.get());
  const std::string object = name.empty() ? "number " + std::to_string(index) : name.str();
  if (!messages) {
    return refused("find interface", object, std::move(messages.error()), name);
  }
  if (messages->empty()) {
    return refused("find interface", object, {.errnum = ENODEV, .kernel_text = {}}, name);
  }
  return decode_link(*messages->begin());
}

}  // namespace smtpegress::netlink
