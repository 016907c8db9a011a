#include <fmt/format.h>

#include <algorithm>

#include "model/docker.hpp"
#include "model/families.hpp"
#include "model/lower.hpp"
#include "model/mail_flow.hpp"
#include "model/ownership.hpp"
#include "model/rules.hpp"
#include "model/tenants.hpp"
#include "net/contains.hpp"

namespace smtpegress {
namespace {

using namespace rules;

/// The mail and its replies that come by this chain when they are forwarded; none by one of Docker's own or of ours.
std::vector<FlowPacket> filtered_by(const nft::ObservedChain& chain, const Profile& profile, const ResolvedHost& host) {
  const bool filters = chain.hook && !chain.dormant && chain.hook->hook == nft::Hook::kForward &&
                       chain.hook->type == nft::ChainType::kFilter && !is_own_table(chain.key.table) &&
                       chain.key.table.name != kDockerBridges;
  return filters ? seen_by(chain.key.table.family, forwarded_packets(profile, host)) : std::vector<FlowPacket>{};
}

/// Hands every packet to Docker's chain for others.
bool calls_docker_user(const nft::ObservedRule& observed) {
  return observed.rule.matches.empty() &&
         std::ranges::any_of(observed.rule.statements, [](const nft::Statement& statement) {
           const auto* verdict = std::get_if<nft::Verdict>(&statement);
           return verdict != nullptr && verdict->code == nft::VerdictCode::kJump && verdict->chain == "DOCKER-USER";
         });
}

bool is_masqueraded(const Profile& profile) {
  return profile.side == Side::kHome && profile.nat == HomeNat::kMasquerade;
}

/// The first place in the chain where the mail may end. What keeps certain peers back is no need for an admission,
/// which would let those through too.
std::optional<Obstacle> obstacle_of_mail(const nft::Ruleset& ruleset, const nft::ObservedChain& chain,
                                         const FlowPacket& packet) {
  auto obstacle = find_obstacle(ruleset, chain, packet.facts, is_tagged);
  return obstacle && !obstacle->of_peers ? obstacle : std::nullopt;
}

bool could_drop(const nft::Ruleset& ruleset, const nft::ObservedChain& chain, const std::vector<FlowPacket>& packets) {
  return std::ranges::any_of(
      packets, [&](const FlowPacket& packet) { return obstacle_of_mail(ruleset, chain, packet).has_value(); });
}

bool surely_drops(const nft::Ruleset& ruleset, const nft::ObservedChain& chain,
                  const std::vector<FlowPacket>& packets) {
  return std::ranges::any_of(packets, [&](const FlowPacket& packet) {
    const auto obstacle = obstacle_of_mail(ruleset, chain, packet);
    return obstacle && obstacle->certain;
  });
}

/// Docker keeps DOCKER-USER free for others and calls it first; FORWARD itself it rearranges at every start. Where
/// something else surely drops the mail before that call, only the head of FORWARD is early enough. What only may drop
/// it is no reason to go ahead of everybody: mailcow's netfilter container restarts, and forgets its bans, where
/// anything stands ahead of its own call.
nft::ChainKey place_for_admission(const nft::Ruleset& ruleset, const nft::ObservedChain& base,
                                  const std::vector<FlowPacket>& packets) {
  const nft::ChainKey docker_user{base.key.table, "DOCKER-USER"};
  const auto call = std::ranges::find_if(base.rules, calls_docker_user);
  if (call == base.rules.end() || ruleset.find(docker_user) == nullptr) {
    return base.key;
  }
  const nft::ObservedChain before_call{base.key, base.handle, std::nullopt, {base.rules.begin(), call}};
  return surely_drops(ruleset, before_call, packets) ? base.key : docker_user;
}

/// Docker 28.2 and later drop in raw PREROUTING what reaches a container by another interface than its bridge. Replies
/// only: a bare SYN from source port 25 would be a way in to every unpublished port (FACTS 25).
nft::Rule raw_exception(const Profile& profile, const Prefix& source, const PortRange& ports) {
  return rule({in(profile.tunnel), to(source), tcp(), from_port(ports), no_syn()}, accept(),
              tag_for(profile.name, "replies"));
}

/// The path's errors: without "packet too big", or "fragmentation needed", a large mail hangs wherever the path behind
/// the VPS is narrower than the tunnel. Which of them belong to the mail only connection tracking knows, which comes
/// later: the forward chain then marks those alone.
nft::Rule raw_exception_for_errors(const Profile& profile, const Prefix& source) {
  return rule({in(profile.tunnel), to(source), protocol(traits_of(source.address.family).path_errors)}, accept(),
              tag_for(profile.name, "path-errors"));
}

/// A rule that ends a flow although ours stand in the chain: somebody put it ahead of them. One that keeps a part of
/// the senders back is an administrator's decision, and is left in force.
std::string preempting_rule(const nft::Ruleset& ruleset, const nft::ObservedChain& chain, const nft::ChainKey& place,
                            const std::vector<FlowPacket>& packets) {
  const auto* with_ours = ruleset.find(place);
  if (with_ours == nullptr || std::ranges::none_of(with_ours->rules, is_tagged, &nft::ObservedRule::rule)) {
    return {};
  }
  for (const auto& packet : packets) {
    // A flow ends where its first packet ends, or all the others: each state by itself.
    for (const std::uint32_t state : {packet.facts.ct_states & nft::kCtNew, packet.facts.ct_states & ~nft::kCtNew}) {
      auto facts = packet.facts;
      facts.ct_states = state;
      const auto obstacle = state != 0 || packet.facts.ct_states == 0
                                ? find_obstacle(ruleset, chain, facts, nullptr, Ends::kAll)
                                : std::nullopt;
      if (obstacle && obstacle->certain && obstacle->chain == place) {
        return obstacle->rule;
      }
    }
  }
  return {};
}

/// Wherever the chain stands, not only where it drops today: Docker appends its drop at each container's start, and an
/// exception at the head stays ahead of it (FACTS 23). The chain itself is never created here (FACTS 12).
void except_from_raw_drop(const Profile& profile, const ResolvedHost& host, IpFamily family,
                          const nft::Ruleset& ruleset, DesiredState& desired) {
  const nft::ChainKey raw{{traits_of(family).tables, "raw"}, "PREROUTING"};
  const auto* chain = ruleset.find(raw);
  if (chain == nullptr) {
    return;
  }
  const auto replies = seen_by(raw.table.family, arriving_replies(profile, host));
  const auto preempted_by = preempting_rule(ruleset, *chain, raw, replies);
  for (const auto& source : profile.sources) {
    if (source.address.family != family) {
      continue;
    }
    for (const auto& ports : profile.ports) {
      desired.foreign_rules.push_back({raw, raw_exception(profile, source, ports), 0, preempted_by});
    }
    desired.foreign_rules.push_back({raw, raw_exception_for_errors(profile, source), 0, preempted_by});
  }
}

}  // namespace

std::vector<nft::TableKey> closed_tables(const Profile& profile, const ResolvedHost& host,
                                         const nft::Ruleset& ruleset) {
  std::vector<nft::TableKey> tables;
  const auto sample = sample_of(profile, host, ruleset);
  for (const auto& chain : ruleset.chains) {
    const auto packets = chain.closed ? filtered_by(chain, sample.profile, sample.host) : std::vector<FlowPacket>{};
    const bool drops = std::ranges::any_of(packets, [&](const FlowPacket& packet) {
      const auto obstacle = find_obstacle(ruleset, chain, packet.facts);
      return obstacle && obstacle->certain;
    });
    if (drops && !contains(tables, chain.key.table)) {
      tables.push_back(chain.key.table);
    }
  }
  return tables;
}

std::string open_by_hand(const nft::TableKey& table, const Profile& profile) {
  constexpr std::string_view kPolicy = "firewall-cmd --permanent --policy=smtp-egress";
  const auto rule_for = [&](IpFamily family, const std::string& network, const PortRange& ports) {
    return fmt::format(
        "`{} --add-rich-rule='rule family=\"{}\" source address=\"{}\" port port=\"{}\" protocol=\"tcp\" accept'`, ",
        kPolicy, family == IpFamily::kV4 ? "ipv4" : "ipv6", network, ports.to_string());
  };
  std::string rules;
  for (const auto& ports : profile.ports) {
    for (const auto& source : profile.tenants.empty() ? profile.sources : std::vector<Prefix>{}) {
      rules += rule_for(source.address.family, source.to_string(), ports);
    }
    for (const auto family : profile.tenants.empty() ? std::vector<IpFamily>{} : families_of(profile)) {
      rules += "for each NETWORK of the tenants' " + rule_for(family, "NETWORK", ports);
    }
  }
  for (const auto& tunnel : tunnels_of(profile)) {
    rules += fmt::format("`firewall-cmd --permanent --zone=public --add-interface={}`, ", tunnel.str());
  }
  return fmt::format(
      "{0} is owned by the program that made it and closed to all others, so the mail has to be let through it by that "
      "program's own means. firewalld: `firewall-cmd --permanent --new-policy=smtp-egress`, `{1} "
      "--add-ingress-zone=ANY`, `{1} --add-egress-zone=ANY`, {2}`firewall-cmd --reload`; or have it give up the "
      "table (NftablesTableOwner=no in firewalld.conf, restart it, then `{3}`)",
      nft::to_string(table), kPolicy, rules, enable_command(profile));
}

void admit_through_foreign_chains(const Profile& profile, const ResolvedHost& host, const nft::Ruleset& ruleset,
                                  DesiredState& desired) {
  const auto sample = sample_of(profile, host, ruleset);
  for (const auto& chain : ruleset.chains) {
    const auto packets = chain.closed ? std::vector<FlowPacket>{}  // see closed_tables
                                      : filtered_by(chain, sample.profile, sample.host);
    if (packets.empty()) {
      continue;
    }
    const auto place = place_for_admission(ruleset, chain, packets);
    const bool by_right = place != chain.key && !is_masqueraded(profile);  // Docker's chain for others
    auto admission = rule({marked(profile.mark)}, accept(), tag_for(profile.name, "admission"));
    // One that stands stays, also while nothing drops there: `ufw disable` leaves the chain, and `ufw enable` the rule.
    const bool stands = place == chain.key && contains(chain.rules, admission, &nft::ObservedRule::rule);
    if (by_right || stands || could_drop(ruleset, chain, packets)) {
      desired.foreign_rules.push_back(
          {place, std::move(admission), 0, preempting_rule(ruleset, chain, place, packets)});
    }
  }
  if (bypass_for(profile, host) == DockerBypass::kException) {
    for (const auto family : families_of(profile)) {
      except_from_raw_drop(profile, host, family, ruleset, desired);
    }
  }
}

}  // namespace smtpegress
