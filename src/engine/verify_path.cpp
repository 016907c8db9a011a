// Each rule in force and not pre-empted: the flow's packets are walked through every foreign base chain on their way.
#include <fmt/format.h>

#include <algorithm>

#include "engine/verify_checks.hpp"
#include "model/mail_flow.hpp"
#include "model/ownership.hpp"
#include "model/rules.hpp"

namespace smtpegress {
namespace {

bool sees_ipv4(const nft::ObservedChain& chain, nft::Hook hook, nft::ChainType type) {
  return chain.hook && chain.hook->hook == hook && chain.hook->type == type &&
         (chain.key.table.family == nft::Family::kIp || chain.key.table.family == nft::Family::kInet) &&
         !is_own_table(chain.key.table);
}

struct Met {
  FlowPacket packet;
  Obstacle obstacle;
};

template <class Find>
void each_chain(const nft::Ruleset& ruleset, nft::Hook hook, nft::ChainType type,
                const std::vector<FlowPacket>& packets, Find find, std::vector<Met>& met) {
  for (const auto& chain : ruleset.chains) {
    if (!sees_ipv4(chain, hook, type)) {
      continue;
    }
    for (const auto& packet : packets) {
      if (auto obstacle = find(chain, packet.facts)) {
        met.push_back({packet, *std::move(obstacle)});
      }
    }
  }
}

/// A certain obstacle fails the check; one that depends on what is not known here (a ban list's set, say) is told.
void judge(const Inquiry& ask, std::string id, std::string title, const std::vector<Met>& met, std::string_view does,
           std::string_view mend) {
  std::string perhaps;
  bool certain = false;
  for (const auto& [packet, obstacle] : met) {
    const auto text = fmt::format("{} {} by {}: {}", packet.title, does, nft::to_string(obstacle.chain), obstacle.rule);
    if (obstacle.certain) {
      certain = true;
      ask.failed(id, title, text, std::string(mend));
    } else if (perhaps.empty()) {
      perhaps = text;
    }
  }
  if (!certain) {
    ask.passed(std::move(id), std::move(title), perhaps.empty() ? "" : "but for what depends on the peer: " + perhaps);
  }
}

}  // namespace

void check_path(const Inquiry& ask) {
  const auto& view = ask.view;
  const auto& ruleset = view.seen.observed.ruleset;
  const auto outgoing = outgoing_packets(view.profile, view.seen.host);
  const auto drops = [&](const nft::ObservedChain& chain, const PacketFacts& packet) {
    return find_obstacle(ruleset, chain, packet);
  };

  std::vector<Met> met;
  each_chain(ruleset, nft::Hook::kPrerouting, nft::ChainType::kFilter, arriving_replies(view.profile, view.seen.host),
             drops, met);
  judge(ask, "replies-arrive", "no firewall drops replies on arrival", met, "are dropped",
        fmt::format(
            "`smtp-egress enable {}` puts our exception ahead in ip raw PREROUTING; elsewhere remove or move the rule",
            view.profile.name));

  met.clear();
  auto entering = outgoing;  // as prerouting sees them: not routed, tracked or marked yet
  for (auto& packet : entering) {
    packet.facts.out = {};
    packet.facts.ct_states = 0;
    packet.facts.direction.reset();
    packet.facts.mark.reset();
  }
  each_chain(ruleset, nft::Hook::kPrerouting, nft::ChainType::kFilter, entering, drops, met);
  judge(ask, "enters", "no firewall drops the mail as it comes in", met, "are dropped", "remove or move the rule");

  met.clear();
  each_chain(ruleset, nft::Hook::kForward, nft::ChainType::kFilter, forwarded_packets(view.profile, view.seen.host),
             drops, met);
  judge(
      ask, "forwarded", "no forward firewall drops the mail or its replies", met, "are dropped",
      fmt::format("`smtp-egress enable {}` puts our admission at that chain's head; elsewhere remove or move the rule",
                  view.profile.name));

  met.clear();
  each_chain(ruleset, nft::Hook::kPostrouting, nft::ChainType::kFilter, outgoing, drops, met);
  judge(ask, "leaves", "no firewall drops the mail as it leaves", met, "are dropped", "remove or move the rule");

  met.clear();
  const auto rewrites = [&](const nft::ObservedChain& chain, const PacketFacts& packet) {
    return chain.hook->priority < rules::kBeforeSnatPriority ? find_source_rewrite(ruleset, chain, packet)
                                                             : std::nullopt;
  };
  each_chain(ruleset, nft::Hook::kPostrouting, nft::ChainType::kNat, outgoing, rewrites, met);
  judge(ask, "address",
        view.profile.side == Side::kHome ? "the mail keeps its address into the tunnel"
                                         : "no other rule gives the mail an address first",
        met, "are given another address", "move that chain to priority srcnat (100) or later");
}

}  // namespace smtpegress
