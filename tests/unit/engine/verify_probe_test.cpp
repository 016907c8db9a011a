// What a probe saw becomes a verdict: each fault its own check, with its mend.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <functional>

#include "smtpegress/probe.hpp"
#include "support/engine_host.hpp"
#include "support/fake_prober.hpp"
#include "support/faults.hpp"

namespace smtpegress {
namespace {

using test::EngineHost;
using test::FakeHost;
using test::FakeProber;
using test::kContainer;
using test::kFarEnd;
using test::wish;

struct Seen {
  std::string name;
  bool home;
  std::function<void(ProbeSighting&)> fault;
  std::vector<std::string> failing;  ///< in this order
  std::string said;
  std::function<void(ProbeReport&)> also = [](ProbeReport&) {};
  friend void PrintTo(const Seen& value, std::ostream* out) { *out << value.name; }
};

HopTrace trace(std::vector<std::pair<std::uint8_t, std::string_view>> hops, bool answered = false) {
  HopTrace trace;
  for (const auto& [ttl, from] : hops) {
    trace.hops.push_back({ttl, test::address(from)});
  }
  trace.server_answered = answered;
  return trace;
}

auto silent(std::optional<HopTrace> trace, std::optional<bool> far_end, std::optional<HopTrace> control = {}) {
  return [=](ProbeSighting& seen) {
    seen.step = ProbeStep::kConnect;
    seen.errnum = ETIMEDOUT;
    seen.trace = trace;
    seen.far_end_answered = far_end;
    seen.control = control;
    seen.banner = seen.ehlo = {};
  };
}

auto ended(ProbeStep step, int errnum, SmtpReply banner = {}, SmtpReply ehlo = {}) {
  return [=](ProbeSighting& seen) {
    seen.step = step;
    seen.errnum = errnum;
    seen.banner = banner;
    seen.ehlo = ehlo;
  };
}

auto refused_by(std::string_view who, std::uint8_t type, std::uint8_t code) {
  return [=](ProbeSighting& seen) {
    seen.step = ProbeStep::kConnect;
    seen.errnum = EHOSTUNREACH;
    seen.path_error = PathError{test::address(who), type, code};
    seen.banner = seen.ehlo = {};
  };
}

auto told(std::string_view address) {
  return [=](ProbeSighting& seen) { seen.told = {test::address(address)}; };
}

void nothing_came_out(ProbeReport& report) {
  report.after = LinkCounters{report.before->received, report.before->sent + 20};
}
void nothing_went_in(ProbeReport& report) {
  report.after = report.before;
}

const SmtpReply kGreeting{220, {"mx"}};

std::vector<Seen> sightings() {
  return {
      {"home_all_well", true, [](ProbeSighting&) {}, {}, ""},
      {"vps_all_well", false, [](ProbeSighting&) {}, {}, ""},
      {"no_answer_for_the_name",
       true,
       [](ProbeSighting& s) { s = {.sender = s.sender, .server = s.server, .step = ProbeStep::kResolve}; },
       {"probe-name"},
       "did not answer in time"},
      {"the_name_is_unknown",
       true,
       [](ProbeSighting& s) {
         s = {.sender = s.sender,
              .server = s.server,
              .step = ProbeStep::kResolve,
              .errnum = 0,
              .text = "Name or service not known"};
       },
       {"probe-name"},
       "getent ahosts"},
      {"a_private_server",
       true,
       [](ProbeSighting& s) {
         ended(ProbeStep::kConnect, ECONNREFUSED)(s);
         s.address = test::address("192.168.1.25");
       },
       {},
       ""},
      {"a_private_server_is_silent",
       true,
       [](ProbeSighting& s) {
         silent(trace({}), false)(s);
         s.address = test::address("192.168.1.25");
       },
       {},
       "",
       nothing_went_in},
      {"a_private_server_answers_beside_a_dead_tunnel",
       true,
       silent(trace({{1, "192.168.203.1"}}), false),
       {"probe-tunnel", "probe"},
       "20 packets went into it and 0 came out",
       [](ProbeReport& r) {
         auto answered = r.sightings.front();
         answered.step = ProbeStep::kDone;
         answered.address = test::address("192.168.1.25");
         r.sightings.push_back(answered);
         nothing_came_out(r);
       }},
      {"answered_and_nothing_went_into_the_tunnel",
       true,
       [](ProbeSighting&) {},
       {"probe-leak"},
       "this container's way does not lead through this host",
       nothing_went_in},
      {"this_host_was_answered_and_nothing_went_into_the_tunnel",
       true,
       [](ProbeSighting& s) { s.manner = ProbeManner::kHost; },
       {"probe-leak"},
       "something on this host answers in the server's place",
       nothing_went_in},
      {"answered_and_one_packet_went_into_the_tunnel",
       true,
       [](ProbeSighting&) {},
       {},
       "",
       [](ProbeReport& r) {
         r.after = LinkCounters{r.before->received, r.before->sent + 1};
       }},
      {"the_tunnel_was_made_anew_meanwhile",
       true,
       silent(trace({}), false),
       {"probe"},
       "no router tells",
       [](ProbeReport& r) {
         r.after = LinkCounters{0, 0};
       }},
      {"not_of_the_senders_family", true, ended(ProbeStep::kFamily, 0), {}, ""},
      {"nobody_to_send_as", true, ended(ProbeStep::kSender, EADDRNOTAVAIL), {}, ""},
      {"not_permitted_to_enter", true, ended(ProbeStep::kSender, EPERM), {}, ""},
      {"no_way_at_all",
       true,
       ended(ProbeStep::kConnect, ENETUNREACH),
       {"probe"},
       "nothing left: Network is unreachable"},
      {"this_host_refuses",
       true,
       refused_by("192.168.203.1", 3, 1),
       {"probe"},
       "this host refuses it, and nothing left: host unreachable (ICMP 3/1)"},
      {"a_router_refuses",
       false,
       refused_by("203.0.113.1", 3, 13),
       {"probe"},
       "203.0.113.1 refuses it: administratively prohibited"},
      {"the_vps_refuses", true, refused_by("10.0.1.1", 3, 1), {"probe"}, "10.0.1.1 refuses it: host unreachable"},
      {"a_reset", true, ended(ProbeStep::kConnect, ECONNREFUSED), {"probe"}, "refused by a reset"},
      {"the_tunnel_is_dead",
       true,
       silent(trace({{1, "192.168.203.1"}}), false),
       {"probe-tunnel", "probe"},
       "20 packets went into it and 0 came out",
       nothing_came_out},
      {"nothing_went_into_the_tunnel",
       true,
       silent(trace({}), false),
       {"probe-tunnel", "probe"},
       "it ended on this host",
       nothing_went_in},
      {"the_vps_passes_nothing_on", true, silent(trace({{1, "192.168.203.1"}}), true), {"probe"}, "passes nothing on"},
      {"as_far_as_the_vps",
       true,
       silent(trace({{1, "192.168.203.1"}, {2, "10.0.1.1"}}), false),
       {"probe"},
       "as far as the VPS (10.0.1.1)"},
      {"beyond_the_vps",
       true,
       silent(trace({{1, "192.168.203.1"}, {2, "10.0.1.1"}, {4, "203.0.113.1"}}), false),
       {"probe"},
       "as far as 203.0.113.1, 4 hops away"},
      {"others_like_it_were_answered", true, silent(trace({}, true), {}), {"probe"}, "packets are lost"},
      {"the_provider_blocks_it",
       false,
       silent(trace({{1, "203.0.113.1"}}), {}, trace({{1, "203.0.113.1"}, {2, "203.0.114.1"}, {3, "203.0.115.1"}})),
       {"probe-provider", "probe"},
       "ask the VPS's provider to open outgoing tcp/25"},
      {"the_provider_blocks_it_at_once",
       false,
       silent(trace({}), {}, trace({{1, "203.0.113.1"}}, true)),
       {"probe-provider", "probe"},
       "tcp/443 as far as the server"},
      {"one_router_more_tells_of_the_other_port",
       false,
       silent(trace({{1, "203.0.113.1"}}), {}, trace({{1, "203.0.113.1"}, {2, "203.0.114.1"}})),
       {"probe"},
       "as far as 203.0.113.1, 1 hop away"},
      {"the_server_itself_drops_it",
       false,
       silent(trace({{1, "203.0.113.1"}, {2, "203.0.114.1"}}), {},
              trace({{1, "203.0.113.1"}, {2, "203.0.114.1"}}, true)),
       {"probe"},
       "it, or what is right in front of it, drops the mail from this address"},
      {"the_server_answers_the_other_port_and_no_router_tells",
       false,
       silent(trace({}), {}, trace({}, true)),
       {"probe"},
       "no router tells which of them drops the mail"},
      {"where_it_ends_could_not_be_looked_for", true, silent({}, true), {"probe"}, "too few file descriptors"},
      {"the_server_is_down",
       false,
       silent(trace({{1, "203.0.113.1"}}), {}, trace({{1, "203.0.113.1"}})),
       {"probe"},
       "as far as 203.0.113.1, 1 hop away"},
      {"a_silent_server",
       true,
       ended(ProbeStep::kBanner, ETIMEDOUT),
       {"probe"},
       "no greeting: it does not come in time"},
      {"no_smtp", true, ended(ProbeStep::kBanner, 0), {"probe"}, "no SMTP"},
      {"reset_after_the_greeting",
       true,
       ended(ProbeStep::kEhlo, ECONNRESET, kGreeting),
       {"probe"},
       "no answer to EHLO: Connection reset by peer"},
      {"turned_away",
       true,
       ended(ProbeStep::kBanner, 0, {554, {"5.7.1 listed"}}),
       {"probe-banner"},
       "its answer to the greeting is: 554 5.7.1 listed"},
      {"turned_away_for_now", false, ended(ProbeStep::kBanner, 0, {421, {"later"}}), {"probe-banner"}, "in a while"},
      {"turned_away_by_ehlo",
       true,
       ended(ProbeStep::kEhlo, 0, kGreeting, {550, {"go away"}}),
       {"probe-banner"},
       "its answer to EHLO is: 550 go away"},
      {"large_segments_are_lost",
       true,
       [](ProbeSighting& s) {
         s.step = ProbeStep::kLarge;
         s.retransmits = 3;
       },
       {"probe-mtu"},
       "1632 bytes at once, in segments of 1380; path MTU 1420, 3 sent again"},
      {"seen_as_the_public_address", false, told("203.0.113.10"), {}, ""},
      {"seen_as_another_address",
       false,
       told("203.0.113.99"),
       {"probe-seen-as"},
       "it sees 203.0.113.99, not 203.0.113.10"},
      {"seen_as_another_of_this_hosts_own_which_its_masquerade_gives", false, told("10.0.1.1"), {}, ""},
      {"seen_as_the_tunnels_far_end", true, told(kFarEnd), {}, ""},
      {"seen_as_an_address_that_may_be_the_vpss", true, told("203.0.113.77"), {}, ""},
      {"its_own_words_are_echoed", true, told(kContainer), {}, ""},
      {"seen_as_this_host_itself", true, told("192.168.1.10"), {"probe-seen-as"}, "did not take the tunnel"},
      {"this_hosts_steering_is_gone",
       true,
       [](ProbeSighting& s) {
         s.step = ProbeStep::kAstray;
         s.manner = ProbeManner::kHost;
         s.leaves_by = IfName::parse("eth0").value();
       },
       {"probe"},
       "nothing was sent: it would leave by eth0, past the tunnel"},
      {"helo_turns_away",
       true,
       [](ProbeSighting& s) {
         ended(ProbeStep::kEhlo, 0, kGreeting, {550, {"go away"}})(s);
         s.knows_no_ehlo = true;
       },
       {"probe-banner"},
       "its answer to HELO is: 550 go away"},
      {"another_way_out",
       true,
       [](ProbeSighting& s) { s.step = ProbeStep::kAstray; },
       {"probe-leak"},
       "it would send over IPv4 from there, which no source names, by a network that is none of this host's",
       [](ProbeReport& r) {
         r.egress = {{0, test::address("172.30.0.5")}};
       }},
      {"an_address_of_its_source",
       true,
       [](ProbeSighting&) {},
       {},
       "",
       [](ProbeReport& r) {
         r.egress = {{0, test::address(kContainer)}, {0, test::address("fe80::1")}};
       }},
  };
}

class VerifyProbe : public testing::TestWithParam<Seen> {};

TEST_P(VerifyProbe, EachSighting_FailsItsOwnCheckAndNamesTheMend) {
  const auto& seen = GetParam();
  EngineHost box(seen.home ? test::docker_home() : test::vps());
  const auto profile = seen.home ? test::home_profile() : test::vps_profile();
  ASSERT_TRUE(box.enable(profile));
  FakeProber prober([&](ProbeReport& report) {
    for (auto& sighting : report.sightings) {
      seen.fault(sighting);
    }
    seen.also(report);
  });
  const auto before = box.now();
  const auto report = box.engine.verify(profile.name, {}, wish(prober));
  ASSERT_TRUE(report) << test::said(report);
  std::vector<std::string> failing;
  for (const auto& check : report->checks) {
    if (check.outcome == Outcome::kFailed) {
      failing.push_back(check.id);
      EXPECT_FALSE(check.mend.empty()) << check.id;
    }
    EXPECT_FALSE(check.title.empty());
  }
  const auto [ids, said] = test::failures(*report);
  EXPECT_EQ(failing, seen.failing) << said;
  EXPECT_NE(said.find(seen.said), std::string::npos) << said;
  EXPECT_EQ(test::unlike_the_picture(*report), "");
  EXPECT_EQ(box.now(), before);
}

INSTANTIATE_TEST_SUITE_P(Every, VerifyProbe, testing::ValuesIn(sightings()),
                         [](const auto& parameter) { return parameter.param.name; });

const Hop& way_out_at(const VerifyReport& report, Place place) {
  return *std::ranges::find(report.path, place, &Hop::place);  // which comes before the way back
}

TEST(VerifyWithAProbe, ThePictureIsBrokenWhereTheProbeEnded_AndShowsWhatWorksBeforeThat) {
  using enum HopOutcome;
  struct Drawn {
    std::string sighting;
    std::optional<Place> broken;
    HopOutcome vps;
  };
  const std::vector<Drawn> drawn{{"home_all_well", {}, kOk},
                                 {"vps_all_well", {}, kOk},
                                 {"a_private_server", {}, kUnknown},
                                 {"nobody_to_send_as", {}, kUnknown},
                                 {"the_name_is_unknown", Place::kInternet, kUnknown},
                                 {"no_way_at_all", Place::kFirewall, kUnknown},
                                 {"this_host_refuses", Place::kFirewall, kUnknown},
                                 {"a_router_refuses", Place::kInternet, kOk},
                                 {"the_vps_refuses", Place::kVps, kBroken},
                                 {"a_reset", Place::kInternet, kUnknown},
                                 {"the_tunnel_is_dead", Place::kTunnel, kUnknown},
                                 {"nothing_went_into_the_tunnel", Place::kFirewall, kUnknown},
                                 {"answered_and_nothing_went_into_the_tunnel", Place::kSender, kUnknown},
                                 {"the_vps_passes_nothing_on", Place::kVps, kBroken},
                                 {"as_far_as_the_vps", Place::kVps, kBroken},
                                 {"beyond_the_vps", Place::kInternet, kOk},
                                 {"the_provider_blocks_it", Place::kInternet, kOk},
                                 {"a_silent_server", Place::kInternet, kUnknown},
                                 {"turned_away", Place::kInternet, kOk},
                                 {"large_segments_are_lost", Place::kTunnel, kOk},
                                 {"seen_as_another_address", Place::kSnat, kOk},
                                 {"seen_as_this_host_itself", Place::kTable, kOk},
                                 {"this_hosts_steering_is_gone", Place::kTable, kUnknown},
                                 {"another_way_out", Place::kSender, kUnknown}};
  const auto all = sightings();
  for (const auto& [name, broken, vps] : drawn) {
    SCOPED_TRACE(name);
    const auto seen = std::ranges::find(all, name, &Seen::name);
    ASSERT_NE(seen, all.end());
    EngineHost box(seen->home ? test::docker_home() : test::vps());
    const auto profile = seen->home ? test::home_profile() : test::vps_profile();
    ASSERT_TRUE(box.enable(profile));
    FakeProber prober([&](ProbeReport& report) {
      std::ranges::for_each(report.sightings, seen->fault);
      seen->also(report);
    });
    const auto report = box.engine.verify(profile.name, {}, wish(prober)).value();
    for (const auto& hop : report.path) {
      EXPECT_TRUE(hop.outcome != kBroken || hop.place == broken) << id_of(hop.place) << ": " << hop.seen;
    }
    EXPECT_TRUE(!broken || way_out_at(report, *broken).outcome == kBroken);
    EXPECT_EQ(way_out_at(report, Place::kVps).outcome, vps);
  }
}

TEST(VerifyWithAProbe, WhereRepliesAloneAreDropped_ThePictureShowsTheWayOutWhole) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  std::erase_if(test::chain(box.host(), "raw", "PREROUTING").rules,
                [](const nft::ObservedRule& rule) { return !rule.rule.comment.empty(); });
  FakeProber prober([](ProbeReport& report) { silent(trace({}), false)(report.sightings.front()); });
  const auto report = box.engine.verify("mailu-home", {}, wish(prober)).value();
  for (const auto& hop : report.path) {
    EXPECT_EQ(hop.outcome == HopOutcome::kBroken, hop.place == Place::kFirewall && hop.way == MailWay::kBack)
        << id_of(hop.place) << ": " << hop.seen;
  }
}

TEST(VerifyWithAProbe, LargeSegmentsOfWhichNothingIsKnown_AreNotSaidToArrive) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  const std::vector<std::pair<std::function<void(ProbeSighting&)>, std::string>> unseen{
      {[](ProbeSighting& s) { s.large_arrived = false; }, "it ended before that could be seen"},
      {[](ProbeSighting& s) { s.large_write = 0; }, "no PIPELINING"},
      {[](ProbeSighting& s) {
         s.large_write = 0;
         s.knows_no_ehlo = true;
       },
       "it knows no EHLO"}};
  for (const auto& [fault, said] : unseen) {
    FakeProber prober([&](ProbeReport& report) { fault(report.sightings.front()); });
    const auto report = box.engine.verify("mailu-home", {}, wish(prober)).value();
    const auto check = std::ranges::find(report.checks, "probe-mtu", &Check::id);
    EXPECT_EQ(check->outcome, Outcome::kSkipped);
    EXPECT_NE(check->detail.find(said), std::string::npos) << check->detail;
  }
}

TEST(VerifyWithAProbe, ThePictureNamesWhoAnsweredAndWhomItSaw) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  FakeProber prober([](ProbeReport& report) { report.sightings.front().told = {test::address(kFarEnd)}; });
  const auto report = box.engine.verify("mailu-home", {}, wish(prober)).value();
  EXPECT_EQ(way_out_at(report, Place::kInternet).seen, "192.0.2.25:25 answers 220 mx.example.org ESMTP");
  EXPECT_EQ(way_out_at(report, Place::kSnat).name, kFarEnd);
}

TEST(VerifyWithAProbe, WhatFailedBefore_ComesFirstAndIsWhatToMend) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  test::set_link_down(box.host(), "wg0");
  FakeProber prober([](ProbeReport& report) {
    silent(trace({}), false)(report.sightings.front());
    nothing_came_out(report);
  });
  const auto report = box.engine.verify("mailu-home", {}, wish(prober));
  ASSERT_TRUE(report);
  const auto first = std::ranges::find(report->checks, Outcome::kFailed, &Check::outcome);
  EXPECT_EQ(first->id, "tunnel");
  for (const auto& check : report->checks) {
    if (check.outcome == Outcome::kFailed && (check.id == "probe" || check.id == "probe-tunnel")) {
      EXPECT_EQ(check.mend, "first what failed above (`tunnel`); then verify again");
    }
  }
  for (const auto& hop : report->path) {
    EXPECT_EQ(hop.outcome == HopOutcome::kBroken, hop.place == Place::kTunnel) << id_of(hop.place) << ": " << hop.seen;
  }
}

}  // namespace
}  // namespace smtpegress
