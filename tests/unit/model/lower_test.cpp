// The two sides' own objects. Their whole text is in tests/golden; here stands what must hold whatever the text.
#include <gtest/gtest.h>

#include <algorithm>

#include "model/ownership.hpp"
#include "support/desired_text.hpp"
#include "support/hosts.hpp"

namespace smtpegress {
namespace {

DesiredState lowered(const Profile& profile, const test::FakeHost& host) {
  return lower(profile, resolve_host(profile, host.state).value(), host.state);
}

const OwnChain& chain_of(const DesiredState& desired, nft::Hook hook) {
  const auto found = std::ranges::find_if(desired.chains, [&](const OwnChain& c) { return c.hook.hook == hook; });
  EXPECT_NE(found, desired.chains.end());
  return *found;
}

std::ptrdiff_t count_role(const OwnChain& chain, std::string_view role) {
  return std::ranges::count(chain.rules, role, &nft::Rule::comment);
}

TEST(LowerHome, TheGuardsChainComesFirst) {
  const auto desired = lowered(test::home_profile(), test::docker_home());
  ASSERT_FALSE(desired.chains.empty());
  EXPECT_EQ(count_role(desired.chains.front(), "guard"), 1);
  EXPECT_EQ(desired.routes.front().type, RouteType::kUnreachable);
}

TEST(LowerHome, TheMarkIsSetAfterDnatHasChosenTheDestination) {
  const auto desired = lowered(test::home_profile(), test::docker_home());
  const auto& mark = chain_of(desired, nft::Hook::kPrerouting);
  EXPECT_EQ(mark.hook.priority, -90) << "dstnat is -100";
  EXPECT_EQ(mark.rules.front().comment, "stays local");
}

TEST(LowerHome, TheAddressIsKeptAheadOfEveryMasquerade) {
  const auto desired = lowered(test::home_profile(), test::docker_home());
  EXPECT_LT(chain_of(desired, nft::Hook::kPostrouting).hook.priority, 100) << "srcnat is 100";
}

TEST(LowerHome, EverySourceAndPortHasItsMarkGuardAndReply) {
  const auto profile = test::home_profile({{{"sources", "192.168.203.0/24,10.7.0.0/16"}, {"ports", "25,465-466"}}});
  const auto desired = lowered(profile, test::docker_home());
  EXPECT_EQ(count_role(chain_of(desired, nft::Hook::kForward), "guard"), 4);
  EXPECT_EQ(count_role(chain_of(desired, nft::Hook::kForward), "admit replies"), 4);
  EXPECT_EQ(count_role(chain_of(desired, nft::Hook::kPrerouting), "mark"), 4);
  EXPECT_EQ(desired.foreign_rules.size(), 1U + 4U) << "one admission, an exception each";
}

TEST(LowerHome, NoPolicyButAccept) {
  const auto desired = lowered(test::home_profile(), test::docker_home());
  for (const auto& chain : desired.chains) {
    EXPECT_EQ(chain.hook.policy, nft::Policy::kAccept) << "everybody else's packets pass here";
  }
}

TEST(LowerHome, WithoutTheBridge_TheRestIsTheSame) {
  auto host = test::docker_home();
  test::remove_link(host, test::kBridge);
  const auto desired = lowered(test::home_profile(), host);
  EXPECT_EQ(count_role(desired.chains.front(), "guard"), 1);
  EXPECT_EQ(count_role(desired.chains.front(), "guard ipv6"), 0) << "no interface to tell their IPv6 by";
}

TEST(LowerHome, ASourceThatIsAPartOfItsNetwork_TheRestOfThatNetworkStaysLocal) {
  auto host = test::docker_home();
  test::add_link(host, "br-public", "bridge", "203.0.113.1/24");
  const auto desired = lowered(test::home_profile({{{"sources", "192.168.203.0/25,203.0.113.0/25"}}}), host);
  for (const auto hook : {nft::Hook::kPrerouting, nft::Hook::kForward}) {
    const auto& chain = chain_of(desired, hook);
    std::vector<std::string> local;
    auto last_local = chain.rules.begin();
    for (auto rule = chain.rules.begin(); rule != chain.rules.end(); ++rule) {
      if (rule->comment == "stays local") {
        local.push_back(nft::to_string(*rule));
        last_local = rule;
      }
    }
    EXPECT_EQ(local, (std::vector<std::string>{"ip daddr 10.0.0.0/8 return", "ip daddr 100.64.0.0/10 return",
                                               "ip daddr 172.16.0.0/12 return", "ip daddr 192.168.0.0/16 return",
                                               "ip daddr 203.0.113.0/25 return", "ip daddr 203.0.113.0/24 return"}));
    const auto decides = std::ranges::find_if(
        chain.rules, [](const nft::Rule& r) { return r.comment == "mark" || r.comment == "guard"; });
    EXPECT_LT(last_local - chain.rules.begin(), decides - chain.rules.begin()) << "or it would come too late";
  }
}

TEST(LowerHome, RpFilterOfTheTunnelAlone) {
  const auto desired = lowered(test::home_profile({{{"rp_filter", "tunnel"}}}), test::docker_home());
  EXPECT_EQ(desired.sysctls,
            (std::vector<SysctlSpec>{{"net/ipv4/conf/wg0/rp_filter", "2"}, {"net/ipv4/ip_forward", "1"}}));
}

TEST(LowerHome, TheMarksMaskGoesEverywhere) {
  const auto text = test::desired_text(lowered(test::home_profile({{{"mark", "0x1900/0xff00"}}}), test::docker_home()));
  EXPECT_NE(text.find("meta mark set 0x1900/0xff00 # mark"), std::string::npos) << text;
  EXPECT_NE(text.find("meta mark 0x1900/0xff00 counter accept # smtp-egress:mailu-home:admission"), std::string::npos)
      << text;
  EXPECT_NE(text.find("fwmark 0x1900/0xff00 lookup"), std::string::npos) << text;
}

TEST(LowerVps, NoRulesRoutesOrMarksBeforeRouting) {
  const auto desired = lowered(test::vps_profile(), test::vps());
  EXPECT_TRUE(desired.rules.empty());
  EXPECT_TRUE(desired.routes.empty());
  for (const auto& chain : desired.chains) {
    EXPECT_NE(chain.hook.hook, nft::Hook::kPrerouting);
  }
}

TEST(LowerVps, TheSnatOutranksEveryMasquerade) {
  const auto desired = lowered(test::vps_profile(), test::vps());
  const auto& snat = chain_of(desired, nft::Hook::kPostrouting);
  EXPECT_LT(snat.hook.priority, 100);
  EXPECT_EQ(nft::to_string(snat.rules.at(0)),
            "oifname \"eth0\" ip saddr 192.168.203.0/24 tcp dport 25 counter snat to 203.0.113.10");
}

TEST(LowerVps, SegmentsAreClampedBothWays) {
  EXPECT_EQ(count_role(chain_of(lowered(test::vps_profile(), test::vps()), nft::Hook::kForward), "mss clamp"), 2);
}

TEST(Lower, TagsAndTablesNameTheInstance) {
  auto profile = test::home_profile();
  profile.name = "other";
  const auto desired = lowered(profile, test::docker_home());
  EXPECT_EQ(desired.table, (nft::TableKey{nft::Family::kInet, "smtp-egress-other"}));
  for (const auto& rule : desired.foreign_rules) {
    EXPECT_TRUE(is_tagged_by(rule.rule, "other"));
    EXPECT_FALSE(is_tagged_by(rule.rule, "othe"));
    EXPECT_FALSE(is_tagged_by(rule.rule, "other2"));
  }
}

TEST(Lower, EveryObjectHasAKindAndADescription) {
  const auto desired = lowered(test::home_profile(), test::docker_home());
  EXPECT_EQ(kind_of(*desired.table == desired.chains[0].key.table ? Object{OwnTable{*desired.table}} : Object{}),
            "table");
  EXPECT_EQ(kind_of(desired.chains[0]), "chain");
  EXPECT_EQ(kind_of(desired.foreign_rules[0]), "admission");
  EXPECT_EQ(kind_of(desired.foreign_rules[1]), "raw exception");
  EXPECT_EQ(kind_of(desired.routes[0]), "egress route");
  EXPECT_EQ(kind_of(desired.sysctls[0]), "sysctl");
  EXPECT_EQ(kind_of(desired.rules[0]), "policy rule");
  EXPECT_EQ(kind_of(ForeignChainRule{}), "others' rule");
  EXPECT_EQ(describe(desired.sysctls[0]), "net.ipv4.conf.all.rp_filter = 2");
  EXPECT_EQ(describe(OwnTable{*desired.table}), "inet smtp-egress-mailu-home");
}

}  // namespace
}  // namespace smtpegress
