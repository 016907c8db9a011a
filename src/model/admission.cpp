#include <algorithm>

#include "model/docker.hpp"
#include "model/lower.hpp"
#include "model/mail_flow.hpp"
#include "model/ownership.hpp"
#include "model/rules.hpp"

namespace smtpegress {
namespace {

using namespace rules;

// Of Docker's nftables backend; rules of others' are lost at its next change (FACTS 26).
const nft::TableKey kDockersOwn{nft::Family::kIp, "docker-bridges"};

bool sees_forwarded_ipv4(const nft::ObservedChain& chain) {
  return chain.hook && chain.hook->hook == nft::Hook::kForward && chain.hook->type == nft::ChainType::kFilter &&
         (chain.key.table.family == nft::Family::kIp || chain.key.table.family == nft::Family::kInet) &&
         !is_own_table(chain.key.table) && chain.key.table != kDockersOwn;
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

bool could_drop(const nft::Ruleset& ruleset, const nft::ObservedChain& chain, const std::vector<FlowPacket>& packets) {
  return std::ranges::any_of(packets, [&](const FlowPacket& packet) {
    return find_obstacle(ruleset, chain, packet.facts, is_tagged).has_value();
  });
}

/// Docker keeps DOCKER-USER free for others and calls it first; FORWARD itself it rearranges at every start. Where
/// something else could drop the mail before that call, only the head of FORWARD is early enough.
nft::ChainKey place_for_admission(const nft::Ruleset& ruleset, const nft::ObservedChain& base,
                                  const std::vector<FlowPacket>& packets) {
  const nft::ChainKey docker_user{base.key.table, "DOCKER-USER"};
  const auto call = std::ranges::find_if(base.rules, calls_docker_user);
  if (call == base.rules.end() || ruleset.find(docker_user) == nullptr) {
    return base.key;
  }
  const nft::ObservedChain before_call{base.key, base.handle, std::nullopt, {base.rules.begin(), call}};
  return could_drop(ruleset, before_call, packets) ? base.key : docker_user;
}

/// Docker 28.2 and later drop in raw PREROUTING what reaches a container by another interface than its bridge. Replies
/// only: a bare SYN from source port 25 would be a way in to every unpublished port (FACTS 25).
nft::Rule raw_exception(const Profile& profile, const Prefix& source, const PortRange& ports) {
  return rule({in(profile.tunnel), to(source), tcp(), from_port(ports), no_syn()}, accept(),
              tag_for(profile.name, "replies"));
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

}  // namespace

void admit_through_foreign_chains(const Profile& profile, const ResolvedHost& host, const nft::Ruleset& ruleset,
                                  DesiredState& desired) {
  const auto packets = forwarded_packets(profile, host);
  for (const auto& chain : ruleset.chains) {
    if (!sees_forwarded_ipv4(chain)) {
      continue;
    }
    const auto place = place_for_admission(ruleset, chain, packets);
    const bool by_right = place != chain.key && !is_masqueraded(profile);  // Docker's chain for others
    if (by_right || could_drop(ruleset, chain, packets)) {
      desired.foreign_rules.push_back({place,
                                       rule({marked(profile.mark)}, accept(), tag_for(profile.name, "admission")), 0,
                                       preempting_rule(ruleset, chain, place, packets)});
    }
  }
  // Wherever the chain stands, not only where it drops today: Docker appends its drop at each container's start, and an
  // exception at the head stays ahead of it (FACTS 23). The chain itself is never created here (FACTS 12).
  const nft::ChainKey raw{{nft::Family::kIp, "raw"}, "PREROUTING"};
  if (const auto* chain = ruleset.find(raw);
      bypass_for(profile, host) == DockerBypass::kException && chain != nullptr) {
    const auto preempted_by = preempting_rule(ruleset, *chain, raw, arriving_replies(profile, host));
    for (const auto& source : profile.sources) {
      for (const auto& ports : profile.ports) {
        desired.foreign_rules.push_back({raw, raw_exception(profile, source, ports), 0, preempted_by});
      }
    }
  }
}

}  // namespace smtpegress
