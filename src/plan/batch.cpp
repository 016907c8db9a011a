// Changes to nf_tables objects as the steps of one transaction.
#include <algorithm>
#include <iterator>
#include <ranges>

#include "net/contains.hpp"
#include "plan/match.hpp"
#include "plan/sets.hpp"
#include "smtpegress/plan.hpp"

namespace smtpegress {
namespace {

struct BatchMaker {
  const nft::Ruleset& ruleset;
  nft::Batch& batch;
  std::vector<nft::TableKey> tables_removed;
  std::vector<const ForeignChainRule*> put_back{};  ///< rules that had a place in their chain; see put_all_back

  void create(const OwnTable& table) { batch.emplace_back(nft::AddTable{table.key, table.dormant}); }
  void remove(const OwnTable& table) { batch.emplace_back(nft::DeleteTable{table.key}); }

  void create(const OwnSet& set) {
    batch.emplace_back(nft::AddSet{set.key, set.type});
    add_element_steps(set, {}, batch);
  }
  void remove(const OwnSet& set) {
    if (!contains(tables_removed, set.key.table)) {
      batch.emplace_back(nft::DeleteSet{set.key});
    }
  }
  /// Just the elements that differ from those that stand; packets find all others at any instant.
  void replace(const OwnSet& set, const std::optional<Object>&) {
    if (has_its_type(set, ruleset)) {
      add_element_steps(set, ruleset.find_set(set.key)->elements, batch);
      return;
    }
    remove(set);
    create(set);
  }

  void create(const OwnChain& chain) {
    batch.emplace_back(nft::AddChain{chain.key, chain.hook});
    for (const auto& rule : chain.rules) {
      batch.emplace_back(nft::AppendRule{chain.key, rule});
    }
  }
  void remove(const OwnChain& chain) {
    if (contains(tables_removed, chain.key.table)) {
      return;  // goes with its table, whatever else there may be in it
    }
    batch.emplace_back(nft::FlushChain{chain.key});
    batch.emplace_back(nft::DeleteChain{chain.key});
  }

  void create(const ForeignChainRule& rule) {
    if (rule.handle != 0) {
      put_back.push_back(&rule);
    } else {
      batch.emplace_back(nft::InsertRule{rule.chain, rule.rule});
    }
  }
  void remove(const ForeignChainRule& rule) {
    if (rule.handle != 0) {
      batch.emplace_back(nft::DeleteRule{rule.chain, rule.handle});
      return;
    }
    const auto* chain = ruleset.find(rule.chain);
    if (const auto* found = chain != nullptr ? find_rule(rule, *chain) : nullptr; found != nullptr) {
      batch.emplace_back(nft::DeleteRule{rule.chain, found->handle});
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

/// A set goes only when no rule looks anything up in it, and one of another type cannot become what it should be. Then
/// the chains of its table are emptied first; those that are not among the changes get their rules again as they were.
void make_way_for_sets(const std::vector<Change>& changes, BatchMaker& maker, nft::Batch& rules_again) {
  std::vector<nft::TableKey> tables;
  for (const auto& change : changes) {
    const auto* set = std::get_if<OwnSet>(&change.object);
    const bool makes_way = set != nullptr && change.verb == Verb::kReplace && !has_its_type(*set, maker.ruleset);
    if (makes_way && !contains(tables, set->key.table)) {
      tables.push_back(set->key.table);
    }
  }
  for (const auto& chain : maker.ruleset.chains) {
    if (!contains(tables, chain.key.table)) {
      continue;
    }
    maker.batch.emplace_back(nft::FlushChain{chain.key});
    const bool is_made_anew = std::ranges::any_of(changes, [&](const Change& change) {
      const auto* own = std::get_if<OwnChain>(&change.object);
      return own != nullptr && own->key == chain.key;
    });
    for (const auto& rule : is_made_anew ? std::vector<nft::ObservedRule>{} : chain.rules) {
      rules_again.emplace_back(nft::AppendRule{chain.key, rule.rule});
    }
  }
}

/// When a change's steps are due: a chain's rules look up in sets, which therefore come before it and go behind it.
enum class Turn : std::uint8_t { kTables, kSets, kRules, kSetsGo, kTablesGo };
Turn turn_of(const Change& change) {
  const bool goes = change.verb == Verb::kRemove;
  if (std::holds_alternative<OwnTable>(change.object)) {
    return goes ? Turn::kTablesGo : Turn::kTables;
  }
  if (std::holds_alternative<OwnSet>(change.object)) {
    return goes ? Turn::kSetsGo : Turn::kSets;
  }
  return Turn::kRules;
}

/// A rule of a chain as it will be: one that stands (`put_back` null), or one that comes back.
struct Place {
  std::uint64_t handle = 0;  ///< of one that comes back: the one it had
  const ForeignChainRule* put_back = nullptr;
};

/// The chain's rules in order, without those that the batch deletes: behind these nothing can be put.
std::vector<Place> standing_in(const nft::ChainKey& key, const nft::Ruleset& ruleset, const nft::Batch& batch) {
  std::vector<Place> places;
  const auto* chain = ruleset.find(key);
  for (const auto& rule : chain != nullptr ? chain->rules : std::vector<nft::ObservedRule>{}) {
    const bool goes = std::ranges::any_of(batch, [&](const nft::BatchStep& step) {
      const auto* deletion = std::get_if<nft::DeleteRule>(&step);
      return deletion != nullptr && deletion->chain == key && deletion->handle == rule.handle;
    });
    if (!goes) {
      places.push_back({rule.handle, nullptr});
    }
  }
  return places;
}

/// The steps that make `places` of the chain. A rule that comes back gets its handle only with the commit, so several
/// in a row are all put behind the same one that stands, the last of them first.
void add_steps(const nft::ChainKey& chain, const std::vector<Place>& places, nft::Batch& batch) {
  for (auto begin = places.begin(); begin != places.end();) {
    if (begin->put_back == nullptr) {
      ++begin;
      continue;
    }
    const auto end = std::find_if(begin, places.end(), [](const Place& p) { return p.put_back == nullptr; });
    const std::uint64_t after = begin == places.begin() ? 0 : std::prev(begin)->handle;
    for (auto place = end; place != begin;) {
      --place;
      if (after == 0) {
        batch.emplace_back(nft::InsertRule{chain, place->put_back->rule});
      } else {
        batch.emplace_back(nft::AppendRule{chain, place->put_back->rule, after});
      }
    }
    begin = end;
  }
}

/// Each behind the nearest of those that it stood behind; at the head where none of them is left.
void put_all_back(BatchMaker& maker) {
  while (!maker.put_back.empty()) {
    const auto key = maker.put_back.front()->chain;
    auto places = standing_in(key, maker.ruleset, maker.batch);
    for (const auto* rule : maker.put_back) {
      if (rule->chain == key) {
        auto backwards = places | std::views::reverse;
        const auto nearest =
            std::ranges::find_if(backwards, [&](const Place& place) { return contains(rule->ahead, place.handle); });
        places.insert(nearest.base(), {rule->handle, rule});
      }
    }
    add_steps(key, places, maker.batch);
    std::erase_if(maker.put_back, [&](const ForeignChainRule* rule) { return rule->chain == key; });
  }
}

void note_place(Object& object, const nft::Ruleset& ruleset) {
  auto* rule = std::get_if<ForeignChainRule>(&object);
  const auto* chain = rule != nullptr ? ruleset.find(rule->chain) : nullptr;
  const auto* stands = chain != nullptr ? find_rule(*rule, *chain) : nullptr;
  if (stands == nullptr) {
    return;
  }
  rule->handle = stands->handle;
  rule->ahead.clear();
  for (const auto* other = chain->rules.data(); other != stands; ++other) {
    rule->ahead.push_back(other->handle);
  }
}

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

}  // namespace

Change with_place(Change change, const nft::Ruleset& ruleset) {
  if (change.verb == Verb::kRemove) {
    note_place(change.object, ruleset);
  } else if (change.previous) {
    note_place(*change.previous, ruleset);
  }
  return change;
}

nft::Batch make_batch(const std::vector<Change>& changes, const nft::Ruleset& ruleset) {
  nft::Batch batch;
  BatchMaker maker{ruleset, batch, {}};
  for (const auto& change : changes) {
    if (const auto* table = std::get_if<OwnTable>(&change.object); table != nullptr && change.verb == Verb::kRemove) {
      maker.tables_removed.push_back(table->key);
    }
  }
  nft::Batch rules_again;
  make_way_for_sets(changes, maker, rules_again);
  for (const auto turn : {Turn::kTables, Turn::kSets, Turn::kRules, Turn::kSetsGo, Turn::kTablesGo}) {
    for (const auto& change : changes) {
      if (turn_of(change) != turn) {
        continue;
      }
      if (const auto* table = std::get_if<OwnTable>(&change.object)) {
        add(maker, change, *table);
      } else if (const auto* set = std::get_if<OwnSet>(&change.object)) {
        add(maker, change, *set);
      } else if (const auto* chain = std::get_if<OwnChain>(&change.object)) {
        add(maker, change, *chain);
      } else if (const auto* rule = std::get_if<ForeignChainRule>(&change.object)) {
        add(maker, change, *rule);
      }
    }
    if (turn == Turn::kSets) {
      batch.insert(batch.end(), std::make_move_iterator(rules_again.begin()),
                   std::make_move_iterator(rules_again.end()));
    }
  }
  put_all_back(maker);
  return batch;
}

}  // namespace smtpegress
