// A trail of events in words: the rules' texts and owners, the interfaces' names.
#pragma once

#include <map>
#include <utility>

#include "engine/verify/checks.hpp"
#include "model/journey_book.hpp"
#include "smtpegress/trace.hpp"

namespace smtpegress {

/// What traced packets' rules are looked up in: the ruleset as it was when the trace began, and as it is after each
/// change. (A table that is made anew numbers its rules anew.) A rule that is gone again keeps the text it had.
class RuleTexts {
 public:
  RuleTexts(Kernel& kernel, ObservedState observed) : kernel_(kernel), observed_(std::move(observed)) {}

  /// Looks again where the ruleset has changed.
  void keep_up();
  /// Null of a rule that came and went between two looks, and of a policy (handle 0). Until the next look.
  [[nodiscard]] const nft::ObservedRule* find(const nft::ChainKey& chain, std::uint64_t handle) const;
  [[nodiscard]] std::string owner_of(const nft::ChainKey& chain, std::uint64_t handle) const;
  [[nodiscard]] IfName interface(int index);
  /// As it was last looked at.
  [[nodiscard]] const ObservedState& observed() const { return observed_; }

 private:
  void look_again();

  Kernel& kernel_;
  ObservedState observed_;
  std::map<std::pair<nft::ChainKey, std::uint64_t>, nft::ObservedRule> former_;  ///< by the looks before that
  std::map<int, IfName> interfaces_;
};

/// Without judgement. Rules that only hand a packet on to another chain, or let it go on as it was, are left out.
[[nodiscard]] Journey journey_of(const Trail& trail, RuleTexts& texts);

}  // namespace smtpegress
