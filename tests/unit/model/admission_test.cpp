#include <gtest/gtest.h>

#include <algorithm>

#include "support/engine_host.hpp"
#include "support/iptables_text.hpp"

namespace smtpegress {
namespace {

/// The chains in which a rule of that role is wanted.
std::vector<std::string> places(const Profile& profile, const test::FakeHost& host,
                                std::string_view role = "admission") {
  const auto desired = lower(profile, resolve_host(profile, host.state).value(), host.state);
  std::vector<std::string> found;
  for (const auto& rule : desired.foreign_rules) {
    if (rule.rule.comment.ends_with(role)) {
      found.push_back(nft::to_string(rule.chain));
    }
  }
  return found;
}

std::vector<std::string> home_places(const std::string& filter) {
  auto host = test::bare_home();
  test::add_iptables(host.state.ruleset, "*filter\n" + filter);
  return places(test::home_profile(), host);
}

using Places = std::vector<std::string>;

nft::ObservedChain forward_chain(std::string table, std::int32_t priority, nft::Policy policy,
                                 nft::Family family = nft::Family::kInet) {
  return {{{family, std::move(table)}, "fwd"},
          1,
          nft::BaseHook{nft::ChainType::kFilter, nft::Hook::kForward, priority, policy},
          {}};
}

TEST(Admission, WhereForwardCallsDockerUser_ItStandsThere) {
  EXPECT_EQ(places(test::home_profile(), test::docker_home()), Places{"ip filter DOCKER-USER"});
}

TEST(Admission, ADropAheadOfTheCallOfDockerUser_NeedsItAtTheHeadOfForward) {
  for (const auto* drop :
       {"-i br-mailu -p tcp --dport 25 -j DROP", "-s 192.168.203.7/32 -j DROP", "-o wg0 -j REJECT"}) {
    auto host = test::docker_home();
    test::add_iptables(host.state.ruleset, std::string("*filter\n-I FORWARD ") + drop + "\n");
    EXPECT_EQ(places(test::home_profile(), host), Places{"ip filter FORWARD"}) << drop;
  }
}

TEST(Admission, ADropAheadOfTheCallOfDockerUserForOthers_DoesNotMatter) {
  auto host = test::docker_home();
  test::add_iptables(host.state.ruleset, "*filter\n-I FORWARD -i eth0 -j DROP\n-I FORWARD -p udp -j DROP\n");
  EXPECT_EQ(places(test::home_profile(), host), Places{"ip filter DOCKER-USER"});
}

// mailcow's netfilter container is one that restarts where anything stands ahead of its own call.
TEST(Admission, ADropAheadOfTheCallOfDockerUserThatIsNotSurelyTheMails_IsNoReasonToGoAheadOfIt) {
  for (const auto* drop :
       {"-m set --match-set bans src -j DROP", "! -i br-mailu -o br-mailu -p tcp --dport 3306 -j DROP"}) {
    auto host = test::docker_home();
    test::add_iptables(host.state.ruleset, std::string("*filter\n-I FORWARD ") + drop + "\n");
    EXPECT_EQ(places(test::home_profile(), host), Places{"ip filter DOCKER-USER"}) << drop;
  }
}

TEST(Admission, ADropThatCameAheadOfTheCallOfDockerUser_MovesOurs) {
  test::EngineHost box(test::docker_home());
  const auto profile = test::home_profile();
  ASSERT_TRUE(box.enable(profile));
  test::add_iptables(box.host().state.ruleset, "*filter\n-I FORWARD -s 192.168.203.0/24 -j DROP\n");
  ASSERT_TRUE(box.enable(profile));
  EXPECT_EQ(test::chain(box.host(), "filter", "FORWARD").rules.front().rule.comment,
            "smtp-egress:mailu-home:admission");
  EXPECT_TRUE(test::chain(box.host(), "filter", "DOCKER-USER").rules.empty());
  EXPECT_EQ(places(profile, box.host()), Places{"ip filter FORWARD"}) << "and it stays there";
}

TEST(Admission, DockerUserThatNobodyCalls_IsNoPlace) {
  EXPECT_EQ(home_places(":FORWARD DROP\n:DOCKER-USER -\n"), Places{"ip filter FORWARD"});
}

TEST(Admission, DockerUserCalledForSomePacketsOnly_IsNoPlace) {
  EXPECT_EQ(home_places(":FORWARD DROP\n:DOCKER-USER -\n-A FORWARD -i eth0 -j DOCKER-USER\n"),
            Places{"ip filter FORWARD"});
}

TEST(Admission, NothingCouldDrop_NoRuleAnywhere) {
  EXPECT_EQ(places(test::home_profile(), test::bare_home()), Places{});
  EXPECT_EQ(home_places(":FORWARD ACCEPT\n-A FORWARD -i eth0 -j DROP\n-A FORWARD -p udp -j DROP\n"), Places{});
}

TEST(Admission, ADropOfOneSenderOfTheNetwork_NeedsIt) {
  EXPECT_EQ(home_places(":FORWARD ACCEPT\n-A FORWARD -s 192.168.203.7/32 -j DROP\n"), Places{"ip filter FORWARD"});
}

TEST(Admission, ADropThatOnlyRepliesMeet_NeedsIt) {
  EXPECT_EQ(home_places(":FORWARD ACCEPT\n-A FORWARD -d 192.168.203.0/24 -j DROP\n"), Places{"ip filter FORWARD"});
  EXPECT_EQ(home_places(":FORWARD ACCEPT\n-A FORWARD -d 198.51.100.0/24 -j DROP\n"), Places{}) << "those peers alone";
}

TEST(Admission, ATestThatIsNotUnderstood_MayDrop) {
  EXPECT_EQ(home_places(":FORWARD ACCEPT\n-A FORWARD -m set --match-set bans src -j DROP\n"),
            Places{"ip filter FORWARD"});
}

TEST(Admission, EveryForwardBaseChainThatCouldDrop_GetsOne) {
  auto host = test::docker_home();
  auto& ruleset = host.state.ruleset;
  for (const auto* table : {"firewalld", "mine"}) {
    ruleset.tables.push_back({nft::Family::kInet, table});
    ruleset.chains.push_back(forward_chain(table, 10, nft::Policy::kDrop));
  }
  ruleset.tables.push_back({nft::Family::kIp6, "six"});
  ruleset.chains.push_back(forward_chain("six", 0, nft::Policy::kDrop, nft::Family::kIp6));
  EXPECT_EQ(places(test::home_profile(), host),
            (Places{"ip filter DOCKER-USER", "inet firewalld fwd", "inet mine fwd"}));
}

TEST(Admission, ADormantTable_DropsNothing) {
  auto host = test::docker_home();
  host.state.ruleset.chains.push_back(forward_chain("asleep", 10, nft::Policy::kDrop));
  host.state.ruleset.chains.back().dormant = true;
  EXPECT_EQ(places(test::home_profile(), host), Places{"ip filter DOCKER-USER"});
}

TEST(Admission, ATableThatIsClosed_GetsNoRuleButAnInstruction) {
  auto host = test::docker_home();
  host.state.ruleset.tables.push_back({nft::Family::kInet, "firewalld"});
  host.state.ruleset.chains.push_back(forward_chain("firewalld", 10, nft::Policy::kDrop));
  host.state.ruleset.chains.back().closed = true;
  EXPECT_EQ(places(test::home_profile(), host), Places{"ip filter DOCKER-USER"});
  test::EngineHost box(host);
  const auto plan = box.engine.plan(test::home_profile(), LegacyScripts::kRefuse);
  ASSERT_TRUE(plan) << test::said(plan);
  const auto told = [](const std::vector<std::string>& notes) {
    return std::ranges::any_of(notes, [](const auto& note) {
      return note.starts_with("inet firewalld is owned by the program that made it and closed to all others");
    });
  };
  EXPECT_TRUE(told(plan->notes));
  const auto report = box.enable(test::home_profile());
  ASSERT_TRUE(report) << test::said(report);
  EXPECT_TRUE(told(report->notes));
  const auto verify = box.engine.verify("mailu-home", {});
  ASSERT_TRUE(verify) << test::said(verify);
  const auto forwarded = std::ranges::find(verify->checks, "forwarded", &Check::id);
  ASSERT_NE(forwarded, verify->checks.end());
  EXPECT_EQ(forwarded->outcome, Outcome::kFailed);
  EXPECT_NE(forwarded->mend.find("NftablesTableOwner=no"), std::string::npos) << forwarded->mend;
}

TEST(Admission, TheVpsForwardDrop_NeedsIt) {
  EXPECT_EQ(places(test::vps_profile(), test::vps()), Places{"ip filter FORWARD"});
}

TEST(Admission, OwnTables_AreNeverReadAsSomebodyElses) {
  auto host = test::bare_home();
  const nft::TableKey table{nft::Family::kInet, "smtp-egress-other"};
  host.state.ruleset.tables.push_back(table);
  auto chain = forward_chain("smtp-egress-other", -150, nft::Policy::kDrop);
  host.state.ruleset.chains.push_back(chain);
  EXPECT_EQ(places(test::home_profile(), host), Places{});
}

TEST(Admission, OurOwnRuleInTheChain_DoesNotMakeItSuperfluous) {
  test::EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  EXPECT_EQ(places(test::home_profile(), box.host()), Places{"ip filter DOCKER-USER"});
}

TEST(Admission, WhereNothingDropsAnyMore_TheRuleThatStandsIsNoDrift) {
  test::EngineHost box(test::vps());
  const auto before = box.now();
  ASSERT_TRUE(box.enable(test::vps_profile()));
  auto& policy = test::chain(box.host(), "filter", "FORWARD").hook->policy;
  policy = nft::Policy::kAccept;  // ufw disable
  EXPECT_TRUE(box.engine.status("mailu-vps", {})->as_it_should_be());
  box.kernel.forget_calls();
  ASSERT_TRUE(box.enable(test::vps_profile()));
  EXPECT_EQ(box.kernel.calls, std::vector<std::string>{});
  policy = nft::Policy::kDrop;  // ufw enable
  EXPECT_TRUE(box.engine.verify("mailu-vps", {})->passed());
  ASSERT_TRUE(box.disable(test::vps_profile()));
  EXPECT_EQ(box.now(), before);
}

TEST(Admission, AnotherInstancesRuleInTheChain_DoesNotMakeItSuperfluous) {
  test::EngineHost box(test::vps());
  ASSERT_TRUE(box.enable(test::vps_profile()));
  auto second = test::vps_profile({{{"sources", "10.7.0.0/16"}}});
  second.name = "second";
  EXPECT_EQ(places(second, box.host()), Places{"ip filter FORWARD"}) << "it goes when the other is disabled";
}

TEST(Admission, ADropAheadOfOurs_IsNamed) {
  test::EngineHost box(test::docker_home());
  const auto profile = test::home_profile();
  ASSERT_TRUE(box.enable(profile));
  test::add_iptables(box.host().state.ruleset, "*filter\n-I DOCKER-USER -s 192.168.203.0/24 -j DROP\n");
  const auto desired = lower(profile, resolve_host(profile, box.host().state).value(), box.host().state);
  EXPECT_EQ(desired.foreign_rules.at(0).preempted_by, "ip saddr 192.168.203.0/24 counter drop");
  ASSERT_TRUE(box.enable(profile));
  EXPECT_EQ(test::chain(box.host(), "filter", "DOCKER-USER").rules.front().rule.comment,
            "smtp-egress:mailu-home:admission");
}

TEST(Admission, ADropAheadOfOursOfTheFlowsFirstPacketOrOfAllOthers_IsNamed) {
  for (const auto* state : {"NEW", "ESTABLISHED"}) {
    test::EngineHost box(test::docker_home());
    const auto profile = test::home_profile();
    ASSERT_TRUE(box.enable(profile));
    test::add_iptables(box.host().state.ruleset,
                       std::string("*filter\n-I DOCKER-USER -m conntrack --ctstate ") + state + " -j DROP\n");
    const auto desired = lower(profile, resolve_host(profile, box.host().state).value(), box.host().state);
    EXPECT_NE(desired.foreign_rules.at(0).preempted_by, "") << state;
  }
}

TEST(Admission, ADropOfOneSenderAheadOfOurs_IsAnAdministratorsDecision) {
  test::EngineHost box(test::docker_home());
  const auto profile = test::home_profile();
  ASSERT_TRUE(box.enable(profile));
  test::add_iptables(box.host().state.ruleset, "*filter\n-I DOCKER-USER -s 192.168.203.7/32 -j DROP\n");
  box.kernel.forget_calls();
  ASSERT_TRUE(box.enable(profile));
  EXPECT_EQ(box.kernel.calls, std::vector<std::string>{});
}

TEST(Admission, AnAcceptOrAnUnrelatedDropAheadOfOurs_IsLeftAlone) {
  test::EngineHost box(test::docker_home());
  const auto profile = test::home_profile();
  ASSERT_TRUE(box.enable(profile));
  test::add_iptables(box.host().state.ruleset,
                     "*filter\n-I DOCKER-USER -s 10.0.0.0/8 -j DROP\n-I DOCKER-USER -p udp -j ACCEPT\n");
  box.kernel.forget_calls();
  ASSERT_TRUE(box.enable(profile));
  EXPECT_EQ(box.kernel.calls, std::vector<std::string>{});
}

TEST(RawException, OnlyWhereTheChainStands) {
  EXPECT_EQ(places(test::home_profile(), test::docker_home(), "replies"), Places{"ip raw PREROUTING"});
  EXPECT_EQ(places(test::home_profile(), test::bare_home(), "replies"), Places{})
      << "a chain of another priority stops Docker";
}

TEST(RawException, StandsBeforeDockerDropsAnything) {
  auto host = test::docker_home();
  test::chain(host, "raw", "PREROUTING").rules.clear();
  EXPECT_EQ(places(test::home_profile(), host, "replies"), Places{"ip raw PREROUTING"});
}

TEST(RawException, NeverOnTheVps) {
  auto host = test::vps();
  test::add_iptables(host.state.ruleset, "*raw\n:PREROUTING ACCEPT\n");
  EXPECT_EQ(places(test::vps_profile(), host, "replies"), Places{});
}

TEST(RawException, LetsRepliesInAndNoConnectionAttempt) {
  auto host = test::docker_home();
  const auto profile = test::home_profile();
  const auto desired = lower(profile, resolve_host(profile, host.state).value(), host.state);
  const auto& rule = desired.foreign_rules.at(1).rule;
  EXPECT_EQ(
      nft::to_string(rule),
      "iifname \"wg0\" ip daddr 192.168.203.0/24 tcp sport 25 tcp flags & (fin|syn|rst|ack) != syn counter accept");
}

TEST(ForeignRules, NoneHoldsWhatIptablesCannotRead) {
  const auto profile = test::home_profile({{{"sources", "192.168.203.0/24,10.7.0.0/16"}, {"ports", "25,465-466"}}});
  auto host = test::docker_home();
  const auto desired = lower(profile, resolve_host(profile, host.state).value(), host.state);
  for (const auto& foreign : desired.foreign_rules) {
    for (const auto& match : foreign.rule.matches) {
      EXPECT_FALSE(std::holds_alternative<nft::MatchCtState>(match) ||
                   std::holds_alternative<nft::MatchCtDirection>(match));
    }
    for (const auto& statement : foreign.rule.statements) {
      EXPECT_TRUE(std::holds_alternative<nft::Counter>(statement) || std::holds_alternative<nft::Verdict>(statement));
    }
  }
}

}  // namespace
}  // namespace smtpegress
