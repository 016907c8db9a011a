// The kernel did what it was asked, and its answer was lost (its receive buffer was full): what was made must be known
// all the same, to be told, and to be taken back when a later step fails.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <functional>

#include "support/engine_host.hpp"

namespace smtpegress {
namespace {

using test::EngineHost;
using test::FakeHost;

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

/// Rules of one priority by what they say: which of ours stands first decides nothing, as all look up the same table.
std::string sorted_now(EngineHost& box) {
  auto host = box.host();
  std::ranges::sort(host.state.rules);
  return test::snapshot(host);
}

// Of one command: each call in turn is carried out, and its answer does not come. Whatever the command then says, what
// it says is so.
void lose_each_answer(const std::function<FakeHost()>& host, const std::function<void(EngineHost&)>& prepare,
                      const std::function<Result<ApplyReport>(EngineHost&)>& command) {
  EngineHost plain(host());
  prepare(plain);
  ASSERT_TRUE(command(plain));
  std::size_t lost = 0;
  for (std::size_t number = 1;; ++number) {
    EngineHost box(host());
    prepare(box);
    const auto before = sorted_now(box);
    box.kernel.forget_calls();
    box.kernel.fault = {number, ENOBUFS, true};
    const auto report = command(box);
    if (box.kernel.calls.size() < number) {
      EXPECT_GT(lost, 1U);
      return;
    }
    const auto& call = box.kernel.calls[number - 1];
    if (report) {
      EXPECT_EQ(sorted_now(box), sorted_now(plain)) << call;
      continue;
    }
    ++lost;
    EXPECT_EQ(sorted_now(box), before) << call;
    EXPECT_EQ(test::said(report).find("not everything"), std::string::npos) << test::said(report);
  }
}

TEST(LostAnswer, OfAnySingleCallOfEnable_IsTakenBack) {
  lose_each_answer(
      test::docker_home, [](EngineHost&) {}, [](EngineHost& box) { return box.enable(test::home_profile()); });
}

TEST(LostAnswer, OfAnySingleCallOfDisable_IsTakenBack) {
  lose_each_answer(
      test::docker_home, [](EngineHost& box) { ASSERT_TRUE(box.enable(test::home_profile())); },
      [](EngineHost& box) { return box.disable(test::home_profile()); });
}

TEST(LostAnswer, OfAnySingleCallThatRepairs_IsTakenBack) {
  const auto prepare = [](EngineHost& box) {
    ASSERT_TRUE(box.enable(test::home_profile()));
    auto& state = box.host().state;
    for (auto& route : state.routes) {
      if (route.protocol == kOurProtocol && route.type == RouteType::kUnicast) {
        route.preferred_source = test::address("192.168.203.1");
      }
    }
    for (auto& rule : state.rules) {
      if (rule.protocol == kOurProtocol) {
        rule.table = TableId{101};
      }
    }
  };
  lose_each_answer(test::docker_home, prepare, [](EngineHost& box) { return box.enable(test::home_profile()); });
}

TEST(LostAnswer, OfAnySingleCallOfATakeOver_IsTakenBack) {
  const auto scripts = [] {
    auto host = test::docker_home();
    test::add_home_scripts(host);
    return host;
  };
  lose_each_answer(
      scripts, [](EngineHost&) {},
      [](EngineHost& box) { return box.enable(test::home_profile(), LegacyScripts::kTakeOver); });
}

TEST(LostAnswer, OfTheRollbackItself_IsNoFailure) {
  for (std::size_t number = 4;; ++number) {
    EngineHost box(test::docker_home());
    const auto before = box.now();
    bool refused = false;
    box.kernel.before_call = [&](const std::string& call) {
      if (call.starts_with("add rule") && !refused) {
        refused = true;
        box.kernel.fault = {box.kernel.calls.size(), EBUSY, false};
      } else if (refused && box.kernel.calls.size() == number) {
        box.kernel.fault = {number, ENOBUFS, true};
      }
    };
    const auto report = box.enable(test::home_profile());
    ASSERT_FALSE(report);
    EXPECT_EQ(box.now(), before) << number;
    EXPECT_EQ(test::said(report).find("not everything"), std::string::npos) << test::said(report);
    if (box.kernel.calls.size() < number) {
      EXPECT_GT(number, 8U);
      return;
    }
  }
}

}  // namespace
}  // namespace smtpegress
