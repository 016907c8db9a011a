#include "support/desired_text.hpp"

#include <fmt/format.h>

#include "support/fake_ruleset.hpp"

namespace smtpegress::test {

std::string desired_text(const DesiredState& desired) {
  auto text = fmt::format("instance {}\n", desired.instance);
  if (desired.table) {
    text += fmt::format("table {}\n", nft::to_string(*desired.table));
  }
  for (const auto& set : desired.sets) {
    text += set_text({set.key, set.type, set.elements});
  }
  for (const auto& chain : desired.chains) {
    text += fmt::format("chain {}\n", chain_text(chain.key, chain.hook));
    for (const auto& rule : chain.rules) {
      text += fmt::format("  {}\n", rule_text(rule));
    }
  }
  for (const auto& rule : desired.foreign_rules) {
    text += fmt::format("at the head of {}\n  {}\n", nft::to_string(rule.chain), rule_text(rule.rule));
    if (!rule.preempted_by.empty()) {
      text += fmt::format("  now behind: {}\n", rule.preempted_by);
    }
  }
  for (const auto& link : desired.links) {
    text += fmt::format("interface {} mac {} alias {}\n", to_string(link), link.mac.to_string(), link.alias);
    for (const auto& neighbour : link.neighbours) {
      text += fmt::format("  neighbour {} at {}\n", neighbour.address.to_string(), neighbour.mac.to_string());
    }
  }
  for (const auto& route : desired.routes) {
    text += fmt::format("route {}\n", to_string(route));
  }
  for (const auto& sysctl : desired.sysctls) {
    text += fmt::format("sysctl {} = {}\n", sysctl.key, sysctl.value);
  }
  for (const auto& rule : desired.rules) {
    text += fmt::format("rule {}\n", to_string(rule));
  }
  return text;
}

}  // namespace smtpegress::test
