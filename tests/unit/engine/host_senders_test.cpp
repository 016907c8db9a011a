// Mail that the home host itself sends, by the commands: users found by name, kept, told, and all of it taken back.
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/flows.hpp"
#include "support/engine_host.hpp"
#include "support/iptables_text.hpp"

namespace smtpegress {
namespace {

using test::EngineHost;

// Debian's base-passwd; every system has them.
constexpr const char* kDaemon = R"([{"user": "daemon", "address": "10.0.1.2"}])";
constexpr std::uint32_t kDaemonsNumber = 1;

Profile profile_from(const std::string& sources, const std::string& name = "mox-home") {
  return parse_profile(name, "x.json", R"({"side": "home", "sources": )" + sources + "}").value();
}

std::string failures(const Result<VerifyReport>& report) {
  std::string text;
  for (const auto& check : report->checks) {
    if (check.outcome == Outcome::kFailed) {
      text += check.id + ": " + check.title + ": " + check.detail + " | " + check.mend + "\n";
    }
  }
  return text;
}

TEST(HostSenders, AUserByName_IsEnabledVerifiedAndTakenBackExactly) {
  EngineHost box(test::dual_home());
  const auto before = box.now();
  const auto profile = profile_from(kDaemon);
  const auto plan = box.engine.plan(profile, LegacyScripts::kRefuse);
  ASSERT_TRUE(plan) << test::said(plan);
  EXPECT_TRUE(std::ranges::any_of(
      plan->notes, [](const std::string& note) { return note == "sources: user 1 as 10.0.1.2, found by name"; }));
  const auto enabled = box.enable(profile);
  ASSERT_TRUE(enabled) << test::said(enabled);
  EXPECT_EQ(enabled->profile.host_senders.front().uid, kDaemonsNumber);
  EXPECT_TRUE(enabled->waiting.empty());
  EXPECT_EQ(failures(box.engine.verify("mox-home", {})), "");
  EXPECT_TRUE(box.engine.status("mox-home", {})->as_it_should_be());
  box.kernel.forget_calls();
  ASSERT_TRUE(box.enable(profile));
  EXPECT_TRUE(box.kernel.calls.empty()) << box.kernel.calls.front();
  ASSERT_TRUE(box.disable(profile));
  EXPECT_EQ(box.now(), before);
}

TEST(HostSenders, AUserThatDoesNotExist_IsRefusedAndNothingTouched) {
  EngineHost box(test::dual_home());
  const auto before = box.now();
  const auto enabled = box.enable(profile_from(R"([{"user": "nobody-of-that-name", "address": "10.0.1.2"}])"));
  ASSERT_FALSE(enabled);
  EXPECT_EQ(enabled.error().kind, ErrorKind::kUsage);
  EXPECT_NE(test::said(enabled).find("user nobody-of-that-name: there is no such user on this host"), std::string::npos)
      << test::said(enabled);
  EXPECT_TRUE(box.kernel.calls.empty());
  EXPECT_EQ(box.now(), before);
}

TEST(HostSenders, WithoutAnAddress_HaveTheTunnels) {
  EngineHost box(test::dual_home());
  const auto enabled = box.enable(profile_from(R"([{"user": "daemon"}, {"user": "*"}, {"user": 33}])"));
  ASSERT_TRUE(enabled) << test::said(enabled);
  const std::vector both{test::address("10.0.1.2"), test::address("fd00:1::2")};
  const auto& senders = enabled->profile.host_senders;
  ASSERT_EQ(senders.size(), 3U);
  for (const auto& sender : senders) {
    EXPECT_EQ(sender.addresses, both);
  }
  EXPECT_EQ(failures(box.engine.verify("mox-home", {})), "");
}

TEST(HostSenders, WithoutAnAddressWhileTheTunnelHasNone_AreRefused) {
  for (const bool is_there : {true, false}) {
    auto host = test::dual_home();
    if (is_there) {
      const auto index = host.state.link(test::ifname("wg0"))->index;
      std::erase_if(host.state.addresses, [&](const InterfaceAddress& a) { return a.link == index; });
    } else {
      test::remove_link(host, "wg0");
    }
    EngineHost box(host);
    const auto enabled = box.enable(profile_from(R"([{"user": "daemon"}])"));
    ASSERT_FALSE(enabled);
    EXPECT_EQ(enabled.error().kind, ErrorKind::kUsage);
    const auto words = is_there ? "wg0 has none; bring it up first (`wg-quick up wg0`), or write the address: "
                                  "{\"user\": \"daemon\", \"address\": \"10.0.1.2\"}"
                                : "wg0 is not there; bring it up first";
    EXPECT_NE(test::said(enabled).find(words), std::string::npos) << test::said(enabled);
    EXPECT_TRUE(box.kernel.calls.empty());
  }
}

TEST(HostSenders, WithTheirAddressWritten_AreGuardedBeforeTheTunnelIsThere) {
  auto host = test::dual_home();
  test::remove_link(host, "wg0");
  EngineHost box(host);
  const auto enabled = box.enable(profile_from(kDaemon));
  ASSERT_TRUE(enabled) << test::said(enabled);
  EXPECT_EQ(enabled->waiting.size(), 1U) << "the tunnel's route alone";
  RouteQuery query;
  query.destination = test::address("8.8.8.8");
  query.ip_protocol = 6;
  query.destination_port = 25;
  query.uid = kDaemonsNumber;
  EXPECT_EQ(box.kernel.look_up_route(query)->errnum, EHOSTUNREACH);
}

TEST(HostSenders, AUserWhoseNumberIsAnother_IsTold) {
  EngineHost box(test::dual_home());
  auto profile = profile_from(kDaemon);
  ASSERT_TRUE(box.enable(profile));
  auto record = *box.store.load("mox-home");
  ASSERT_TRUE(record);
  record->profile.host_senders.front().uid = 4711;  // as if enabled when daemon had that number
  ASSERT_TRUE(box.store.save(*record));
  const auto said = failures(box.engine.verify("mox-home", {}));
  EXPECT_NE(said.find("source-names: the sources' names stand for what was enabled: user daemon is user 1 as 10.0.1.2 "
                      "now, which is not what was enabled | `smtp-egress enable mox-home`"),
            std::string::npos)
      << said;
}

TEST(HostSenders, ATunnelWhoseFirstAddressIsAnother_IsTold) {
  auto host = test::dual_home();
  test::add_address(host, "wg0", "10.0.1.7/32");
  EngineHost box(host);
  ASSERT_TRUE(box.enable(profile_from(R"([{"user": 33, "address": "10.0.1.7"}])")));
  const auto said = failures(box.engine.verify("mox-home", {}));
  EXPECT_NE(said.find("the kernel would send from 10.0.1.2, which the guard refuses: the VPS does not know it | make "
                      "10.0.1.7 the first address of wg0"),
            std::string::npos)
      << said;
}

TEST(HostSenders, AnAddressThatIsNowhere_IsTold) {
  EngineHost box(test::dual_home());
  ASSERT_TRUE(box.enable(profile_from(R"([{"address": "10.77.0.1"}])")));
  const auto said = failures(box.engine.verify("mox-home", {}));
  EXPECT_NE(
      said.find("sources: 10.77.0.1, as which this host's mail leaves, is its own: no interface of this host has it"),
      std::string::npos)
      << said;
}

TEST(HostSenders, AFirewallsDropAtOutputAndInput_IsTold) {
  struct Case {
    const char* rules;
    const char* id;
    const char* mend;
  };
  for (const auto& [rules, id, mend] :
       {Case{"*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT DROP\n-A OUTPUT -o lo -j ACCEPT\n", "sent",
             "oifname \"wg0\" tcp dport 25 accept"},
        Case{"*filter\n:INPUT DROP\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n-A INPUT -i lo -j ACCEPT\n", "received",
             "iifname \"wg0\" tcp sport 25 ct state established accept"}}) {
    auto host = test::bare_home();
    test::add_iptables(host.state.ruleset, rules);
    EngineHost box(host);
    const auto enabled = box.enable(profile_from(kDaemon));
    ASSERT_TRUE(enabled) << test::said(enabled);
    EXPECT_TRUE(std::ranges::none_of(enabled->changes, [](const Change& change) {
      return std::holds_alternative<ForeignChainRule>(change.object);
    })) << "nothing is put into a chain of others";
    const auto said = failures(box.engine.verify("mox-home", {}));
    EXPECT_EQ(said.find(id), 0U) << said;
    EXPECT_NE(said.find(mend), std::string::npos) << said;
    EXPECT_EQ(std::ranges::count(said, '\n'), 1) << said;
  }
}

TEST(HostSenders, AFirewallThatLetsAnswersIn_IsFine) {
  auto host = test::bare_home();
  test::add_iptables(host.state.ruleset,
                     "*filter\n:INPUT DROP\n:FORWARD DROP\n:OUTPUT ACCEPT\n"
                     "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n");
  EngineHost box(host);
  ASSERT_TRUE(box.enable(profile_from(kDaemon)));
  EXPECT_EQ(failures(box.engine.verify("mox-home", {})), "");
}

TEST(HostSenders, APolicyRuleAheadOfTheirs_IsTold) {
  EngineHost box(test::dual_home());
  ASSERT_TRUE(box.enable(profile_from(kDaemon)));
  PolicyRule others;
  others.priority = {100};
  others.table = kMainTable;
  others.other = selecting(UidRange{0, 10}, 6, PortRange{1, 1024});
  box.host().state.rules.insert(box.host().state.rules.begin() + 1, others);
  const auto said = failures(box.engine.verify("mox-home", {}));
  EXPECT_NE(said.find("it is taken first by the rule 100: from all iif lo uidrange 0-10"), std::string::npos) << said;
}

TEST(HostSenders, OfAnotherInstance_AreLeftToIt) {
  EngineHost box(test::dual_home());
  ASSERT_TRUE(box.enable(profile_from(kDaemon)));
  for (const auto* sources :
       {R"([{"user": "daemon", "address": "10.0.1.3"}])", R"([{"address": "10.0.1.2"}])", R"(["10.0.1.2/32"])"}) {
    auto other = profile_from(sources, "other");
    other.table = {200};
    other.priority = {200};
    other.mark = {0x20};
    const auto enabled = box.enable(other);
    ASSERT_FALSE(enabled) << sources;
    EXPECT_NE(test::said(enabled).find("the same sources and ports"), std::string::npos) << test::said(enabled);
  }
}

TEST(HostSenders, WithoutTheirState_AreFoundAndTakenBack) {
  EngineHost box(test::dual_home());
  const auto before = box.now();
  const auto profile = profile_from(R"([{"user": "daemon", "address": ["10.0.1.2", "fd00:1::2"]}, {"user": "*"}])");
  ASSERT_TRUE(box.enable(profile));
  ASSERT_TRUE(box.store.remove("mox-home"));
  const auto disabled = box.engine.disable("mox-home", profile);
  ASSERT_TRUE(disabled) << test::said(disabled);
  EXPECT_EQ(box.now(), before);
}

TEST(HostSenders, WithoutTheirState_KeepTheTableThatWasFree) {
  EngineHost box(test::dual_home());
  const auto open = parse_profile("mox-home", "x.json", R"({"side": "home", "table": "auto", "priority": "auto",
      "sources": [{"user": "daemon", "address": "10.0.1.2"}]})")
                        .value();
  PolicyRule others;
  others.priority = {10025};
  others.table = {100};
  box.host().state.rules.insert(box.host().state.rules.begin() + 1, others);
  ASSERT_TRUE(box.enable(open));
  const auto before = box.now();
  ASSERT_TRUE(box.store.remove("mox-home"));
  const auto again = box.enable(open);
  ASSERT_TRUE(again) << test::said(again);
  EXPECT_EQ(again->profile.table, TableId{101});
  EXPECT_EQ(again->profile.priority, RulePriority{10026});
  EXPECT_EQ(box.now(), before);
}

TEST(HostSenders, KilledAtAnyCall_AreCompletedOrTakenBackExactly) {
  const auto profile = profile_from(R"([{"user": "daemon", "address": ["10.0.1.2", "fd00:1::2"]}])");
  for (std::size_t number = 1;; ++number) {
    EngineHost box(test::dual_home());
    const auto before = box.now();
    const bool crashed = crashes_at(box, number, [&] { return box.enable(profile); });
    if (number % 2 == 0) {
      ASSERT_TRUE(box.enable(profile));
      EXPECT_TRUE(box.engine.status("mox-home", {})->as_it_should_be()) << "killed before call " << number;
    }
    ASSERT_TRUE(box.disable(profile));
    EXPECT_EQ(box.now(), before) << "killed before call " << number;
    if (!crashed) {
      EXPECT_GT(number, 5U);
      return;
    }
  }
}

TEST(HostSenders, TheirConnections_AreStaleWhereTheyAreTranslated) {
  auto profile = profile_from(kDaemon);
  profile.host_senders = {{HostSender::Who::kUser, 1, {test::address("10.0.1.2")}}};
  profile.nat = HomeNat::kMasquerade;
  const auto kept = test::mail_flow("10.0.1.2", "198.51.100.25", 25, "10.0.1.2");
  const auto translated = test::mail_flow("10.0.1.2", "198.51.100.25", 25, "192.168.1.10");
  EXPECT_FALSE(is_stale(kept, profile, {}, PathChange::kOntoTunnel));
  EXPECT_TRUE(is_stale(translated, profile, {}, PathChange::kOntoTunnel));
  EXPECT_TRUE(is_stale(kept, profile, {}, PathChange::kOffTunnel));
}

}  // namespace
}  // namespace smtpegress
