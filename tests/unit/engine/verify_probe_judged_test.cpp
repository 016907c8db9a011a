// What a probe saw is not taken for more than it shows: an address that may be our own words, a server that is this
// host, senders that nobody was asked as.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>

#include "engine/verify/probe_words.hpp"
#include "smtpegress/probe.hpp"
#include "support/engine_host.hpp"
#include "support/fake_prober.hpp"

namespace smtpegress {
namespace {

using test::EngineHost;
using test::FakeProber;
using test::wish;

constexpr std::string_view kLiteral = "[203.0.113.10]";
constexpr std::string_view kName = "vps.example.org";

std::size_t count_of(const VerifyReport& report, std::string_view id, Outcome outcome) {
  return static_cast<std::size_t>(std::ranges::count_if(
      report.checks, [&](const Check& check) { return check.id == id && check.outcome == outcome; }));
}

TEST(VerifyWithAProbe, OnTheVps_AnAddressThatOurEhloSaid_IsNotTakenForWhatTheServerSaw) {
  struct Answer {
    std::string_view said;
    std::string line;
    std::vector<std::string_view> told;
    Outcome outcome;
    std::string detail;
  };
  const std::string repeated = "it may only repeat what EHLO said, [203.0.113.10]";
  const std::string another = "it sees 203.0.113.99, not 203.0.113.10";
  const std::vector<Answer> answers{
      {kLiteral, "mx Hello [203.0.113.10] [203.0.113.99]", {"203.0.113.10", "203.0.113.99"}, Outcome::kFailed, another},
      {kLiteral, "mx Hello [203.0.113.10], pleased to meet you", {"203.0.113.10"}, Outcome::kSkipped, repeated},
      {kLiteral, "mx Hello [203.0.113.10] [203.0.113.10]", {"203.0.113.10"}, Outcome::kPassed, "203.0.113.10"},
      {kLiteral, "mx at your service, [203.0.113.10]", {"203.0.113.10"}, Outcome::kPassed, "203.0.113.10"},
      {kLiteral, "mx Hello there.example.net [203.0.113.10]", {"203.0.113.10"}, Outcome::kPassed, "203.0.113.10"},
      {kName, "mx Hello vps.example.org [203.0.113.10]", {"203.0.113.10"}, Outcome::kPassed, "203.0.113.10"},
      {kName, "mx Hello [203.0.113.10]", {"203.0.113.10"}, Outcome::kPassed, "203.0.113.10"},
      {kName, "mx Hello vps.example.org [203.0.113.99]", {"203.0.113.99"}, Outcome::kFailed, another}};
  EngineHost box(test::vps());
  ASSERT_TRUE(box.enable(test::vps_profile()));
  for (const auto& answer : answers) {
    SCOPED_TRACE(answer.line);
    FakeProber prober([&](ProbeReport& report) {
      auto& seen = report.sightings.front();
      seen.said = answer.said;
      seen.ehlo = {250, {answer.line}};
      std::ranges::transform(answer.told, std::back_inserter(seen.told),
                             [](std::string_view told) { return test::address(told); });
    });
    const auto report = box.engine.verify("mailu-vps", {}, wish(prober)).value();
    const auto check = std::ranges::find(report.checks, "probe-seen-as", &Check::id);
    ASSERT_NE(check, report.checks.end());
    EXPECT_EQ(check->outcome, answer.outcome);
    EXPECT_EQ(check->detail, answer.detail);
  }
}

TEST(ProbeWords, OurAddressBehindAGreeting_MayBeOurOwnWords) {
  const auto may_repeat_us_in = [](std::string_view address, std::string_view said, std::string line) {
    ProbeSighting seen;
    seen.sent_from = test::address(address);
    seen.said = said;
    seen.ehlo = {250, {std::move(line)}};
    return may_repeat_us(seen);
  };
  constexpr std::string_view kV4 = "203.0.113.10";
  constexpr std::string_view kV6 = "2001:db8:10::10";
  constexpr std::string_view kLiteral6 = "[IPv6:2001:db8:10::10]";
  EXPECT_TRUE(may_repeat_us_in(kV4, kLiteral, "mx HELLO 203.0.113.10"));
  EXPECT_TRUE(may_repeat_us_in(kV4, kLiteral, "mx greets [203.0.113.10]"));
  EXPECT_TRUE(may_repeat_us_in(kV4, kLiteral, "Nice to meet you, [203.0.113.10]"));
  EXPECT_TRUE(may_repeat_us_in(kV6, kLiteral6, "mx Hello [IPv6:2001:db8:10::10]"));
  EXPECT_FALSE(may_repeat_us_in(kV6, kLiteral6, "mx at your service, [IPv6:2001:db8:10::10]"));
  EXPECT_FALSE(may_repeat_us_in(kV6, kLiteral6, "mx Hello [IPv6:2001:db8:10:0:0:0:0:10]"));
  EXPECT_FALSE(may_repeat_us_in(kV4, kLiteral, "[203.0.113.10]"));
  EXPECT_FALSE(may_repeat_us_in(kV4, kLiteral, ""));
  EXPECT_FALSE(may_repeat_us_in(kV4, kName, "mx Hello [203.0.113.10]"));
}

TEST(VerifyWithAProbe, WhereTheMailDoesNotComeThroughThisHost_ItsRulesAreNotSaidToHoldIt) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  FakeProber through;
  FakeProber past([](ProbeReport& report) { report.after = report.before; });
  EXPECT_EQ(count_of(box.engine.verify("mailu-home", {}, wish(through)).value(), "probe-leak", Outcome::kPassed), 1U);
  EXPECT_EQ(count_of(box.engine.verify("mailu-home", {}, wish(past)).value(), "probe-leak", Outcome::kPassed), 0U);
}

TEST(VerifyWithAProbe, AServerOnThisHostItself_NeedsNoTunnel) {
  constexpr std::string_view kOwn = "203.0.113.5";
  EngineHost box(test::docker_home());
  test::add_address(box.host(), "eth0", "203.0.113.5/24");
  ASSERT_TRUE(box.enable(test::home_profile()));
  FakeProber prober([&](ProbeReport& report) {
    report.sightings.front().address = test::address(kOwn);
    report.after = report.before;
  });
  const auto report = box.engine.verify("mailu-home", {}, wish(prober)).value();
  EXPECT_EQ(count_of(report, "probe-leak", Outcome::kFailed), 0U);
}

TEST(VerifyWithAProbe, MoreSendersThanAreAsked_AreToldOf) {
  std::string sources = "192.168.203.0/28";
  for (std::size_t wanted = 1; wanted <= 9; ++wanted) {
    EngineHost box(test::docker_home());
    ASSERT_TRUE(box.enable(test::home_profile({{{"sources", sources}}})));
    FakeProber prober;
    const auto report = box.engine.verify("mailu-home", {}, wish(prober)).value();
    const bool too_many = wanted > 8;
    EXPECT_EQ(prober.requests.at(0).senders.size(), too_many ? 8 : wanted);
    const auto further = std::ranges::find(report.checks, "SMTP as further senders", &Check::title);
    ASSERT_EQ(further != report.checks.end(), too_many) << wanted;
    if (too_many) {
      EXPECT_EQ(further->id, "probe");
      EXPECT_EQ(further->outcome, Outcome::kSkipped);
      EXPECT_EQ(further->detail, "of more than 8 senders the others are not asked (1)");
    }
    sources += fmt::format(",192.168.203.{}/28", wanted * 16);
  }
}

}  // namespace
}  // namespace smtpegress
