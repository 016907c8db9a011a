// The kernel did what it was asked, and its answer was lost (its receive buffer was full): what was made must be known
// all the same, to be told, and to be taken back when a later step fails.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

#include "support/engine_host.hpp"

namespace smtpegress {
namespace {

using test::EngineHost;

std::vector<std::string> words_of(const std::vector<Change>& changes) {
  std::vector<std::string> words;
  for (const auto& change : changes) {
    words.push_back(kind_of(change.object) + " " + describe(change.object));
  }
  std::ranges::sort(words);
  return words;
}

TEST(LostAnswer, OfTheFirewallsBatch_EnableReachesAndTellsAll) {
  EngineHost plain(test::docker_home());
  const auto wanted = plain.enable(test::home_profile());
  ASSERT_TRUE(wanted);
  EngineHost box(test::docker_home());
  const auto before = box.now();
  box.kernel.lost_answers = 1;
  const auto report = box.enable(test::home_profile());
  ASSERT_TRUE(report) << test::said(report);
  EXPECT_EQ(words_of(report->changes), words_of(wanted->changes));
  EXPECT_EQ(box.now(), plain.now()) << "each object once";
  EXPECT_TRUE(box.engine.status("mailu-home", {})->as_it_should_be());
  ASSERT_TRUE(box.disable(test::home_profile()));
  EXPECT_EQ(box.now(), before);
}

TEST(LostAnswer, OfTheFirewallsBatch_ALaterFailureTakesItBackToo) {
  for (std::size_t number = 2;; ++number) {
    EngineHost box(test::docker_home());
    const auto before = box.now();
    box.kernel.lost_answers = 1;
    box.kernel.fault = {number, EBUSY};
    const auto report = box.enable(test::home_profile());
    if (report) {
      EXPECT_GT(number, 5U);
      return;
    }
    EXPECT_EQ(box.now(), before) << "call " << number << ": " << box.kernel.calls[number - 1];
    EXPECT_FALSE(*box.store.load("mailu-home"));
    EXPECT_NE(test::said(report).find("everything was rolled back"), std::string::npos) << test::said(report);
  }
}

TEST(LostAnswer, OfAMendsBatch_ALaterFailureTakesItBackToo) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  test::chain(box.host(), "smtp-egress-mailu-home", "forward", nft::Family::kInet).rules.pop_back();
  test::chain(box.host(), "filter", "DOCKER-USER").rules.clear();
  std::erase_if(box.host().state.rules, [](const auto& r) { return r.protocol == kOurProtocol; });
  const auto before = box.now();
  box.kernel.forget_calls();
  box.kernel.lost_answers = 1;
  box.kernel.fault = {2, EBUSY};
  ASSERT_FALSE(box.enable(test::home_profile()));
  EXPECT_EQ(box.now(), before);
}

TEST(LostAnswer, OfTheRollbacksBatch_IsNoFailure) {
  EngineHost box(test::docker_home());
  const auto before = box.now();
  box.kernel.fault = {3, EBUSY};
  box.kernel.before_call = [&](const std::string& call) {
    if (call.starts_with("commit") && box.kernel.calls.size() > 3 && box.kernel.calls.size() < 8) {
      box.kernel.lost_answers = 1;
    }
  };
  const auto report = box.enable(test::home_profile());
  ASSERT_FALSE(report);
  EXPECT_EQ(test::said(report).find("not everything"), std::string::npos) << test::said(report);
  EXPECT_EQ(box.now(), before);
}

TEST(LostAnswer, OfDisablesBatch_IsDoneAndTellsAll) {
  EngineHost box(test::docker_home());
  const auto before = box.now();
  ASSERT_TRUE(box.enable(test::home_profile()));
  box.kernel.lost_answers = 1;
  const auto report = box.disable(test::home_profile());
  ASSERT_TRUE(report) << test::said(report);
  EXPECT_EQ(box.now(), before);
  EXPECT_TRUE(std::ranges::any_of(report->changes, [](const Change& c) { return kind_of(c.object) == "table"; }));
}

TEST(LostAnswer, ASingleObjectThatWasMade_IsTakenBack) {
  for (const auto* operation : {"add route unreachable", "add rule"}) {
    EngineHost box(test::docker_home());
    const auto before = box.now();
    box.kernel.before_call = [&](const std::string& call) {
      if (call.starts_with(operation)) {  // the kernel makes it, and the answer does not come
        box.kernel.fault = {box.kernel.calls.size(), ENOBUFS};
        auto& state = box.host().state;
        EngineHost other(test::docker_home());
        ASSERT_TRUE(other.enable(test::home_profile()));
        for (const auto& rule : other.host().state.rules) {
          if (rule.protocol == kOurProtocol && rule.mark && call.starts_with("add rule")) {
            state.rules.insert(state.rules.begin() + 1, rule);
          }
        }
        for (const auto& route : other.host().state.routes) {
          if (route.type == RouteType::kUnreachable && call.starts_with("add route")) {
            state.routes.push_back(route);
          }
        }
      }
    };
    ASSERT_FALSE(box.enable(test::home_profile()));
    EXPECT_EQ(box.now(), before) << operation;
  }
}

}  // namespace
}  // namespace smtpegress
