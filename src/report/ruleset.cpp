#include "report/ruleset.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <tuple>

#include "model/ownership.hpp"
#include "model/rule_owner.hpp"
#include "net/contains.hpp"
#include "net/list_of.hpp"
#include "report/section.hpp"

namespace smtpegress::report {
namespace {

constexpr std::size_t kMostRules = 60;  // of a chain of others

std::string_view name_of(nft::Hook hook) {
  constexpr std::array<std::string_view, 7> kNames{"prerouting",  "input",   "forward", "output",
                                                   "postrouting", "ingress", "egress"};
  return kNames.at(static_cast<std::size_t>(hook));
}

std::string_view name_of(nft::ChainType type) {
  constexpr std::array<std::string_view, 3> kNames{"filter", "nat", "route"};
  return kNames.at(static_cast<std::size_t>(type));
}

std::string head_of(const nft::ObservedChain& chain, const std::string& owner) {
  auto text = "chain " + nft::to_string(chain.key);
  if (const auto& hook = chain.hook) {
    text += fmt::format(": type {} hook {} priority {} policy {}", name_of(hook->type), name_of(hook->hook),
                        hook->priority, hook->policy == nft::Policy::kAccept ? "accept" : "drop");
  }
  for (const auto& device : chain.devices) {
    text += fmt::format(" device {}{}", device.name, device.wildcard ? "*" : "");
  }
  text += chain.dormant ? ", dormant" : "";
  text += chain.closed ? ", owned by the program that made it" : "";
  return text + fmt::format(" ({})", owner);
}

std::string line_of(const nft::ObservedRule& rule, bool is_ours) {
  return fmt::format("    {} # handle {}, {} packets, {} bytes{}", nft::to_string(rule.rule), rule.handle, rule.packets,
                     rule.bytes, is_ours && !rule.rule.comment.empty() ? ", " + rule.rule.comment : "");
}

void add_chain(std::vector<std::string>& lines, const nft::Ruleset& ruleset, const nft::ObservedChain& chain) {
  const bool in_own_table = is_own_table(chain.key.table);
  lines.push_back(head_of(chain, owner_of(ruleset, chain.key, nullptr)));
  std::vector<std::string> rules;
  rules.reserve(chain.rules.size());
  for (const auto& rule : chain.rules) {
    rules.push_back(line_of(rule, in_own_table || is_tagged(rule.rule)));
  }
  if (!in_own_table) {
    shorten(rules, kMostRules);
  }
  lines.insert(lines.end(), rules.begin(), rules.end());
}

bool is_passed(const nft::ObservedChain& chain, Passes passes) {
  const auto family = chain.key.table.family;
  if (!chain.hook || family == nft::Family::kBridge || family == nft::Family::kArp) {
    return false;
  }
  const auto hook = chain.hook->hook;
  return passes == Passes::kOwnToo || (hook != nft::Hook::kInput && hook != nft::Hook::kOutput);
}

/// In the order in which a packet meets them: by hook, then priority.
std::vector<const nft::ObservedChain*> base_chains(const nft::Ruleset& ruleset, Passes passes) {
  std::vector<const nft::ObservedChain*> chains;
  for (const auto& chain : ruleset.chains) {
    if (!is_own_table(chain.key.table) && is_passed(chain, passes)) {
      chains.push_back(&chain);
    }
  }
  std::ranges::sort(chains, {},
                    [](const auto* chain) { return std::tuple(chain->hook->hook, chain->hook->priority, chain->key); });
  return chains;
}

/// Those that a rule of `chain` goes on to.
void add_targets(const nft::Ruleset& ruleset, const nft::ObservedChain& chain,
                 std::vector<const nft::ObservedChain*>& chains) {
  for (const auto& rule : chain.rules) {
    for (const auto& statement : rule.rule.statements) {
      const auto* verdict = std::get_if<nft::Verdict>(&statement);
      if (verdict == nullptr || verdict->chain.empty()) {
        continue;
      }
      const auto* target = ruleset.find({chain.key.table, verdict->chain});
      if (target != nullptr && !contains(chains, target)) {
        chains.push_back(target);
      }
    }
  }
}

}  // namespace

std::vector<std::string> ruleset_lines(const nft::Ruleset& ruleset, Passes passes) {
  std::vector<std::string> lines;
  std::vector<std::string> tables;
  tables.reserve(ruleset.tables.size());
  for (const auto& table : ruleset.tables) {
    tables.push_back(nft::to_string(table) + (ruleset.is_dormant(table) ? " (dormant)" : ""));
  }
  lines.push_back("tables: " + (tables.empty() ? "none" : list_of(tables)));
  for (const auto& set : ruleset.sets) {
    lines.push_back(fmt::format("set {}: {}", nft::to_string(set.key),
                                set.type ? fmt::format("{} elements", set.elements.size()) : "of an unknown type"));
  }
  for (const auto& chain : ruleset.chains) {
    if (is_own_table(chain.key.table)) {
      add_chain(lines, ruleset, chain);
    }
  }
  auto chains = base_chains(ruleset, passes);
  for (std::size_t next = 0; next < chains.size(); ++next) {  // what is found is looked at in its turn
    add_targets(ruleset, *chains[next], chains);
    add_chain(lines, ruleset, *chains[next]);
  }
  return lines;
}

std::vector<std::string> owners_in(const nft::Ruleset& ruleset) {
  const nft::Rule nothing_special;
  std::set<std::string> owners;
  for (const auto& chain : ruleset.chains) {
    owners.insert(owner_of(ruleset, chain.key, &nothing_special));
  }
  return {owners.begin(), owners.end()};
}

}  // namespace smtpegress::report
