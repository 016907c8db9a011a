// Rules of foreign chains that were removed come back to where they stood.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "smtpegress/plan.hpp"
#include "support/fake_ruleset.hpp"
#include "support/iptables_text.hpp"

namespace smtpegress {
namespace {

const nft::ChainKey kForward{{nft::Family::kIp, "filter"}, "FORWARD"};
constexpr int kRules = 5;

class PlaceOf : public testing::Test {
 protected:
  PlaceOf() {
    std::string text = "*filter\n:FORWARD DROP\n";
    for (int number = 0; number < kRules; ++number) {
      text += fmt::format("-A FORWARD -s 198.51.100.{}/32 -j DROP\n", number);
    }
    test::add_iptables(ruleset_, text);
  }

  [[nodiscard]] std::vector<nft::ObservedRule>& rules() { return ruleset_.chains.front().rules; }
  [[nodiscard]] Change removal_of(int number) {
    const auto& observed = rules().at(static_cast<std::size_t>(number));
    return {Verb::kRemove, ForeignChainRule{kForward, observed.rule, observed.handle, {}}, {}, "reason"};
  }
  [[nodiscard]] std::string text() const { return test::ruleset_text(ruleset_); }

  /// Makes the changes, and returns them as the transaction remembers them.
  std::vector<Change> make(std::vector<Change> changes) {
    for (auto& change : changes) {
      change = with_place(std::move(change), ruleset_);
    }
    auto result = test::apply(make_batch(changes, ruleset_), ruleset_);
    EXPECT_TRUE(result) << (result ? "" : result.error().message());
    ruleset_ = result.value_or(ruleset_);
    return changes;
  }

  nft::Ruleset ruleset_;
};

TEST_F(PlaceOf, AnyOfThemRemovedInAnyOrder_IsTheSameAgain) {
  const auto start = ruleset_;
  const auto before = text();
  for (unsigned chosen = 1; chosen < 1U << kRules; ++chosen) {
    std::vector<int> numbers;
    for (int number = 0; number < kRules; ++number) {
      if ((chosen >> number & 1U) != 0) {
        numbers.push_back(number);
      }
    }
    do {
      ruleset_ = start;
      std::vector<Change> changes;
      std::ranges::transform(numbers, std::back_inserter(changes), [&](int number) { return removal_of(number); });
      const auto done = make(changes);
      ASSERT_NE(text(), before);
      make(inverse(done));
      ASSERT_EQ(text(), before) << "removed " << fmt::format("{}", chosen);
    } while (std::ranges::next_permutation(numbers).found);
  }
}

TEST_F(PlaceOf, RemovedInTwoTransactions_IsTheSameAgain) {
  const auto before = text();
  auto done = make({removal_of(1)});
  const auto second = make({removal_of(0), removal_of(2)});
  done.insert(done.end(), second.begin(), second.end());
  make(inverse(done));
  EXPECT_EQ(text(), before);
}

TEST_F(PlaceOf, ItsPredecessorIsGone_IsBehindTheOneBeforeThat) {
  const auto done = make({removal_of(3)});
  rules().erase(rules().begin() + 2);
  make(inverse(done));
  ASSERT_EQ(rules().size(), 4U);
  EXPECT_EQ(nft::to_string(rules().at(2).rule), "ip saddr 198.51.100.3/32 counter drop");
}

TEST_F(PlaceOf, SomebodyAddedRulesMeanwhile_TheyStayAndItIsBehindItsOwnPredecessor) {
  const auto done = make({removal_of(2)});
  test::add_iptables(ruleset_,
                     "*filter\n-I FORWARD -s 198.51.100.77/32 -j DROP\n-A FORWARD -s 198.51.100.78/32 -j DROP\n");
  make(inverse(done));
  ASSERT_EQ(rules().size(), 7U);
  EXPECT_EQ(nft::to_string(rules().at(3).rule), "ip saddr 198.51.100.2/32 counter drop");
}

TEST_F(PlaceOf, MovedToTheHead_GoesBackToWhereItStood) {
  const auto before = text();
  const auto moved = rules().at(3);
  const auto done = make({{Verb::kReplace, ForeignChainRule{kForward, moved.rule, 0, {}},
                           ForeignChainRule{kForward, moved.rule, moved.handle, {}}, "reason"}});
  ASSERT_EQ(rules().front().rule, moved.rule);
  make(inverse(done));
  EXPECT_EQ(text(), before);
}

TEST_F(PlaceOf, ARuleWithoutAPlace_GoesToTheHead) {
  const auto rule = test::iptables_rule("-s 198.51.100.99/32 -j ACCEPT");
  make({{Verb::kCreate, ForeignChainRule{kForward, rule, 0, {}}, {}, "reason"}});
  EXPECT_EQ(rules().front().rule, rule);
}

}  // namespace
}  // namespace smtpegress
