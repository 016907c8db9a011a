// In which order changes are made, how they are taken back, and the one transaction of nf_tables.
#include <gtest/gtest.h>

#include <algorithm>

#include "model/rules.hpp"
#include "plan/order.hpp"
#include "support/fake_ruleset.hpp"
#include "support/hosts.hpp"
#include "support/iptables_text.hpp"

namespace smtpegress {
namespace {

const nft::TableKey kTable{nft::Family::kInet, "smtp-egress-x"};
const nft::BaseHook kHook{nft::ChainType::kFilter, nft::Hook::kForward, -150, nft::Policy::kAccept};

OwnChain own_chain(std::string comment = "one") {
  return {{kTable, "forward"}, kHook, {rules::rule({rules::tcp()}, rules::accept(), std::move(comment))}};
}
ForeignChainRule foreign_rule() {
  return {{{nft::Family::kIp, "filter"}, "FORWARD"},
          rules::rule({rules::marked({0x19, 0xff})}, rules::accept(), "smtp-egress:x:admission"),
          0,
          {}};
}
Change change(Verb verb, Object object, std::optional<Object> previous = {}) {
  return {verb, std::move(object), std::move(previous), "reason"};
}

Plan ordered(Course course, Verb verb) {
  Plan plan;
  plan.course = course;
  plan.changes = {change(verb, test::script_policy_rule()), change(verb, SysctlSpec{"net/ipv4/ip_forward", "1"}),
                  change(verb, own_chain()), change(verb, test::script_route()), change(verb, foreign_rule())};
  put_in_order(plan);
  return plan;
}

std::vector<std::string> kinds(const std::vector<Change>& changes) {
  std::vector<std::string> lines;
  std::ranges::transform(changes, std::back_inserter(lines), [](const Change& c) { return kind_of(c.object); });
  return lines;
}

using Kinds = std::vector<std::string>;

TEST(Order, Up_TheGuardFirstTheRuleLast) {
  EXPECT_EQ(kinds(ordered(Course::kUp, Verb::kCreate).changes),
            (Kinds{"chain", "admission", "egress route", "sysctl", "policy rule"}));
}

TEST(Order, TakeOver_RoutesAndRuleStandBeforeTheFirewallIsSwapped) {
  EXPECT_EQ(kinds(ordered(Course::kTakeOver, Verb::kCreate).changes),
            (Kinds{"egress route", "sysctl", "policy rule", "chain", "admission"}));
  EXPECT_EQ(kinds(ordered(Course::kTakeOver, Verb::kRemove).changes),
            (Kinds{"sysctl", "chain", "admission", "policy rule", "egress route"}));
}

TEST(Order, Down_TheRuleFirstTheGuardLast) {
  EXPECT_EQ(kinds(ordered(Course::kDown, Verb::kRemove).changes),
            (Kinds{"policy rule", "sysctl", "egress route", "chain", "admission"}));
}

TEST(Order, Up_OldRulesAndRoutesGoAfterTheNewOnesStand) {
  Plan plan;
  plan.changes = {change(Verb::kRemove, test::script_route()), change(Verb::kRemove, test::script_policy_rule()),
                  change(Verb::kCreate, test::script_policy_rule()), change(Verb::kCreate, test::script_route())};
  put_in_order(plan);
  EXPECT_EQ(kinds(plan.changes), (Kinds{"egress route", "policy rule", "policy rule", "egress route"}));
  EXPECT_EQ(plan.changes[1].verb, Verb::kCreate);
}

TEST(Inverse, NewestFirstAndEachVerbTurnedRound) {
  const auto before = own_chain("before");
  const auto back =
      inverse({change(Verb::kCreate, test::script_route()), change(Verb::kRemove, test::script_policy_rule()),
               change(Verb::kReplace, own_chain("after"), before)});
  ASSERT_EQ(back.size(), 3U);
  EXPECT_EQ(back[0].verb, Verb::kReplace);
  EXPECT_EQ(back[0].object, Object{before});
  EXPECT_EQ(back[0].previous, Object{own_chain("after")});
  EXPECT_EQ(back[1].verb, Verb::kCreate);
  EXPECT_EQ(back[2].verb, Verb::kRemove);
}

TEST(Inverse, OfTheInverse_IsTheSameAgain) {
  const std::vector<Change> changes{change(Verb::kCreate, test::script_route()),
                                    change(Verb::kReplace, SysctlSpec{"k", "1"}, SysctlSpec{"k", "0"})};
  const auto twice = inverse(inverse(changes));
  ASSERT_EQ(twice.size(), changes.size());
  for (std::size_t i = 0; i < twice.size(); ++i) {
    EXPECT_EQ(twice[i].verb, changes[i].verb);
    EXPECT_EQ(twice[i].object, changes[i].object);
    EXPECT_EQ(twice[i].previous, changes[i].previous);
  }
}

class Batch : public testing::Test {
 protected:
  Batch() { test::add_iptables(ruleset_, "*filter\n:FORWARD DROP\n-A FORWARD -i eth0 -j DROP\n"); }

  std::string after(const std::vector<Change>& changes) {
    const auto result = test::apply(make_batch(changes, ruleset_), ruleset_);
    if (!result) {
      return result.error().message();
    }
    ruleset_ = *result;
    return test::ruleset_text(ruleset_);
  }

  nft::Ruleset ruleset_;
};

TEST_F(Batch, CreateThenItsInverse_LeavesTheRulesetAsItWas) {
  const auto before = test::ruleset_text(ruleset_);
  const std::vector<Change> changes{change(Verb::kCreate, OwnTable{kTable}), change(Verb::kCreate, own_chain()),
                                    change(Verb::kCreate, foreign_rule())};
  EXPECT_NE(after(changes), before);
  EXPECT_EQ(after(inverse(changes)), before);
}

TEST_F(Batch, AForeignRule_GoesToTheHead) {
  after({change(Verb::kCreate, foreign_rule())});
  EXPECT_EQ(ruleset_.chains.front().rules.front().rule, foreign_rule().rule);
}

TEST_F(Batch, ReplacingAChainAtTheSameHook_NeverUnregistersIt) {
  after({change(Verb::kCreate, OwnTable{kTable}), change(Verb::kCreate, own_chain("before"))});
  const auto batch = make_batch({change(Verb::kReplace, own_chain("after"), own_chain("before"))}, ruleset_);
  for (const auto& step : batch) {
    EXPECT_FALSE(std::holds_alternative<nft::DeleteChain>(step) || std::holds_alternative<nft::AddChain>(step));
  }
  EXPECT_NE(after({change(Verb::kReplace, own_chain("after"), own_chain("before"))}).find("# after"),
            std::string::npos);
}

TEST_F(Batch, ReplacingAChainAtAnotherHook_MakesItAnew) {
  after({change(Verb::kCreate, OwnTable{kTable}), change(Verb::kCreate, own_chain())});
  auto moved = own_chain();
  moved.hook.priority = 7;
  EXPECT_NE(after({change(Verb::kReplace, moved, own_chain())}).find("priority 7"), std::string::npos);
}

TEST_F(Batch, RemovingATable_TakesItsChainsWithItWhateverElseIsInIt) {
  const auto before = test::ruleset_text(ruleset_);
  after({change(Verb::kCreate, OwnTable{kTable}), change(Verb::kCreate, own_chain())});
  EXPECT_EQ(make_batch({change(Verb::kRemove, own_chain()), change(Verb::kRemove, OwnTable{kTable})}, ruleset_).size(),
            1U);
  EXPECT_EQ(after({change(Verb::kRemove, own_chain()), change(Verb::kRemove, OwnTable{kTable})}), before);
}

TEST_F(Batch, RemovingARuleThatIsGone_IsNoStep) {
  EXPECT_TRUE(make_batch({change(Verb::kRemove, foreign_rule())}, ruleset_).empty());
}

TEST_F(Batch, WhatIsNotOfNftables_IsNoStep) {
  EXPECT_TRUE(make_batch({change(Verb::kCreate, test::script_route()), change(Verb::kCreate, SysctlSpec{"k", "v"}),
                          change(Verb::kCreate, test::script_policy_rule())},
                         ruleset_)
                  .empty());
}

}  // namespace
}  // namespace smtpegress
