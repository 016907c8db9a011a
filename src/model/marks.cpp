#include "model/marks.hpp"
#include "net/contains.hpp"

#include <algorithm>

namespace smtpegress {

std::optional<Mark> mark_set_by(const nft::Rule& rule) {
  for (const auto& statement : rule.statements) {
    if (const auto* set = std::get_if<nft::SetMark>(&statement); set != nullptr) {
      return set->mark;
    }
  }
  return std::nullopt;
}

std::vector<Mark> marks_set_in(const nft::TableKey& table, const nft::Ruleset& ruleset) {
  std::vector<Mark> marks;
  for (const auto& chain : ruleset.chains) {
    if (chain.key.table != table) {
      continue;
    }
    for (const auto& observed : chain.rules) {
      const auto mark = mark_set_by(observed.rule);
      if (mark && !contains(marks, *mark)) {
        marks.push_back(*mark);
      }
    }
  }
  return marks;
}

}  // namespace smtpegress
