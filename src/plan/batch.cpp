// Changes to nf_tables objects as the steps of one transaction.
#include <algorithm>

#include "smtpegress/plan.hpp"

namespace smtpegress {
namespace {

struct BatchMaker {
  const nft::Ruleset& ruleset;
  nft::Batch& batch;
  std::vector<nft::TableKey> tables_removed;

  void create(const OwnTable& table) { batch.emplace_back(nft::AddTable{table.key}); }
  void remove(const OwnTable& table) { batch.emplace_back(nft::DeleteTable{table.key}); }

  void create(const OwnChain& chain) {
    batch.emplace_back(nft::AddChain{chain.key, chain.hook});
    for (const auto& rule : chain.rules) {
      batch.emplace_back(nft::AppendRule{chain.key, rule});
    }
  }
  void remove(const OwnChain& chain) {
    if (std::ranges::find(tables_removed, chain.key.table) != tables_removed.end()) {
      return;  // goes with its table, whatever else there may be in it
    }
    batch.emplace_back(nft::FlushChain{chain.key});
    batch.emplace_back(nft::DeleteChain{chain.key});
  }

  void create(const ForeignChainRule& rule) { batch.emplace_back(nft::InsertRule{rule.chain, rule.rule}); }
  void remove(const ForeignChainRule& rule) {
    if (rule.handle != 0) {
      batch.emplace_back(nft::DeleteRule{rule.chain, rule.handle});
      return;
    }
    if (const auto* chain = ruleset.find(rule.chain); chain != nullptr) {
      for (const auto& observed : chain->rules) {
        if (nft::same_rule(observed.rule, rule.rule)) {
          batch.emplace_back(nft::DeleteRule{rule.chain, observed.handle});
          return;
        }
      }
    }
  }

  /// With the hook unchanged the chain stays registered: no instant without it, and no wait for the kernel's readers.
  void replace(const OwnChain& chain, const std::optional<Object>& previous) {
    const auto* before = previous ? std::get_if<OwnChain>(&*previous) : nullptr;
    if (before != nullptr && before->hook == chain.hook) {
      batch.emplace_back(nft::FlushChain{chain.key});
      for (const auto& rule : chain.rules) {
        batch.emplace_back(nft::AppendRule{chain.key, rule});
      }
      return;
    }
    remove(chain);
    create(chain);
  }
  void replace(const ForeignChainRule& rule, const std::optional<Object>& previous) {
    if (const auto* before = previous ? std::get_if<ForeignChainRule>(&*previous) : nullptr; before != nullptr) {
      remove(*before);
    }
    create(rule);
  }
  void replace(const OwnTable& table, const std::optional<Object>&) { create(table); }
};

template <class T>
void add(BatchMaker& maker, const Change& change, const T& object) {
  switch (change.verb) {
    case Verb::kCreate:
      maker.create(object);
      break;
    case Verb::kRemove:
      maker.remove(object);
      break;
    case Verb::kReplace:
      maker.replace(object, change.previous);
      break;
  }
}

bool is_gone(const ForeignChainRule& rule, const nft::Ruleset& ruleset) {
  const auto* chain = ruleset.find(rule.chain);
  return chain == nullptr || std::ranges::none_of(chain->rules, [&](const nft::ObservedRule& observed) {
           return rule.handle != 0 ? observed.handle == rule.handle : nft::same_rule(observed.rule, rule.rule);
         });
}

struct Stands {
  const nft::Ruleset& ruleset;

  bool operator()(const OwnTable& table) const { return ruleset.has(table.key); }
  bool operator()(const OwnChain& wanted) const {
    const auto* chain = ruleset.find(wanted.key);
    return chain != nullptr && chain->hook == wanted.hook &&
           std::ranges::equal(chain->rules, wanted.rules, {}, &nft::ObservedRule::rule);
  }
  bool operator()(const ForeignChainRule& wanted) const {
    return !is_gone({wanted.chain, wanted.rule, 0, {}}, ruleset);  // it has got a handle of its own by now
  }
  bool operator()(const Route&) const { return false; }
  bool operator()(const SysctlSpec&) const { return false; }
  bool operator()(const PolicyRule&) const { return false; }
};

struct Gone {
  const nft::Ruleset& ruleset;

  bool operator()(const OwnTable& table) const { return !ruleset.has(table.key); }
  bool operator()(const OwnChain& chain) const { return ruleset.find(chain.key) == nullptr; }
  bool operator()(const ForeignChainRule& rule) const { return is_gone(rule, ruleset); }
  bool operator()(const Route&) const { return false; }
  bool operator()(const SysctlSpec&) const { return false; }
  bool operator()(const PolicyRule&) const { return false; }
};

}  // namespace

bool is_made(const Change& change, const nft::Ruleset& ruleset) {
  if (change.verb == Verb::kRemove) {
    return std::visit(Gone{ruleset}, change.object);
  }
  const auto* moved = change.previous ? std::get_if<ForeignChainRule>(&*change.previous) : nullptr;
  return std::visit(Stands{ruleset}, change.object) &&
         (moved == nullptr || moved->handle == 0 || is_gone(*moved, ruleset));
}

nft::Batch make_batch(const std::vector<Change>& changes, const nft::Ruleset& ruleset) {
  nft::Batch batch;
  BatchMaker maker{ruleset, batch, {}};
  for (const auto& change : changes) {
    if (const auto* table = std::get_if<OwnTable>(&change.object); table != nullptr && change.verb == Verb::kRemove) {
      maker.tables_removed.push_back(table->key);
    }
  }
  for (const auto& change : changes) {
    if (const auto* table = std::get_if<OwnTable>(&change.object)) {
      add(maker, change, *table);
    } else if (const auto* chain = std::get_if<OwnChain>(&change.object)) {
      add(maker, change, *chain);
    } else if (const auto* rule = std::get_if<ForeignChainRule>(&change.object)) {
      add(maker, change, *rule);
    }
  }
  return batch;
}

}  // namespace smtpegress
