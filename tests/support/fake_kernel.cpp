#include "support/fake_kernel.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <compare>
#include <tuple>

#include "support/fake_ruleset.hpp"
#include "support/hosts.hpp"

namespace smtpegress::test {
namespace {

constexpr std::string_view kAllForwarding6 = "net/ipv6/conf/all/forwarding";

/// Same place in the table: what NLM_F_EXCL refuses a second one of (fib_table_insert, net/ipv4/fib_trie.c).
bool same_place(const Route& a, const Route& b) {
  return a.family == b.family && a.table == b.table && a.destination == b.destination && a.metric == b.metric;
}

/// What NLM_F_EXCL compares: everything but the protocol (rule_exists, net/core/fib_rules.c).
bool same_shape(PolicyRule a, const PolicyRule& b) {
  a.protocol = b.protocol;
  return a == b;
}

bool same_flow(const Flow& a, const Flow& b) {
  return a.source == b.source && a.destination == b.destination && a.source_port == b.source_port &&
         a.destination_port == b.destination_port && a.zone == b.zone && a.id == b.id;
}

/// IPv4's `all/forwarding` and `ip_forward` are one variable; switching it sets the others (inet_forward_change).
void switch_forwarding(FakeHost& host, const std::string& value) {
  for (auto& [key, current] : host.sysctls) {
    if (key == "net/ipv4/ip_forward" || (key.starts_with("net/ipv4/conf/") && key.ends_with("/forwarding"))) {
      current = value;
    }
  }
  host.sysctls["net/ipv4/conf/all/accept_redirects"] = value == "0" ? "1" : "0";
}

/// Where any interface begins to forward, what the others learned of routers is forgotten (addrconf_fixup_forwarding).
void switch_forwarding6(FakeHost& host, const std::string& key, const std::string& value) {
  for (auto& [other, current] : host.sysctls) {
    if (key == kAllForwarding6 && other.starts_with("net/ipv6/conf/") && other.ends_with("/forwarding")) {
      current = value;
    }
  }
  if (value != "0") {
    std::erase_if(host.state.routes, [&](const Route& route) {
      const auto accept = host.sysctls.find("net/ipv6/conf/" + route.interface.str() + "/accept_ra");
      return route.protocol == kRouterProtocol && (accept == host.sysctls.end() || accept->second != "2");
    });
  }
}

/// Longest prefix first, then the lowest metric.
const Route* best_route(const ObservedState& state, TableId table, const IpAddress& destination) {
  const Route* best = nullptr;
  for (const auto& route : state.routes) {
    const bool fits =
        route.family == destination.family && route.table == table && route.destination.contains(destination);
    if (fits && (best == nullptr || route.destination.length > best->destination.length ||
                 (route.destination.length == best->destination.length && route.metric < best->metric))) {
      best = &route;
    }
  }
  return best;
}

/// What the host itself would send from.
std::optional<IpAddress> first_address(const ObservedState& state, const Route& route) {
  const auto* link = state.link(route.interface);
  for (const auto& address : state.addresses) {
    if (link != nullptr && address.link == link->index && address.local.family == route.family) {
      return address.local;
    }
  }
  return std::nullopt;
}

/// A host's own packets come in by "lo".
bool selects(const PolicyRule& rule, const RuleSelectors& selectors, const RouteQuery& query) {
  const auto port = [](const std::optional<PortRange>& wanted, std::uint16_t has) {
    return !wanted || wanted->contains(has);
  };
  return (!rule.mark || (query.mark & rule.mark->mask) == rule.mark->value) &&
         (!selectors.source || selectors.source->contains(query.source.value_or(IpAddress{}))) &&
         (!selectors.destination || selectors.destination->contains(query.destination)) &&
         (selectors.incoming.empty() || selectors.incoming == (query.incoming.empty() ? "lo" : query.incoming.str())) &&
         (!selectors.users || selectors.users->contains(query.incoming.empty() ? query.uid.value_or(0) : 0)) &&
         (selectors.ip_protocol == 0 || selectors.ip_protocol == query.ip_protocol) &&
         port(selectors.source_ports, query.source_port) && port(selectors.destination_ports, query.destination_port);
}

std::string text(const Flow& flow) {
  return fmt::format("{}:{} -> {}:{} as {}", flow.source.to_string(), flow.source_port, flow.destination.to_string(),
                     flow.destination_port, flow.reply_destination.to_string());
}

std::unexpected<Error> stale() {
  return std::unexpected(Error{.kind = ErrorKind::kStale,
                               .operation = "commit",
                               .object = {},
                               .errnum = ERESTART,
                               .kernel_text = {},
                               .hint = {}});
}

}  // namespace

std::string snapshot(const FakeHost& host) {
  std::string all;
  for (const auto& link : host.state.links) {
    all += fmt::format("link {} {} {} mtu {} {}\n", link.name.str(), link.kind, link.up ? "up" : "down", link.mtu,
                       link.alias);
  }
  for (const auto& rule : host.state.rules) {
    all +=
        fmt::format("rule {}{}\n", to_string(rule), rule.other.empty() ? "" : fmt::format(" +{}", rule.other.size()));
  }
  for (const auto& route : host.state.routes) {
    all += fmt::format("route {}\n", to_string(route));
  }
  all += ruleset_text(host.state.ruleset);
  for (const auto& [key, value] : host.sysctls) {
    all += fmt::format("sysctl {}={}\n", key, value);
  }
  for (const auto& flow : host.flows) {
    all += fmt::format("flow {}\n", text(flow));
  }
  return all;
}

Result<void> FakeKernel::begin(const std::string& operation, const std::string& object) {
  const auto call = operation + " " + object;
  calls.push_back(call);
  if (before_call) {
    before_call(call);
  }
  if (fault && fault->call == calls.size() && !fault->carried_out) {
    return system_error(operation, object, fault->errnum);
  }
  return {};
}

Result<void> FakeKernel::answer(const std::string& operation, const std::string& object) {
  if (fault && fault->call == calls.size() && fault->carried_out) {
    return system_error(operation, object, fault->errnum);
  }
  return {};
}

Result<ObservedState> FakeKernel::observe() {
  return host.state;
}

Result<nft::Ruleset> FakeKernel::legacy_tables() {
  return host.legacy;
}

std::vector<std::string> FakeKernel::legacy_table_names() {
  std::vector<std::string> names;
  for (const auto& table : host.legacy.tables) {
    names.push_back(table.name);
  }
  return names;
}

Result<std::string> FakeKernel::read_sysctl(const std::string& key) {
  const auto found = host.sysctls.find(key);
  if (found == host.sysctls.end()) {
    return system_error("read sysctl", key, ENOENT);
  }
  return found->second;
}

Result<void> FakeKernel::write_sysctl(const std::string& key, const std::string& value) {
  if (auto begun = begin("write sysctl", key + "=" + value); !begun) {
    return begun;
  }
  const auto found = host.sysctls.find(key);
  if (found == host.sysctls.end()) {
    return system_error("write sysctl", key, ENOENT);
  }
  if (found->second != value && (key == "net/ipv4/ip_forward" || key == "net/ipv4/conf/all/forwarding")) {
    switch_forwarding(host, value);
  }
  if (key.starts_with("net/ipv6/conf/") && key.ends_with("/forwarding")) {
    switch_forwarding6(host, key, value);
  }
  found->second = value;
  return {};
}

/// As RouteSocket::put_link does it.
Result<void> FakeKernel::put_link(const LinkSpec& link, const std::optional<LinkSpec>& /*former*/) {
  if (auto begun = begin("put link", to_string(link)); !begun) {
    return begun;
  }
  const auto* lower = host.state.link(link.lower);
  if (lower == nullptr) {
    return system_error("put link", to_string(link), ENODEV);
  }
  const int lower_index = lower->index;
  const auto* standing = host.state.link(link.name);
  if (standing != nullptr && standing->alias != link.alias && !standing->half_made) {
    return system_error("put link", to_string(link), EEXIST);
  }
  if (standing == nullptr) {
    add_link(host, link.name.str(), link.kind);
  }
  auto& made = *std::ranges::find(host.state.links, link.name, &Link::name);
  made = {made.index,
          link.name,
          link.kind,
          link.up,
          link.mtu,
          link.alias,
          false,
          link.mac,
          Encapsulation{link.local, link.remote, lower_index, link.id, link.port, link.source_ports, link.learns},
          link.neighbours};
  std::erase_if(host.state.addresses, [&](const InterfaceAddress& address) { return address.link == made.index; });
  for (const auto& address : link.addresses) {
    host.state.addresses.push_back({made.index, address, Prefix::of(address).length});
  }
  return answer("put link", to_string(link));
}

Result<void> FakeKernel::delete_link(const LinkSpec& link) {
  if (auto begun = begin("delete link", to_string(link)); !begun) {
    return begun;
  }
  const auto* standing = host.state.link(link.name);
  if (standing == nullptr || (standing->alias != link.alias && !standing->half_made)) {
    return system_error("delete link", to_string(link), ENODEV);
  }
  remove_link(host, link.name.str());
  return answer("delete link", to_string(link));
}

Result<void> FakeKernel::add_route(const Route& route) {
  if (auto begun = begin("add route", to_string(route)); !begun) {
    return begun;
  }
  if (!route.interface.empty()) {
    const auto* link = host.state.link(route.interface);
    if (link == nullptr || !link->up) {
      return system_error("add route", to_string(route), link == nullptr ? ENODEV : ENETDOWN);
    }
  }
  if (std::ranges::any_of(host.state.routes, [&](const Route& r) { return same_place(r, route); })) {
    return system_error("add route", to_string(route), EEXIST);
  }
  host.state.routes.push_back(route);
  std::ranges::stable_sort(host.state.routes, {},
                           [](const Route& r) { return std::tuple(r.family, r.table.value, r.metric); });
  return answer("add route", to_string(route));
}

Result<void> FakeKernel::delete_route(const Route& route) {
  if (auto begun = begin("delete route", to_string(route)); !begun) {
    return begun;
  }
  const auto found = std::ranges::find(host.state.routes, route);
  if (found == host.state.routes.end()) {
    return system_error("delete route", to_string(route), ESRCH);
  }
  host.state.routes.erase(found);
  return answer("delete route", to_string(route));
}

Result<void> FakeKernel::add_rule(const PolicyRule& rule, Duplicates duplicates) {
  if (auto begun = begin("add rule", to_string(rule)); !begun) {
    return begun;
  }
  if (duplicates == Duplicates::kRefuse &&
      std::ranges::any_of(host.state.rules, [&](const PolicyRule& r) { return same_shape(r, rule); })) {
    return system_error("add rule", to_string(rule), EEXIST);
  }
  host.state.rules.push_back(rule);
  std::ranges::stable_sort(host.state.rules, {}, [](const PolicyRule& r) { return std::pair(r.family, r.priority); });
  return answer("add rule", to_string(rule));
}

Result<void> FakeKernel::delete_rule(const PolicyRule& rule) {
  if (auto begun = begin("delete rule", to_string(rule)); !begun) {
    return begun;
  }
  const auto found = std::ranges::find(host.state.rules, rule);
  if (found == host.state.rules.end()) {
    return system_error("delete rule", to_string(rule), ENOENT);
  }
  host.state.rules.erase(found);
  return answer("delete rule", to_string(rule));
}

Result<void> FakeKernel::commit(const nft::Batch& batch, std::uint32_t generation) {
  if (auto begun = begin("commit", fmt::format("{} steps", batch.size())); !begun) {
    return begun;
  }
  if (stale_commits > 0) {
    --stale_commits;
    ++host.state.ruleset.generation;
  }
  if (generation != host.state.ruleset.generation) {
    return stale();
  }
  auto after = apply(batch, host.state.ruleset);
  if (!after) {
    return std::unexpected(after.error());
  }
  host.state.ruleset = *std::move(after);
  if (lost_answers > 0) {  // the generation has moved, by whom cannot be told
    --lost_answers;
    return stale();
  }
  return {};
}

Result<std::vector<Flow>> FakeKernel::tcp_flows_to(IpFamily family, const std::vector<PortRange>&) {
  auto flows = host.flows;
  std::erase_if(flows, [&](const Flow& flow) { return flow.source.family != family; });
  return flows;
}

Result<void> FakeKernel::delete_flow(const Flow& flow) {
  if (auto begun = begin("delete flow", text(flow)); !begun) {
    return begun;
  }
  std::erase_if(host.flows, [&](const Flow& f) { return same_flow(f, flow); });
  return {};
}

Result<RouteAnswer> FakeKernel::look_up_route(const RouteQuery& query) {
  const auto family = query.destination.family;
  if (family == IpFamily::kV4 && !query.incoming.empty() && host.sysctls.at("net/ipv4/ip_forward") == "0") {
    return RouteAnswer{EHOSTUNREACH, {}, {}, {}};
  }
  queries.push_back(query);
  for (const auto& rule : host.state.rules) {
    const auto selectors = selectors_of(rule);
    if (rule.family != family || selects(rule, selectors, query) == selectors.inverted) {
      continue;
    }
    if (rule.action >= kFirstRefusal) {
      return RouteAnswer{rule.action == kLastRefusal ? EACCES : EHOSTUNREACH, {}, {}, {}};
    }
    const auto* route = best_route(host.state, rule.table, query.destination);
    if (route != nullptr && route->type == RouteType::kThrow) {
      continue;
    }
    if (route != nullptr && (!selectors.suppress_length || route->destination.length > *selectors.suppress_length)) {
      return RouteAnswer{route->type == RouteType::kUnicast ? 0 : EHOSTUNREACH, route->interface, route->table,
                         route->gateway, query.source ? std::nullopt : first_address(host.state, *route)};
    }
  }
  return RouteAnswer{ENETUNREACH, {}, {}, {}};
}

Result<WireGuardDevice> FakeKernel::wireguard(const IfName& name) {
  const auto found = host.wireguards.find(name.str());
  if (found == host.wireguards.end()) {
    return system_error("read WireGuard", name.str(), ENODEV);
  }
  if (wireguard_errnum != 0) {
    return system_error("read WireGuard", name.str(), wireguard_errnum);
  }
  return found->second;
}

namespace {

class FakeTrace final : public PacketTrace {
 public:
  explicit FakeTrace(FakeKernel& kernel) : kernel_(kernel) {}
  Result<TraceRead> next(std::chrono::milliseconds wait) override {
    if (kernel_.traced.empty()) {
      kernel_.clock += wait;
      return TraceRead{};
    }
    auto read = std::move(kernel_.traced.front());
    kernel_.traced.pop_front();
    return read;
  }

 private:
  FakeKernel& kernel_;
};

}  // namespace

Result<std::unique_ptr<PacketTrace>> FakeKernel::trace(const nft::Batch& table) {
  if (trace_refusal != 0) {
    return system_error("add table", "of a trace", trace_refusal);
  }
  traces.push_back(table);
  return std::make_unique<FakeTrace>(*this);
}

}  // namespace smtpegress::test
