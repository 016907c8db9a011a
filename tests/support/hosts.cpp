#include "support/hosts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "support/iptables_text.hpp"

namespace smtpegress::test {
namespace {

constexpr std::string_view kSourceDir = SMTP_EGRESS_SOURCE_DIR;

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) {
    throw std::runtime_error("cannot read " + path);
  }
  return text.str();
}

void replace_all(std::string& text, std::string_view what, std::string_view by) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
}

/// The lab's own Docker firewall, so that both test against the same one.
std::string docker_firewall() {
  auto text = text_of(fmt::format("{}/tests/lab/data/docker.rules", kSourceDir));
  replace_all(text, "@BRIDGE@", kBridge);
  replace_all(text, "@NET@", "192.168.203.0/24");
  replace_all(text, "@CONTAINER@", "192.168.203.10/32");
  return text;
}

PolicyRule kernel_rule(std::uint32_t priority, std::uint32_t table) {
  return {.family = IpFamily::kV4,
          .priority = {priority},
          .action = 1,
          .table = {table},
          .mark = {},
          .protocol = {2},
          .other = {}};
}

void add_conf(FakeHost& host, std::string_view interface) {
  const auto of_default = [&](const char* name, const char* otherwise) {
    const auto found = host.sysctls.find(fmt::format("net/ipv4/conf/default/{}", name));
    return found == host.sysctls.end() ? std::string(otherwise) : found->second;
  };
  for (const auto& [name, otherwise] : {std::pair("rp_filter", "0"), {"forwarding", "0"}, {"src_valid_mark", "0"}}) {
    host.sysctls.emplace(fmt::format("net/ipv4/conf/{}/{}", interface, name), of_default(name, otherwise));
  }
}

}  // namespace

IfName ifname(std::string_view text) {
  return IfName::parse(text).value();
}
IpAddress address(std::string_view text) {
  return IpAddress::parse(text).value();
}
Prefix prefix(std::string_view text) {
  return Prefix::parse(text).value();
}

Profile shipped_profile(const std::string& name, const ProfileOverrides& settings) {
  const auto path = fmt::format("{}/profiles/{}.json", kSourceDir, name);
  auto profile = parse_profile(name, path, text_of(path), settings);
  if (!profile) {
    throw std::runtime_error(profile.error().message());
  }
  return *std::move(profile);
}
Profile home_profile(const ProfileOverrides& settings) {
  return shipped_profile("mailu-home", settings);
}
Profile vps_profile(const ProfileOverrides& settings) {
  return shipped_profile("mailu-vps", settings);
}

void add_link(FakeHost& host, std::string_view name, std::string_view kind, std::string_view cidr) {
  int index = 1;
  for (const auto& link : host.state.links) {
    index = std::max(index, link.index + 1);
  }
  host.state.links.push_back({index, ifname(name), std::string(kind), true, 1500});
  add_conf(host, name);
  if (!cidr.empty()) {
    const auto slash = cidr.find('/');
    const auto length = std::stoi(std::string(cidr.substr(slash + 1)));
    const InterfaceAddress local{index, address(cidr.substr(0, slash)), static_cast<std::uint8_t>(length)};
    host.state.addresses.push_back(local);
    host.state.routes.push_back({.family = IpFamily::kV4,
                                 .table = kMainTable,
                                 .destination = local.network(),
                                 .metric = 0,
                                 .type = RouteType::kUnicast,
                                 .interface = ifname(name),
                                 .gateway = {},
                                 .preferred_source = local.local,
                                 .protocol = {2},
                                 .other = {}});
  }
}

void add_wireguard(FakeHost& host, std::string_view name, std::string_view cidr, std::string_view allowed_ips) {
  add_link(host, name, "wireguard", cidr);
  WireGuardPeer peer{std::string(kHandshakePeer), {}, kNow - 10, 25, "198.51.100.1:51820"};
  std::istringstream list{std::string(allowed_ips)};
  for (std::string one; std::getline(list, one, ',');) {
    peer.allowed_ips.push_back(prefix(one));
    if (!peer.allowed_ips.back().is_default()) {
      host.state.routes.push_back({.family = IpFamily::kV4,
                                   .table = kMainTable,
                                   .destination = peer.allowed_ips.back(),
                                   .metric = 0,
                                   .type = RouteType::kUnicast,
                                   .interface = ifname(name),
                                   .gateway = {},
                                   .preferred_source = {},
                                   .protocol = kBootProtocol,
                                   .other = {}});
    }
  }
  host.wireguards[std::string(name)] = {ifname(name), {peer}};
}

void remove_link(FakeHost& host, std::string_view name) {
  const auto* link = host.state.link(ifname(name));
  const int index = link == nullptr ? 0 : link->index;
  std::erase_if(host.state.addresses, [&](const auto& a) { return a.link == index; });
  std::erase_if(host.state.routes, [&](const auto& r) { return r.interface == ifname(name); });
  std::erase_if(host.state.links, [&](const auto& l) { return l.index == index; });
  std::erase_if(host.sysctls,
                [&](const auto& s) { return s.first.starts_with(fmt::format("net/ipv4/conf/{}/", name)); });
  host.wireguards.erase(std::string(name));
}

void set_link_down(FakeHost& host, std::string_view name) {
  std::ranges::find(host.state.links, ifname(name), &Link::name)->up = false;
  std::erase_if(host.state.routes, [&](const auto& r) { return r.interface == ifname(name); });
}

void add_default_route(FakeHost& host, std::string_view gateway, std::string_view interface, std::uint32_t metric) {
  host.state.routes.push_back({.family = IpFamily::kV4,
                               .table = kMainTable,
                               .destination = {},
                               .metric = metric,
                               .type = RouteType::kUnicast,
                               .interface = ifname(interface),
                               .gateway = address(gateway),
                               .preferred_source = {},
                               .protocol = kBootProtocol,
                               .other = {}});
}

void add_rule_from(FakeHost& host, std::uint32_t priority, std::string_view source, TableId table) {
  constexpr std::uint16_t kSource = 2;                       // FRA_SRC, linux/fib_rules.h
  constexpr std::uint16_t kSourceLength = kHeaderField + 2;  // fib_rule_hdr.src_len
  const auto from = prefix(source);
  auto rule = kernel_rule(priority, table.value);
  rule.other = {{kSource, {from.address.bytes.begin(), from.address.bytes.begin() + 4}},
                {kSourceLength, {from.length}}};
  auto& rules = host.state.rules;
  rules.insert(std::ranges::upper_bound(rules, rule.priority, {}, &PolicyRule::priority), rule);
}

void forward(FakeHost& host) {
  for (auto& [key, value] : host.sysctls) {
    if (key == "net/ipv4/ip_forward" || key.ends_with("/forwarding")) {
      value = "1";
    }
  }
  host.sysctls["net/ipv4/conf/all/accept_redirects"] = "0";
}

FakeHost plain_host() {
  FakeHost host;
  host.state.rules = {kernel_rule(0, 255), kernel_rule(32766, 254), kernel_rule(32767, 253)};
  host.sysctls = {{"net/ipv4/ip_forward", "0"}, {"net/ipv4/conf/all/accept_redirects", "1"}};
  add_conf(host, "all");
  add_conf(host, "default");
  add_link(host, "lo", {}, {});
  add_link(host, "eth0", {}, "192.168.1.10/24");
  add_default_route(host, "192.168.1.1", "eth0");
  return host;
}

FakeHost bare_home() {
  auto host = plain_host();
  add_link(host, kBridge, "bridge", "192.168.203.1/24");
  add_wireguard(host, "wg0", "10.0.1.2/24", "0.0.0.0/0");
  return host;
}

FakeHost hardened_home() {
  auto host = bare_home();
  host.sysctls["net/ipv4/conf/all/accept_redirects"] = "0";
  host.sysctls["net/ipv4/conf/wg0/forwarding"] = "1";
  return host;
}

FakeHost docker_home() {
  auto host = bare_home();
  add_link(host, "docker0", "bridge", "172.31.255.1/24");
  forward(host);
  add_iptables(host.state.ruleset, docker_firewall());
  return host;
}

FakeHost vps() {
  FakeHost host = plain_host();
  remove_link(host, "eth0");
  add_link(host, "eth0", {}, "203.0.113.10/24");
  add_default_route(host, "203.0.113.1", "eth0");
  add_wireguard(host, "wg0", "10.0.1.1/24", "10.0.1.2/32,192.168.203.0/24");
  add_iptables(host.state.ruleset, R"(*filter
:INPUT ACCEPT
:FORWARD DROP
:OUTPUT ACCEPT
*nat
:PREROUTING ACCEPT
:INPUT ACCEPT
:OUTPUT ACCEPT
:POSTROUTING ACCEPT
-A POSTROUTING -o eth0 -j MASQUERADE
)");
  return host;
}

PolicyRule script_policy_rule() {
  return {.family = IpFamily::kV4,
          .priority = {10025},
          .action = 1,
          .table = {100},
          .mark = Mark{0x19, 0xffffffff},
          .protocol = kBootProtocol,
          .other = {}};
}

Route script_route() {
  return {.family = IpFamily::kV4,
          .table = {100},
          .destination = {},
          .metric = 0,
          .type = RouteType::kUnicast,
          .interface = ifname("wg0"),
          .gateway = {},
          .preferred_source = {},
          .protocol = kBootProtocol,
          .other = {}};
}

void add_home_scripts(FakeHost& host) {
  add_iptables(host.state.ruleset, R"(*filter
-I DOCKER-USER -s 192.168.203.0/24 -o wg0 -p tcp -m tcp --dport 25 -j ACCEPT
-I DOCKER-USER -d 192.168.203.0/24 -i wg0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
*raw
-I PREROUTING -d 192.168.203.0/24 -i wg0 -p tcp -m tcp --sport 25 -j ACCEPT
*mangle
:PREROUTING ACCEPT
-A PREROUTING -s 192.168.203.0/24 -p tcp -m tcp --dport 25 -j MARK --set-xmark 0x19/0xffffffff
*nat
-I POSTROUTING -s 192.168.203.0/24 -o wg0 -p tcp -m tcp --dport 25 -j ACCEPT
)");
  host.state.rules.insert(host.state.rules.begin() + 1, script_policy_rule());
  host.state.routes.insert(host.state.routes.begin(), script_route());
  for (const auto* interface : {"all", "default", "wg0", "br-mailu"}) {
    host.sysctls[fmt::format("net/ipv4/conf/{}/rp_filter", interface)] = "2";
  }
}

void add_vps_scripts(FakeHost& host, std::string_view public_ip) {
  add_iptables(host.state.ruleset, fmt::format(R"(*filter
-A FORWARD -s 192.168.203.0/24 -i wg0 -o eth0 -p tcp -m tcp --dport 25 -j ACCEPT
-A FORWARD -i eth0 -o wg0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
*mangle
:FORWARD ACCEPT
-A FORWARD -i wg0 -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
-A FORWARD -o wg0 -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
*nat
-I POSTROUTING -s 192.168.203.0/24 -o eth0 -p tcp -m tcp --dport 25 -j SNAT --to-source {}
)",
                                               public_ip));
  forward(host);
}

nft::ObservedChain& chain(FakeHost& host, std::string_view table, std::string_view name, nft::Family family) {
  const nft::ChainKey key{{family, std::string(table)}, std::string(name)};
  const auto found = std::ranges::find(host.state.ruleset.chains, key, &nft::ObservedChain::key);
  if (found == host.state.ruleset.chains.end()) {
    throw std::invalid_argument("no chain " + nft::to_string(key));
  }
  return *found;
}

Flow mail_flow(std::string_view source, std::string_view destination, std::uint16_t port, std::string_view seen_as) {
  return {.source = address(source),
          .destination = address(destination),
          .source_port = 40'000,
          .destination_port = port,
          .reply_source = address(destination),
          .reply_destination = address(seen_as),
          .reply_source_port = port,
          .reply_destination_port = 40'000,
          .zone = 0,
          .id = 7};
}

}  // namespace smtpegress::test
