#include "model/trace_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "model/rules.hpp"
#include "model/tenants.hpp"

namespace smtpegress {
namespace {

using namespace rules;
using nft::Hook;

// Behind br_netfilter's ip_sabotage_in, which is the first function of prerouting and keeps a bridged packet from
// coming by here a second time (net/bridge/br_netfilter_hooks.c).
constexpr std::int32_t kFirst = INT32_MIN + 1;
constexpr std::int32_t kLast = INT32_MAX;

struct Place {
  Checkpoint checkpoint;
  std::string_view chain;
  Hook hook;
  std::int32_t priority;
};
constexpr std::array kPlaces{
    Place{Checkpoint::kPrerouting, "prerouting", Hook::kPrerouting, kFirst},
    Place{Checkpoint::kPreroutingEnd, "prerouting-end", Hook::kPrerouting, kLast},
    Place{Checkpoint::kInput, "input", Hook::kInput, kFirst},
    Place{Checkpoint::kInputEnd, "input-end", Hook::kInput, kLast},
    Place{Checkpoint::kForward, "forward", Hook::kForward, kFirst},
    Place{Checkpoint::kForwardEnd, "forward-end", Hook::kForward, kLast},
    Place{Checkpoint::kOutput, "output", Hook::kOutput, kFirst},
    Place{Checkpoint::kOutputEnd, "output-end", Hook::kOutput, kLast},
    Place{Checkpoint::kPostrouting, "postrouting", Hook::kPostrouting, kFirst},
    Place{Checkpoint::kPostroutingEnd, "postrouting-end", Hook::kPostrouting, kLast},
};

using Tests = std::vector<std::vector<nft::Match>>;

/// The sources' mail by whatever interface it comes in, and what comes out of the tunnel in answer.
Tests entering_home(const Profile& profile) {
  Tests tests;
  for (const auto& ports : profile.ports) {
    for (const auto& source : profile.sources) {
      tests.push_back({like(source), from(source), tcp(), to_port(ports)});
    }
    tests.push_back({in(profile.tunnel), tcp(), from_port(ports)});
  }
  return tests;
}

/// By tunnel and not by source: mail of no source is a fault worth seeing, and tenants may be thousands.
Tests entering_vps(const Profile& profile, const ResolvedHost& host) {
  Tests tests;
  for (const auto& ports : profile.ports) {
    for (const auto& tunnel : tunnels_of(profile)) {
      tests.push_back({in(tunnel), tcp(), to_port(ports)});
    }
    tests.push_back({in(host.wan), tcp(), from_port(ports)});
  }
  return tests;
}

/// Of this host's own senders; and what a knock sends from an address of this host's in a source's network.
Tests sent(const Profile& profile) {
  Tests tests;
  for (const auto& ports : profile.ports) {
    for (const auto& sender : profile.host_senders) {
      if (sender.who == HostSender::Who::kEverybody) {
        tests.push_back({tcp(), to_port(ports)});
      } else if (sender.who == HostSender::Who::kUser) {
        tests.push_back({by_user(sender.uid), tcp(), to_port(ports)});
      }
      for (const auto& address : sender.addresses) {
        const auto own = Prefix::of(address);
        tests.push_back({like(own), from(own), tcp(), to_port(ports)});
      }
    }
    for (const auto& source : profile.sources) {
      tests.push_back({like(source), from(source), tcp(), to_port(ports)});
    }
  }
  return tests;
}

void append(nft::Batch& batch, const nft::ChainKey& chain, Tests tests) {
  for (auto& matches : tests) {
    batch.emplace_back(nft::AppendRule{chain, {std::move(matches), {nft::StartTrace{}}, {}}});
  }
}

}  // namespace

nft::TableKey trace_table_key(std::string_view instance, std::uint32_t number) {
  return {nft::Family::kInet, fmt::format("smtp-egress.trace.{}.{}", instance, number)};
}

nft::Batch trace_table(const nft::TableKey& table, const Profile& profile, const ResolvedHost& host) {
  nft::Batch batch{nft::AddTable{.table = table, .dormant = false, .owned = true}};
  for (const auto& place : kPlaces) {
    batch.emplace_back(nft::AddChain{{table, std::string(place.chain)},
                                     {nft::ChainType::kFilter, place.hook, place.priority, nft::Policy::kAccept}});
  }
  if (profile.side == Side::kHome) {
    append(batch, {table, "prerouting"}, entering_home(profile));
    append(batch, {table, "output"}, sent(profile));
  } else {
    append(batch, {table, "prerouting"}, entering_vps(profile, host));
  }
  return batch;
}

std::optional<Checkpoint> checkpoint_of(const nft::TableKey& table, const nft::ChainKey& chain) {
  const auto place = std::ranges::find(kPlaces, chain.name, &Place::chain);
  return chain.table == table && place != kPlaces.end() ? std::optional(place->checkpoint) : std::nullopt;
}

nft::Hook hook_of(Checkpoint place) noexcept {
  return std::ranges::find(kPlaces, place, &Place::checkpoint)->hook;  // it has them all
}

}  // namespace smtpegress
