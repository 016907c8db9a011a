// What trace prints.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/output.hpp"
#include "support/hosts.hpp"

namespace smtpegress::cli {
namespace {

Journey dropped() {
  Journey journey;
  journey.direction = Journey::Direction::kReply;
  journey.packet = {test::address("192.0.2.25"), test::address("192.168.203.10"), 60, 62, 6, 25, 40000, 0x12};
  journey.in = test::ifname("wg0");
  journey.steps = {
      {{{nft::Family::kIp, "raw"}, "PREROUTING"}, 9, "counter drop", "drop", "Docker's drop of strangers", 0}};
  journey.end = JourneyEnd::kDropped;
  journey.judgement = Journey::Judgement::kWrong;
  journey.reason = "dropped by it";
  journey.mend = "enable";
  journey.count = 3;
  return journey;
}

Journey left() {
  Journey journey;
  journey.packet = {test::address("fd00::1"), test::address("2001:db8::25"), 60, 62, 6, 40000, 25, 0x02};
  journey.in = test::ifname("br-mailu");
  journey.out = test::ifname("wg0");
  journey.end = JourneyEnd::kLeft;
  journey.left_as = journey.packet;
  journey.steps = {{{{nft::Family::kInet, "theirs"}, "c"}, 5, "meta mark set 0x7", "", "others'", 7},
                   {{{nft::Family::kInet, "theirs"}, "c"}, 6, "tcp option maxseg size set rt mtu", "", "others'", 7}};
  return journey;
}

TEST(TraceOutput, ADrop_IsToldWithRuleOwnerReasonAndMend) {
  EXPECT_EQ(journey_text(dropped(), Verbosity::kNormal),
            "  WRONG    reply 192.0.2.25:25 -> 192.168.203.10:40000 [SYN,ACK], in by wg0\n"
            "           ip raw PREROUTING: counter drop # handle 9\n"
            "             Docker's drop of strangers\n"
            "           dropped by it\n"
            "           mend: enable\n");
}

TEST(TraceOutput, RulesThatDecideNothing_AreForVerboseAlone) {
  const std::string mark = "the mark is now 0x7";
  for (const auto verbosity : {Verbosity::kNormal, Verbosity::kVerbose}) {
    const auto text = journey_text(left(), verbosity);
    EXPECT_NE(text.find("ok       mail [fd00::1]:40000 -> [2001:db8::25]:25 [SYN], in by br-mailu"), std::string::npos);
    EXPECT_NE(text.find(mark), std::string::npos);
    EXPECT_EQ(text.find(mark), text.rfind(mark)) << "once";
    EXPECT_EQ(text.find("maxseg") != std::string::npos, verbosity == Verbosity::kVerbose);
    EXPECT_NE(text.find("left by wg0\n"), std::string::npos);
  }
}

TEST(TraceOutput, WhatIsNotTheMails_IsForVerboseAlone) {
  auto aside = left();
  aside.judgement = Journey::Judgement::kAside;
  EXPECT_EQ(journey_text(aside, Verbosity::kNormal), "");
  EXPECT_NE(journey_text(aside, Verbosity::kVerbose), "");
}

TEST(TraceOutput, TheEnd_CountsPackets) {
  TraceReport report{test::home_profile(), {}, {left(), dropped()}, false, {"a note"}};
  EXPECT_EQ(trace_end_text(report), "mailu-home (home): 3 of 4 packets went wrong\n  note: a note\n");
  report.journeys.pop_back();
  EXPECT_EQ(trace_end_text(report), "mailu-home (home): 1 packet went the right way\n  note: a note\n");
  report.journeys.clear();
  EXPECT_EQ(trace_end_text(report), "mailu-home (home): no packet of the mail stack's was seen\n  note: a note\n");
}

TEST(TraceOutput, Json) {
  Options options;
  options.command_name = "trace";
  const TraceReport report{test::home_profile(), {}, {left(), dropped()}, true, {}};
  const auto document = nlohmann::json::parse(trace_json(options, report, 1));
  EXPECT_EQ(document.at("packets").at("wrong"), 3);
  EXPECT_EQ(document.at("overrun"), true);
  EXPECT_EQ(document.at("journeys").at(0).at("left_as").at("destination"), "2001:db8::25");
  EXPECT_TRUE(document.at("journeys").at(1).at("left_as").is_null());
  EXPECT_EQ(document.at("journeys").at(1).at("steps").at(0).at("chain"), "ip raw PREROUTING");
}

}  // namespace
}  // namespace smtpegress::cli
