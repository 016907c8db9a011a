#include "plan/match.hpp"

#include <algorithm>
#include <iterator>

namespace smtpegress {

const nft::ObservedRule* find_rule(const ForeignChainRule& rule, const nft::ObservedChain& chain) {
  const auto found = std::ranges::find_if(chain.rules, [&](const nft::ObservedRule& observed) {
    return rule.handle != 0 ? observed.handle == rule.handle : nft::same_rule(observed.rule, rule.rule);
  });
  return found == chain.rules.end() ? nullptr : &*found;
}

OwnChain as_own(const nft::ObservedChain& chain) {
  OwnChain own{chain.key, chain.hook.value_or(nft::BaseHook{}), {}};
  std::ranges::transform(chain.rules, std::back_inserter(own.rules), &nft::ObservedRule::rule);
  return own;
}

}  // namespace smtpegress
