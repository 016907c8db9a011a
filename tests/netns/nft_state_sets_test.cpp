// What nft makes of sets and maps of connection states, read back as what they say.
#include <gtest/gtest.h>

#include "netns/nft_namespace.hpp"

namespace smtpegress::nft {
namespace {

using test::in_new_namespace;
using test::must_run;
using test::Nft;

class NftStateSets : public test::NamespaceTest {};

struct Case {
  std::string rule;
  std::vector<std::string> says;
};

TEST_F(NftStateSets, SayWhatTheyHold) {
  in_new_namespace([] {
    const std::vector<Case> cases{
        {"ct state { established, related } accept", {"ct state established,related accept"}},
        {"ct state != { established, related } drop", {"ct state invalid,new,untracked drop"}},
        {"ct state vmap { established : accept, invalid : drop, new : jump d }",
         {"ct state invalid drop", "ct state established accept", "ct state new jump d"}},
        {"iifname \"wg0\" counter ct state vmap { new : continue }", {"iifname \"wg0\" ct state new counter continue"}},
        {"tcp dport 25 ct state { new } tcp flags & (fin|syn|rst|ack) != syn drop",
         {"tcp dport 25 ct state new tcp flags & (fin|syn|rst|ack) != syn drop"}},
        // Named sets, other sets, and what is more than a lookup.
        {"ct state @named accept", {"[ct state set] accept"}},
        {"tcp dport { 25, 465 } accept", {"meta l4proto tcp [lookup] accept"}},
        {"ct state . tcp dport { established . 25 } accept", {"meta l4proto tcp [ct state set] accept"}},
        {"ct state vmap { new : accept } counter", {"[ct state vmap] counter"}},
    };
    must_run("nft 'add table inet t; add chain inet t d; add set inet t named { type ct_state; elements = { new }; }'");
    must_run("nft 'add chain inet t c { type filter hook forward priority 0; }'");
    Nft nft;
    for (const auto& [rule, says] : cases) {
      must_run("nft 'flush chain inet t c; add rule inet t c " + rule + "'");
      std::vector<std::string> read;
      for (const auto& one : nft.rules({{Family::kInet, "t"}, "c"})) {
        read.push_back(to_string(one));
      }
      EXPECT_EQ(read, says) << rule;
    }
  });
}

TEST_F(NftStateSets, RulesBesideThem_KeepTheirPlaces) {
  in_new_namespace([] {
    must_run(
        "nft 'add table inet t; add chain inet t c { type filter hook forward priority 0; };"
        "add rule inet t c tcp dport 1 drop; add rule inet t c ct state vmap { established : accept, invalid : drop };"
        "add rule inet t c tcp dport 2 drop; add rule inet t c ct state vmap { new : accept };"
        "add rule inet t c tcp dport 3 drop'");
    Nft nft;
    const auto ruleset = nft.observe();
    const auto& rules = ruleset.find({{Family::kInet, "t"}, "c"})->rules;
    ASSERT_EQ(rules.size(), 6U);
    EXPECT_EQ(rules[1].handle, rules[2].handle);
    std::string all;
    for (const auto& rule : rules) {
      all += to_string(rule.rule) + "; ";
    }
    EXPECT_EQ(all,
              "tcp dport 1 drop; ct state invalid drop; ct state established accept; tcp dport 2 drop; ct state new "
              "accept; tcp dport 3 drop; ");
  });
}

}  // namespace
}  // namespace smtpegress::nft
