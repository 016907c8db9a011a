// The settings nat, steering and docker: what each leaves out, and what it puts there instead.
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <algorithm>

#include "model/docker.hpp"
#include "support/hosts.hpp"

namespace smtpegress {
namespace {

DesiredState lowered(const Profile& profile, test::FakeHost host, DockerBackend docker = DockerBackend::kIptables) {
  auto resolved = resolve_host(profile, host.state).value();
  resolved.docker = docker;
  return lower(profile, resolved, host.state);
}

std::vector<std::string> chains_of(const DesiredState& desired) {
  std::vector<std::string> names;
  for (const auto& chain : desired.chains) {
    names.push_back(chain.key.name);
  }
  return names;
}

bool puts_into(const DesiredState& desired, std::string_view chain) {
  return std::ranges::any_of(desired.foreign_rules, [&](const ForeignChainRule& r) { return r.chain.name == chain; });
}

bool sets_a_mark(const DesiredState& desired) {
  return std::ranges::any_of(desired.chains, [](const OwnChain& chain) {
    return std::ranges::any_of(chain.rules, [](const nft::Rule& rule) {
      return std::holds_alternative<nft::SetMark>(rule.statements.back());
    });
  });
}

TEST(Masquerade, TouchesNothingOfDockers) {
  const auto desired = lowered(test::home_profile({{{"nat", "masquerade"}}}), test::docker_home());
  EXPECT_EQ(desired.foreign_rules, std::vector<ForeignChainRule>{});
  EXPECT_EQ(chains_of(desired), (std::vector<std::string>{"forward", "mark-mail", "tunnel-address", "output"}));
}

TEST(Masquerade, WhatThisHostItselfSendsAsTheTunnelsAddress_KeepsToTheTunnel) {
  const auto profile = test::home_profile({{{"nat", "masquerade"}}});
  auto host = test::docker_home();
  const auto desired = lowered(profile, host);
  const auto by_its_source = [](const DesiredState& d) {
    return std::ranges::any_of(
        d.rules, [](const PolicyRule& rule) { return to_string(rule).find("from 10.0.1.2") != std::string::npos; });
  };
  EXPECT_TRUE(by_its_source(desired));
  const auto output = std::ranges::find(desired.chains, "output", [](const OwnChain& c) { return c.key.name; });
  ASSERT_NE(output, desired.chains.end());
  EXPECT_EQ(nft::to_string(output->rules.back()),
            "oifname != \"wg0\" oifname != \"lo\" ip saddr 10.0.1.2/32 tcp dport 25 counter reject");
  EXPECT_FALSE(by_its_source(lowered(test::home_profile(), host)));
  std::erase_if(host.state.addresses, [&](const auto& a) { return a.link == host.state.link(profile.tunnel)->index; });
  EXPECT_EQ(chains_of(lowered(profile, host)).back(), "tunnel-address") << "it has no address yet";
}

TEST(Preserve, WhatLooksLikeAReplyAndAnswersNothing_ComesNoFurther) {
  const auto strays = [](const DesiredState& desired) {
    const auto& rules = desired.chains.front().rules;
    return std::ranges::count(rules, "strays", &nft::Rule::comment);
  };
  EXPECT_EQ(strays(lowered(test::home_profile(), test::docker_home())), 1);
  EXPECT_EQ(strays(lowered(test::home_profile({{{"nat", "masquerade"}}}), test::docker_home())), 0);
}

TEST(Inbound, WhatIsNotPublished_IsDroppedWhereTheProfileSaysSo) {
  const auto refusals = [](const DesiredState& desired) {
    std::vector<std::string> texts;
    for (const auto& rule : desired.chains.front().rules) {
      if (rule.comment == "inbound") {
        texts.push_back(nft::to_string(rule));
      }
    }
    return texts;
  };
  EXPECT_TRUE(refusals(lowered(test::home_profile(), test::docker_home())).empty()) << "as without us (P1)";
  EXPECT_EQ(refusals(lowered(test::home_profile({{{"inbound", "published"}}}), test::docker_home())),
            (std::vector<std::string>{
                "iifname \"wg0\" ip daddr 192.168.203.0/24 ct state invalid,untracked counter drop",
                "iifname \"wg0\" ip daddr 192.168.203.0/24 ct state new ct status ! dnat counter drop"}));
}

TEST(SteeringByRule, HasNoMarkNoRuleByItAndNoRpFilter) {
  const auto desired =
      lowered(test::home_profile({{{"steering", "rule"}, {"nat", "masquerade"}}}), test::docker_home());
  EXPECT_EQ(chains_of(desired), (std::vector<std::string>{"forward", "tunnel-address", "output"}));
  EXPECT_FALSE(sets_a_mark(desired));
  ASSERT_EQ(desired.rules.size(), 2U);
  EXPECT_FALSE(desired.rules.front().mark);
  EXPECT_EQ(desired.sysctls, (std::vector<SysctlSpec>{{"net/ipv4/ip_forward", "1"}}));
}

TEST(SteeringByRule, MarksInForwardWhereAFirewallHasToLetTheMailThrough) {
  const auto desired = lowered(test::home_profile({{{"steering", "rule"}}}), test::docker_home());
  EXPECT_TRUE(puts_into(desired, "DOCKER-USER"));
  EXPECT_TRUE(sets_a_mark(desired));
  EXPECT_TRUE(std::ranges::none_of(desired.chains, [](const OwnChain& c) { return c.key.name == "mark-mail"; }));
}

TEST(Bypass, Auto_GoesByWhereDockersRulesAre) {
  const auto profile = test::home_profile();
  for (const auto& [backend, wanted] : {std::pair{DockerBackend::kNone, DockerBypass::kException},
                                        {DockerBackend::kIptables, DockerBypass::kException},
                                        {DockerBackend::kNftables, DockerBypass::kSidestep},
                                        {DockerBackend::kLegacy, DockerBypass::kSidestep}}) {
    ResolvedHost host;
    host.docker = backend;
    EXPECT_EQ(bypass_for(profile, host), wanted) << explain_bypass(profile, host);
  }
  EXPECT_FALSE(bypass_for(test::home_profile({{{"nat", "masquerade"}}}), {}));
  EXPECT_FALSE(bypass_for(test::vps_profile(), {}));
}

TEST(Bypass, TheProfilesWordCounts) {
  ResolvedHost host;
  host.docker = DockerBackend::kNftables;
  EXPECT_EQ(bypass_for(test::home_profile({{{"docker", "exception"}}}), host), DockerBypass::kException);
  host.docker = DockerBackend::kIptables;
  EXPECT_EQ(bypass_for(test::home_profile({{{"docker", "sidestep"}}}), host), DockerBypass::kSidestep);
}

TEST(Sidestep, StandsAroundTheRawPriorityAndAheadOfTracking) {
  const auto desired = lowered(test::home_profile(), test::docker_home(), DockerBackend::kNftables);
  EXPECT_FALSE(puts_into(desired, "PREROUTING"));
  ASSERT_EQ(chains_of(desired),
            (std::vector<std::string>{"forward", "mark-mail", "keep-address", "sidestep", "step-back"}));
  EXPECT_LT(desired.chains[3].hook.priority, -300) << "raw";
  EXPECT_GT(desired.chains[4].hook.priority, -300);
  EXPECT_LT(desired.chains[4].hook.priority, -200) << "connection tracking";
}

TEST(Sidestep, EveryRuleIsForRepliesOnly) {
  const auto desired = lowered(test::home_profile(), test::docker_home(), DockerBackend::kNftables);
  for (std::size_t i = 3; i < desired.chains.size(); ++i) {
    for (const auto& rule : desired.chains[i].rules) {
      EXPECT_TRUE(std::ranges::any_of(rule.matches,
                                      [](const nft::Match& m) {
                                        return m == nft::Match(nft::MatchTcpFlags{0x17, 0x02, nft::Sense::kIsNot}) ||
                                               m == nft::Match(nft::MatchL4Proto{IPPROTO_ICMP, nft::Sense::kIs});
                                      }))
          << nft::to_string(rule) << ": a SYN from source port 25 would be a way in (FACTS 25)";
    }
  }
}

TEST(Sidestep, NetworksThatCannotBeToldApart_AreRefused) {
  const std::string sources = R"({"side": "home", "sources": ["10.0.0.0/8", "26.0.0.0/8"])";
  const auto refused = parse_profile("x", "x.json", sources + "}");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find("sidestep"), std::string::npos);
  EXPECT_TRUE(parse_profile("x", "x.json", sources + R"(, "docker": "exception"})"));
}

TEST(DockerBackendFound, ByItsTableNotByDockerUser) {
  nft::Ruleset ruleset;
  EXPECT_EQ(docker_backend(ruleset, {}), DockerBackend::kNone);
  EXPECT_EQ(docker_backend(ruleset, {"filter"}), DockerBackend::kNone);
  EXPECT_EQ(docker_backend(ruleset, {"filter", "raw"}), DockerBackend::kLegacy);
  ruleset.chains.push_back({{{nft::Family::kIp, "filter"}, "DOCKER-USER"}, 1, {}, {}});
  EXPECT_EQ(docker_backend(ruleset, {}), DockerBackend::kIptables);
  ruleset.chains.push_back({{{nft::Family::kIp, "raw"}, "PREROUTING"}, 1, {}, {}});
  EXPECT_EQ(docker_backend(ruleset, {"raw"}), DockerBackend::kIptables) << "an empty table of legacy's proves nothing";
  ruleset.tables.push_back({nft::Family::kIp, "docker-bridges"});
  EXPECT_EQ(docker_backend(ruleset, {}), DockerBackend::kNftables);
}

}  // namespace
}  // namespace smtpegress
