// smtpegress/kernel.hpp and observed_parts.hpp over netlink and /proc/sys.
#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "kernel/conntrack_glance.hpp"
#include "kernel/sysctl.hpp"
#include "netlink/conntrack_socket.hpp"
#include "netlink/iptables_legacy.hpp"
#include "netlink/nft_socket.hpp"
#include "netlink/route_socket.hpp"
#include "netlink/trace_socket.hpp"
#include "netlink/wireguard.hpp"
#include "smtpegress/kernel.hpp"
#include "smtpegress/observed_parts.hpp"

namespace smtpegress {
namespace {

/// A socket that is opened when it is first needed.
template <class Socket>
class Lazy {
 public:
  Result<Socket*> get() {
    if (!socket_) {
      auto opened = Socket::open();
      if (!opened) {
        return std::unexpected(opened.error());
      }
      socket_.emplace(*std::move(opened));
    }
    return &*socket_;
  }

 private:
  std::optional<Socket> socket_;
};

/// Calls `use` with the socket, or returns why there is none.
template <class Socket, class Use>
auto with(Lazy<Socket>& lazy, Use use) -> decltype(use(std::declval<Socket&>())) {
  auto socket = lazy.get();
  if (!socket) {
    return std::unexpected(socket.error());
  }
  return use(**socket);
}

/// The one look at a host. Each part by itself: an older kernel without nf_tables has routes all the same.
ObservedParts parts_by(Lazy<netlink::RouteSocket>& by_route, Lazy<netlink::NftSocket>& by_nft) {
  ObservedParts parts;
  auto& state = parts.state;
  const auto put = [](auto listed, auto& into, std::optional<Error>& error) {
    if (listed && !error) {
      into.insert(into.end(), std::move_iterator(listed->begin()), std::move_iterator(listed->end()));
      return;
    }
    into.clear();  // of one family alone it would be taken for the whole
    if (!error) {
      error = std::move(listed).error();
    }
  };
  put(with(by_route, [](netlink::RouteSocket& route) { return route.links(); }), state.links, parts.links);
  put(with(by_route, [](netlink::RouteSocket& route) { return route.addresses(); }), state.addresses, parts.links);
  for (const auto family : kBothFamilies) {
    put(with(by_route, [&](netlink::RouteSocket& route) { return route.rules(family); }), state.rules, parts.rules);
    put(with(by_route, [&](netlink::RouteSocket& route) { return route.routes(family, state.links); }), state.routes,
        parts.routes);
  }
  if (auto ruleset = with(by_nft, [](netlink::NftSocket& nft) { return nft.observe(); })) {
    state.ruleset = *std::move(ruleset);
  } else {
    parts.ruleset = std::move(ruleset).error();
  }
  return parts;
}

class LinuxKernel final : public Kernel {
 public:
  Result<ObservedState> observe() override {
    auto parts = parts_by(route_, nft_);
    if (const auto* error = parts.first_error()) {
      return std::unexpected(*error);
    }
    return std::move(parts.state);
  }

  Result<std::uint32_t> generation() override {
    return with(nft_, [](netlink::NftSocket& socket) { return socket.generation(); });
  }

  Result<nft::Ruleset> legacy_tables() override { return netlink::read_iptables_legacy(); }

  std::vector<std::string> legacy_table_names() override {
    return netlink::iptables_legacy_names(IpFamily::kV4).value_or(std::vector<std::string>{});
  }

  Result<std::string> read_sysctl(const std::string& key) override { return read_sysctl_file(key); }
  Result<void> write_sysctl(const std::string& key, const std::string& value) override {
    return write_sysctl_file(key, value);
  }

  Result<void> put_link(const LinkSpec& link, const std::optional<LinkSpec>& former) override {
    return with(route_, [&](netlink::RouteSocket& socket) { return socket.put_link(link, former); });
  }
  Result<void> delete_link(const LinkSpec& link) override {
    return with(route_, [&](netlink::RouteSocket& socket) { return socket.delete_link(link); });
  }
  Result<void> add_route(const Route& route) override {
    return with(route_, [&](netlink::RouteSocket& socket) { return socket.add_route(route); });
  }
  Result<void> delete_route(const Route& route) override {
    return with(route_, [&](netlink::RouteSocket& socket) { return socket.delete_route(route); });
  }
  Result<void> add_rule(const PolicyRule& rule, Duplicates duplicates) override {
    return with(route_, [&](netlink::RouteSocket& socket) { return socket.add_rule(rule, duplicates); });
  }
  Result<void> delete_rule(const PolicyRule& rule) override {
    return with(route_, [&](netlink::RouteSocket& socket) { return socket.delete_rule(rule); });
  }
  Result<void> commit(const nft::Batch& batch, std::uint32_t generation) override {
    return with(nft_, [&](netlink::NftSocket& socket) { return socket.commit(batch, generation); });
  }

  Result<std::vector<Flow>> tcp_flows_to(IpFamily family, const std::vector<PortRange>& ports) override {
    if (!may_track_tcp_to(family, ports)) {
      return std::vector<Flow>{};
    }
    return with(conntrack_, [&](netlink::ConntrackSocket& socket) { return socket.tcp_flows(family); });
  }
  Result<void> delete_flow(const Flow& flow) override {
    return with(conntrack_, [&](netlink::ConntrackSocket& socket) { return socket.delete_flow(flow); });
  }

  Result<RouteAnswer> look_up_route(const RouteQuery& query) override {
    return with(route_, [&](netlink::RouteSocket& socket) { return socket.look_up(query); });
  }
  Result<WireGuardDevice> wireguard(const IfName& name) override { return netlink::read_wireguard(name); }

  Result<std::unique_ptr<PacketTrace>> trace(const nft::Batch& table) override {
    return netlink::TraceSocket::start(table);
  }

 private:
  Lazy<netlink::RouteSocket> route_;
  Lazy<netlink::NftSocket> nft_;
  Lazy<netlink::ConntrackSocket> conntrack_;
};

}  // namespace

std::unique_ptr<Kernel> make_linux_kernel() {
  return std::make_unique<LinuxKernel>();
}

ObservedParts observe_parts() {
  Lazy<netlink::RouteSocket> by_route;
  Lazy<netlink::NftSocket> by_nft;
  return parts_by(by_route, by_nft);
}

}  // namespace smtpegress
