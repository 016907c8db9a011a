// The part of RouteSocket that makes interfaces.
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>

#include "netlink/exchange.hpp"
#include "netlink/route_list.hpp"
#include "netlink/route_socket.hpp"
#include "netlink/tunnel_codec.hpp"

namespace smtpegress::netlink {
namespace {

constexpr const char* kMake = "make interface";
constexpr const char* kDelete = "delete interface";

/// An Error for a person, who knows these refusals by other words than routes'.
std::unexpected<Error> not_made(const LinkSpec& link, Refusal refusal) {
  auto error = refused(kMake, to_string(link), std::move(refusal), link.lower).error();
  if (error.errnum == EOPNOTSUPP) {
    error.hint = "this kernel has no interfaces of the kind " + link.kind + ": `modprobe " + link.kind +
                 "` tells why; or name another kind, at both ends alike: --set inner.kind=" +
                 (link.kind == "vxlan" ? "ipip" : "vxlan");
  } else if (error.errnum == EADDRINUSE) {
    error.hint = "another program uses udp/" + std::to_string(link.port) + ": --set inner.port=…, at both ends alike";
  } else if (error.errnum == EEXIST) {
    error.hint = link.kind == "vxlan" ? "another VXLAN uses that port: --set inner.port=…, at both ends alike"
                                      : "there is a tunnel between these two addresses already: `ip tunnel` shows it";
  }
  return std::unexpected(std::move(error));
}

Result<void> send(nl_sock* socket, const LinkSpec& link, const Result<NlMessage>& request) {
  if (!request) {
    return std::unexpected(request.error());
  }
  if (auto done = ask(socket, request->get()); !done) {
    return not_made(link, std::move(done.error()));
  }
  return {};
}

bool is_ours(const Link& link, const LinkSpec& wanted) {
  return link.half_made || (!link.alias.empty() && link.alias == wanted.alias);
}

/// None where there is no interface of that name.
Result<std::optional<Link>> find(nl_sock* socket, const IfName& name) {
  auto link = one_link(socket, 0, name);
  if (link) {
    return std::optional(*std::move(link));
  }
  return link.error().errnum == ENODEV ? Result<std::optional<Link>>(std::nullopt) : std::unexpected(link.error());
}

/// An Error of what is put on an interface that stands. `what`: "address fd00::2".
std::unexpected<Error> not_set(const LinkSpec& link, const std::string& what, IpFamily family, Refusal refusal) {
  auto error = refused("set", what + " on " + link.name.str(), std::move(refusal), link.name).error();
  // EACCES is addrconf's for an interface whose disable_ipv6 is set (a lack of privilege is EPERM), EINVAL that of
  // ndisc, net/ipv6, for a neighbour there; the others are those of a kernel without IPv6.
  const bool has_no_ipv6 = error.errnum == EACCES || error.errnum == EAFNOSUPPORT || error.errnum == EOPNOTSUPP ||
                           (error.errnum == EINVAL && what.starts_with("neighbour"));
  if (family == IpFamily::kV6 && has_no_ipv6) {
    error.kind = ErrorKind::kKernel;
    error.hint =
        "IPv6 is switched off there: `sysctl net.ipv6.conf.default.disable_ipv6=0`, or leave the IPv6 sources "
        "and addresses out of the profile, at both ends alike";
  }
  return std::unexpected(std::move(error));
}

Result<void> set(nl_sock* socket, const LinkSpec& link, const std::string& what, IpFamily family,
                 const Result<NlMessage>& request) {
  if (!request) {
    return std::unexpected(request.error());
  }
  if (auto done = ask(socket, request->get()); !done) {
    return not_set(link, what, family, std::move(done.error()));
  }
  return {};
}

/// From the alias on: what an interface gets that stands.
Result<void> finish(nl_sock* socket, const LinkSpec& link, int index) {
  auto done = send(socket, link, encode_finished_link(link, index));
  for (const auto& neighbour : link.neighbours) {
    if (done && link.up) {  // one that is down has none
      done = set(socket, link, "neighbour " + neighbour.address.to_string(), neighbour.address.family,
                 encode_neighbour(neighbour, index));
    }
  }
  for (const auto& address : link.addresses) {
    if (done) {
      done = set(socket, link, "address " + address.to_string(), address.family, encode_address(address, index));
    }
  }
  return done;
}

Result<void> remove(nl_sock* socket, const LinkSpec& link, int index) {
  const auto request = encode_deleted_link(link, index);
  if (!request) {
    return std::unexpected(request.error());
  }
  if (auto done = ask(socket, request->get()); !done) {
    return refused(kDelete, to_string(link), std::move(done.error()), link.name);
  }
  return {};
}

/// Where none of that name stands. After an error none does, unless the hint says so.
Result<void> make(nl_sock* socket, const LinkSpec& link, int lower) {
  if (auto made = send(socket, link, encode_new_link(link, lower)); !made) {
    return made;
  }
  const auto made = one_link(socket, 0, link.name);
  if (!made) {
    return std::unexpected(made.error());
  }
  auto finished = finish(socket, link, made->index);
  if (!finished) {
    if (const auto removed = remove(socket, link, made->index); !removed) {
      finished.error().hint += "; and the half-made interface stayed: " + removed.error().message();
    }
  }
  return finished;
}

}  // namespace

Result<void> RouteSocket::put_link(const LinkSpec& link, const std::optional<LinkSpec>& former) {
  auto standing = find(socket_.get(), link.name);
  if (!standing) {
    return std::unexpected(standing.error());
  }
  if (*standing && !is_ours(**standing, link)) {
    return system_error(kMake, to_string(link), EEXIST, {},
                        "an interface of that name is there, and is not ours: name another with --tunnel");
  }
  const auto lower = one_link(socket_.get(), 0, link.lower);
  if (!lower) {
    return not_made(link, {.errnum = lower.error().errnum, .kernel_text = {}});
  }
  if (*standing && same_tunnel(**standing, link, lower->index)) {
    return finish(socket_.get(), link, (*standing)->index);
  }
  std::vector<Route> ours;
  if (*standing) {
    auto routes = our_routes_on(**standing);
    if (!routes) {
      return std::unexpected(routes.error());
    }
    ours = *std::move(routes);
    if (auto removed = remove(socket_.get(), link, (*standing)->index); !removed) {
      return removed;
    }
  }
  auto made = make(socket_.get(), link, lower->index);
  if (!made && *standing && former) {
    const auto below = one_link(socket_.get(), 0, former->lower);
    const auto restored =
        below ? make(socket_.get(), *former, below->index) : Result<void>(std::unexpected(below.error()));
    if (!restored) {
      made.error().hint += "; and the former interface could not be put back: " + restored.error().message();
      return made;
    }
  }
  for (const auto& route : ours) {
    (void)add_route(route);  // one that does not fit the new interface is found to be missing
  }
  return made;
}

Result<std::vector<Route>> RouteSocket::our_routes_on(const Link& link) {
  std::vector<Route> ours;
  for (const auto family : kBothFamilies) {
    auto all = routes(family, {link});
    if (!all) {
      return all;
    }
    std::ranges::copy_if(*all, std::back_inserter(ours), [&](const Route& route) {
      return route.interface == link.name && route.protocol == kOurProtocol;
    });
  }
  return ours;
}

Result<void> RouteSocket::delete_link(const LinkSpec& link) {
  const auto standing = find(socket_.get(), link.name);
  if (!standing) {
    return std::unexpected(standing.error());
  }
  if (!*standing || !is_ours(**standing, link)) {
    return system_error(kDelete, to_string(link), ENODEV, {}, "there is none of ours of that name");
  }
  return remove(socket_.get(), link, (*standing)->index);
}

}  // namespace smtpegress::netlink
