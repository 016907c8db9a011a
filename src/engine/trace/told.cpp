#include "engine/trace/told.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "model/ownership.hpp"
#include "model/rule_owner.hpp"

namespace smtpegress {
namespace {

const nft::ObservedRule* rule_in(const nft::Ruleset& ruleset, const nft::ChainKey& key, std::uint64_t handle) {
  const auto* chain = ruleset.find(key);
  if (chain == nullptr) {
    return nullptr;
  }
  const auto rule = std::ranges::find(chain->rules, handle, &nft::ObservedRule::handle);
  return rule == chain->rules.end() ? nullptr : &*rule;
}

std::string verdict_text(const TraceEvent& event) {
  if (!event.verdict) {
    return "ended";  // stolen, say: by a statement of a kind that is not known here
  }
  switch (event.verdict->code) {
    case nft::VerdictCode::kAccept:
      return "accept";
    case nft::VerdictCode::kDrop:
      return "drop";
    case nft::VerdictCode::kQueue:
      return "queue";
    case nft::VerdictCode::kReturn:
    case nft::VerdictCode::kContinue:
    case nft::VerdictCode::kJump:
    case nft::VerdictCode::kGoto:
      return "";
  }
  return "";
}

/// Of statements beside its verdict and counters: does it change the packet?
bool changes_packet(const nft::Rule& rule) {
  return std::ranges::any_of(rule.statements, [](const nft::Statement& statement) {
    return !std::holds_alternative<nft::Counter>(statement) && !std::holds_alternative<nft::Verdict>(statement) &&
           !std::holds_alternative<nft::StatementOpaque>(statement);
  });
}

}  // namespace

void RuleTexts::look_again() {
  auto observed = kernel_.observe();
  if (!observed) {
    return;
  }
  for (auto& chain : observed_.ruleset.chains) {
    for (auto& rule : chain.rules) {
      former_.insert_or_assign({chain.key, rule.handle}, std::move(rule));
    }
  }
  observed_ = *std::move(observed);
}

void RuleTexts::keep_up() {
  const auto generation = kernel_.generation();
  if (generation && *generation != observed_.ruleset.generation) {
    look_again();
  }
}

const nft::ObservedRule* RuleTexts::find(const nft::ChainKey& chain, std::uint64_t handle) const {
  if (handle == 0) {
    return nullptr;
  }
  if (const auto* rule = rule_in(observed_.ruleset, chain, handle)) {
    return rule;
  }
  const auto former = former_.find({chain, handle});
  return former == former_.end() ? nullptr : &former->second;
}

std::string RuleTexts::owner_of(const nft::ChainKey& chain, std::uint64_t handle) const {
  const auto* rule = find(chain, handle);
  return smtpegress::owner_of(observed_.ruleset, chain, rule == nullptr ? nullptr : &rule->rule);
}

IfName RuleTexts::interface(int index) {
  if (index == 0) {
    return {};
  }
  auto [known, is_new] = interfaces_.try_emplace(index);
  if (is_new) {
    const auto* link = observed_.link(index);
    if (link == nullptr) {
      look_again();
      link = observed_.link(index);
    }
    known->second = link == nullptr ? IfName{} : link->name;
  }
  return known->second;
}

Journey journey_of(const Trail& trail, RuleTexts& texts) {
  Journey journey;
  journey.direction = trail.direction;
  journey.packet = trail.first;
  journey.in = texts.interface(trail.in);
  journey.out = trail.end == JourneyEnd::kDelivered ? IfName{} : texts.interface(trail.out);
  journey.end = trail.end;
  if (trail.end == JourneyEnd::kLeft || trail.end == JourneyEnd::kDelivered) {
    journey.left_as = trail.last;
  }
  std::uint32_t mark = 0;
  for (const auto& event : trail.events) {
    const auto* observed = texts.find(event.chain, event.handle);
    const auto verdict = verdict_text(event);
    const bool tells =
        !verdict.empty() || event.mark != mark || (observed != nullptr && changes_packet(observed->rule));
    mark = event.mark;
    if (!tells) {
      continue;
    }
    const auto text = event.kind == TraceEvent::Kind::kPolicy ? std::string("policy drop")
                      : observed == nullptr                   ? fmt::format("handle {}", event.handle)
                                                              : nft::to_string(observed->rule);
    journey.steps.push_back(
        {event.chain, event.handle, text, verdict, texts.owner_of(event.chain, event.handle), event.mark});
  }
  return journey;
}

}  // namespace smtpegress
