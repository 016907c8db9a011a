#include "support/fake_ruleset.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace smtpegress::test {
namespace {

using nft::ObservedChain;
using nft::Ruleset;

std::uint64_t next_handle(const Ruleset& ruleset) {
  std::uint64_t highest = 0;
  for (const auto& chain : ruleset.chains) {
    highest = std::max(highest, chain.handle);
    for (const auto& rule : chain.rules) {
      highest = std::max(highest, rule.handle);
    }
  }
  return highest + 1;
}

std::unexpected<Error> refused(std::string object, int errnum) {
  return system_error("commit", std::move(object), errnum);
}

bool jumped_to(const Ruleset& ruleset, const nft::ChainKey& key) {
  const auto jumps = [&](const nft::Statement& statement) {
    const auto* verdict = std::get_if<nft::Verdict>(&statement);
    return verdict != nullptr && verdict->chain == key.name;
  };
  return std::ranges::any_of(ruleset.chains, [&](const ObservedChain& chain) {
    return chain.key.table == key.table && std::ranges::any_of(chain.rules, [&](const nft::ObservedRule& rule) {
             return std::ranges::any_of(rule.rule.statements, jumps);
           });
  });
}

bool looked_up(const Ruleset& ruleset, const nft::SetKey& key) {
  const auto in_match = [&](const nft::Match& match) {
    const auto* lookup = std::get_if<nft::MatchSet>(&match);
    return lookup != nullptr && lookup->set == key.name;
  };
  const auto in_statement = [&](const nft::Statement& statement) {
    const auto* lookup = std::get_if<nft::SnatByMap>(&statement);
    return lookup != nullptr && lookup->map == key.name;
  };
  return std::ranges::any_of(ruleset.chains, [&](const ObservedChain& chain) {
    return chain.key.table == key.table && std::ranges::any_of(chain.rules, [&](const nft::ObservedRule& rule) {
             return std::ranges::any_of(rule.rule.matches, in_match) ||
                    std::ranges::any_of(rule.rule.statements, in_statement);
           });
  });
}

bool same_key(const nft::SetElement& a, const nft::SetElement& b) {
  return a.interface == b.interface && a.address == b.address;
}

struct Applier {
  Ruleset& ruleset;

  ObservedChain* find(const nft::ChainKey& key) const {
    const auto found = std::ranges::find(ruleset.chains, key, &ObservedChain::key);
    return found == ruleset.chains.end() ? nullptr : &*found;
  }

  Result<void> operator()(const nft::AddTable& step) const {
    if (!ruleset.has(step.table)) {
      ruleset.tables.push_back(step.table);
    }
    for (auto& chain : ruleset.chains) {
      chain.dormant = chain.key.table == step.table ? step.dormant : chain.dormant;
    }
    return {};
  }
  Result<void> operator()(const nft::DeleteTable& step) const {
    if (std::erase(ruleset.tables, step.table) == 0) {
      return refused(nft::to_string(step.table), ENOENT);
    }
    std::erase_if(ruleset.chains, [&](const ObservedChain& chain) { return chain.key.table == step.table; });
    std::erase_if(ruleset.sets, [&](const nft::ObservedSet& set) { return set.key.table == step.table; });
    return {};
  }
  Result<void> operator()(const nft::AddChain& step) const {
    if (!ruleset.has(step.chain.table)) {
      return refused(nft::to_string(step.chain), ENOENT);
    }
    if (const auto* chain = find(step.chain); chain != nullptr) {
      return chain->hook == step.hook ? Result<void>{} : refused(nft::to_string(step.chain), EEXIST);
    }
    ruleset.chains.push_back({step.chain, next_handle(ruleset), step.hook, {}});
    return {};
  }
  Result<void> operator()(const nft::FlushChain& step) const {
    auto* chain = find(step.chain);
    if (chain == nullptr) {
      return refused(nft::to_string(step.chain), ENOENT);
    }
    chain->rules.clear();
    return {};
  }
  Result<void> operator()(const nft::DeleteChain& step) const {
    const auto* chain = find(step.chain);
    if (chain == nullptr) {
      return refused(nft::to_string(step.chain), ENOENT);
    }
    if (!chain->rules.empty() || jumped_to(ruleset, step.chain)) {
      return refused(nft::to_string(step.chain), EBUSY);
    }
    std::erase_if(ruleset.chains, [&](const ObservedChain& c) { return c.key == step.chain; });
    return {};
  }
  Result<void> operator()(const nft::AppendRule& step) const {
    auto* chain = find(step.chain);
    if (chain == nullptr) {
      return refused(nft::to_string(step.chain), ENOENT);
    }
    auto place = chain->rules.end();
    if (step.after != 0) {
      place = std::ranges::find(chain->rules, step.after, &nft::ObservedRule::handle);
      if (place == chain->rules.end()) {
        return refused(nft::to_string(step.chain), ENOENT);
      }
      ++place;
    }
    chain->rules.insert(place, {step.rule, next_handle(ruleset), 0, 0});
    return {};
  }
  Result<void> operator()(const nft::InsertRule& step) const {
    auto* chain = find(step.chain);
    if (chain == nullptr) {
      return refused(nft::to_string(step.chain), ENOENT);
    }
    chain->rules.insert(chain->rules.begin(), {step.rule, next_handle(ruleset), 0, 0});
    return {};
  }
  Result<void> operator()(const nft::DeleteRule& step) const {
    auto* chain = find(step.chain);
    if (chain == nullptr || std::erase_if(chain->rules, [&](const auto& r) { return r.handle == step.handle; }) == 0) {
      return refused(nft::to_string(step.chain), ENOENT);
    }
    return {};
  }
  nft::ObservedSet* find(const nft::SetKey& key) const {
    const auto found = std::ranges::find(ruleset.sets, key, &nft::ObservedSet::key);
    return found == ruleset.sets.end() ? nullptr : &*found;
  }
  Result<void> operator()(const nft::AddSet& step) const {
    if (!ruleset.has(step.set.table)) {
      return refused(nft::to_string(step.set), ENOENT);
    }
    if (const auto* set = find(step.set); set != nullptr) {
      return set->type == step.type ? Result<void>{} : refused(nft::to_string(step.set), EEXIST);
    }
    ruleset.sets.push_back({step.set, step.type, {}});
    return {};
  }
  Result<void> operator()(const nft::DeleteSet& step) const {
    if (find(step.set) == nullptr) {
      return refused(nft::to_string(step.set), ENOENT);
    }
    if (looked_up(ruleset, step.set)) {
      return refused(nft::to_string(step.set), EBUSY);
    }
    std::erase_if(ruleset.sets, [&](const nft::ObservedSet& set) { return set.key == step.set; });
    return {};
  }
  Result<void> operator()(const nft::AddElements& step) const {
    auto* set = find(step.set);
    if (set == nullptr || set->type != step.type) {
      return refused(nft::to_string(step.set), ENOENT);
    }
    for (const auto& element : step.elements) {
      const auto same =
          std::ranges::find_if(set->elements, [&](const auto& other) { return same_key(other, element); });
      if (same == set->elements.end()) {
        set->elements.push_back(element);
      } else if (*same != element) {
        return refused(nft::to_string(step.set), EEXIST);
      }
    }
    std::ranges::sort(set->elements);
    return {};
  }
  Result<void> operator()(const nft::DeleteElements& step) const {
    auto* set = find(step.set);
    for (const auto& element : step.elements) {
      if (set == nullptr ||
          std::erase_if(set->elements, [&](const auto& other) { return same_key(other, element); }) == 0) {
        return refused(nft::to_string(step.set), ENOENT);
      }
    }
    return {};
  }
};

}  // namespace

Result<nft::Ruleset> apply(const nft::Batch& batch, nft::Ruleset ruleset) {
  for (const auto& step : batch) {
    if (auto done = std::visit(Applier{ruleset}, step); !done) {
      return std::unexpected(done.error());
    }
  }
  ++ruleset.generation;
  return ruleset;
}

std::string chain_text(const nft::ChainKey& key, const std::optional<nft::BaseHook>& hook) {
  if (!hook) {
    return nft::to_string(key);
  }
  constexpr std::array kTypes{"filter", "nat", "route"};
  constexpr std::array kHooks{"prerouting", "input", "forward", "output", "postrouting", "ingress"};
  return fmt::format("{} {{ type {} hook {} priority {}; policy {} }}", nft::to_string(key),
                     kTypes.at(static_cast<std::size_t>(hook->type)), kHooks.at(static_cast<std::size_t>(hook->hook)),
                     hook->priority, hook->policy == nft::Policy::kDrop ? "drop" : "accept");
}

std::string rule_text(const nft::Rule& rule) {
  return rule.comment.empty() ? nft::to_string(rule) : fmt::format("{} # {}", nft::to_string(rule), rule.comment);
}

std::string set_text(const nft::ObservedSet& set) {
  auto text = fmt::format("{} {}\n", set.type && set.type->to ? "map" : "set", nft::to_string(set.key));
  for (const auto& element : set.elements) {
    text += fmt::format("  {}{}\n", to_string(element, set.type.value_or(nft::SetType{})),
                        element.altered ? " altered" : "");
  }
  return text;
}

std::string ruleset_text(const nft::Ruleset& ruleset) {
  std::string text;
  for (const auto& table : ruleset.tables) {
    text += fmt::format("table {}{}\n", nft::to_string(table), ruleset.is_dormant(table) ? " dormant" : "");
  }
  for (const auto& set : ruleset.sets) {
    text += set_text(set);
  }
  for (const auto& chain : ruleset.chains) {
    text += fmt::format("chain {}\n", chain_text(chain.key, chain.hook));
    for (const auto& rule : chain.rules) {
      text += fmt::format("  {}\n", rule_text(rule.rule));
    }
  }
  return text;
}

}  // namespace smtpegress::test
