// Many homes behind one VPS. What differs from tenant to tenant is in sets and maps; the rules look it up there.
#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "model/families.hpp"
#include "model/lower.hpp"
#include "model/ownership.hpp"
#include "model/rules.hpp"
#include "model/tenants.hpp"

namespace smtpegress {
namespace {

using namespace rules;

/// All networks of one family whose prefixes have the same length, and the sets that they are in.
struct Group {
  IpFamily family = IpFamily::kV4;
  std::uint8_t length = 0;

  [[nodiscard]] std::string named(std::string_view what) const {
    return std::string(what) + "-" + std::string(traits_of(family).role_suffix) + "-" + std::to_string(length);
  }
  [[nodiscard]] nft::MaskedAddress address(nft::Side side) const { return {side, family, length}; }
  [[nodiscard]] bool has(const Prefix& network) const {
    return network.address.family == family && network.length == length;
  }
  auto operator<=>(const Group&) const = default;
};

std::vector<Group> groups_of(const Profile& profile) {
  std::vector<Group> groups;
  groups.reserve(profile.sources.size());
  for (const auto& source : profile.sources) {
    groups.push_back({source.address.family, source.length});
  }
  std::ranges::sort(groups);
  const auto repeated = std::ranges::unique(groups);
  groups.erase(repeated.begin(), repeated.end());
  return groups;
}

constexpr std::string_view kTunnels = "tunnels";
constexpr std::string_view kSenders = "senders";      // by which interface from which network
constexpr std::string_view kNetworks = "networks";    // whoever's
constexpr std::string_view kAddresses = "addresses";  // what a network's mail leaves as

/// The interface and the other end's address are a tenant's: what comes in by it is from there, what goes out to there.
nft::Match is_tenants(const Group& group, nft::Way way, nft::Sense sense = nft::Sense::kIs) {
  const auto side = way == nft::Way::kIn ? nft::Side::kSource : nft::Side::kDestination;
  return nft::MatchSet{group.named(kSenders), way, group.address(side), sense};
}
nft::Match in_networks(const Group& group, nft::Side side) {
  return nft::MatchSet{group.named(kNetworks), std::nullopt, group.address(side), nft::Sense::kIs};
}
nft::Match by_tunnel(nft::Way way) {
  return nft::MatchSet{std::string(kTunnels), way, std::nullopt, nft::Sense::kIs};
}

/// By whichever tunnel a tenant's network is not, nothing goes to it; nor by its own from a tenant's network. (Whose
/// that is cannot be asked of both addresses at once, so it is not let through from the tenant's own either.)
void keep_apart(const std::vector<Group>& groups, std::vector<nft::Rule>& rules) {
  const auto out_of_tunnel = by_tunnel(nft::Way::kIn);
  for (const auto& to : groups) {
    const nft::MatchSet by_another{to.named(kSenders), nft::Way::kIn, to.address(nft::Side::kDestination),
                                   nft::Sense::kIsNot};
    rules.push_back(rule({out_of_tunnel, is(to.family), in_networks(to, nft::Side::kDestination), by_another}, drop(),
                         "other tenants"));
    for (const auto& from : groups) {
      if (from.family == to.family) {
        rules.push_back(rule({out_of_tunnel, is(to.family), in_networks(to, nft::Side::kDestination),
                              in_networks(from, nft::Side::kSource)},
                             drop(), "other tenants"));
      }
    }
  }
}

/// The family stands right ahead of the address that is looked up, as nft would put it: so its listing, read back by
/// nft, makes these very rules.
///
/// As with one home (lower_vps.cpp), and none of it under another tenant's address or by another tenant's tunnel: such
/// a packet would leave by whatever masquerade there is.
void add_mail(const Profile& profile, const IfName& wan, const Group& group, const PortRange& ports,
              std::vector<nft::Rule>& rules) {
  using nft::Sense;
  using nft::Way;
  const nft::SetMark mark{profile.mark};
  const auto syn = flags(kSyn | kRst, kSyn);
  const auto family = is(group.family);
  rules.push_back(rule({out(wan), by_tunnel(Way::kIn), tcp(), to_port(ports), family,
                        is_tenants(group, Way::kIn, Sense::kIsNot), in_networks(group, nft::Side::kSource)},
                       drop(), "another's address"));
  rules.push_back(rule({out(wan), tcp(), to_port(ports), family, is_tenants(group, Way::kIn)}, mark, "admit flow"));
  rules.push_back(rule({in(wan), by_tunnel(Way::kOut), tcp(), from_port(ports), reply(), family,
                        is_tenants(group, Way::kOut, Sense::kIsNot), in_networks(group, nft::Side::kDestination)},
                       drop(), "another's tunnel"));
  rules.push_back(rule(
      {in(wan), tcp(), from_port(ports), state(nft::kCtEstablished), reply(), family, is_tenants(group, Way::kOut)},
      mark, "admit replies"));
  rules.push_back(
      rule({tcp(), to_port(ports), syn, family, is_tenants(group, Way::kIn)}, nft::ClampMss{}, "mss clamp"));
  rules.push_back(
      rule({tcp(), from_port(ports), syn, family, is_tenants(group, Way::kOut)}, nft::ClampMss{}, "mss clamp"));
}

void add_sets(const Profile& profile, const ResolvedHost& host, const std::vector<Group>& groups,
              DesiredState& desired) {
  const auto table = own_table_key(profile.name);
  OwnSet tunnels{{table, std::string(kTunnels)}, {.by_interface = true}, {}};
  for (const auto& tunnel : tunnels_of(profile)) {
    tunnels.elements.push_back({.interface = tunnel.str(), .address = {}, .to = {}});
  }
  desired.sets.push_back(std::move(tunnels));
  const auto sources = mail_sources(profile, host);
  for (const auto& group : groups) {
    std::array<OwnSet, 3> sets{{
        {{table, group.named(kSenders)}, {.by_interface = true, .by_address = group.family}, {}},
        {{table, group.named(kNetworks)}, {.by_address = group.family}, {}},
        {{table, group.named(kAddresses)}, {.by_address = group.family, .to = group.family}, {}},
    }};
    auto& [senders, networks, addresses] = sets;
    for (const auto& source : sources) {
      if (!group.has(source.network)) {
        continue;
      }
      const auto& address = source.network.address;
      senders.elements.push_back({.interface = source.tunnel.str(), .address = address, .to = {}});
      networks.elements.push_back({.interface = {}, .address = address, .to = {}});
      if (source.snat_to) {
        addresses.elements.push_back({.interface = {}, .address = address, .to = source.snat_to});
      }
    }
    for (auto& set : sets) {
      std::ranges::sort(set.elements);
      desired.sets.push_back(std::move(set));
    }
  }
}

}  // namespace

void lower_tenants(const Profile& profile, const ResolvedHost& host, DesiredState& desired) {
  const auto table = own_table_key(profile.name);
  const auto groups = groups_of(profile);
  OwnChain forward{
      {table, "forward"}, {nft::ChainType::kFilter, nft::Hook::kForward, kManglePriority, nft::Policy::kAccept}, {}};
  OwnChain snat{{table, "public-address"},
                {nft::ChainType::kNat, nft::Hook::kPostrouting, kBeforeSnatPriority, nft::Policy::kAccept},
                {}};
  keep_apart(groups, forward.rules);
  for (const auto& group : groups) {
    for (const auto& ports : profile.ports) {
      add_mail(profile, host.wan, group, ports, forward.rules);
      snat.rules.push_back(
          rule({out(host.wan), tcp(), to_port(ports), is(group.family), is_tenants(group, nft::Way::kIn)},
               nft::SnatByMap{group.named(kAddresses), group.address(nft::Side::kSource)}, "snat"));
    }
    forward.rules.push_back(rule({in(host.wan), protocol(traits_of(group.family).path_errors), state(nft::kCtRelated),
                                  is(group.family), is_tenants(group, nft::Way::kOut)},
                                 nft::SetMark{profile.mark}, "admit path errors"));
  }
  add_sets(profile, host, groups, desired);
  desired.chains = {std::move(forward), std::move(snat)};
  add_forwarding(profile, host, desired.sysctls);
}

}  // namespace smtpegress
