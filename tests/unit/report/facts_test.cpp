// What a report tells of the kernel.
#include "report/facts.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "net/contains.hpp"
#include "net/list_of.hpp"
#include "report/ruleset.hpp"
#include "support/engine_host.hpp"

namespace smtpegress::report {
namespace {

using test::EngineHost;

class Facts : public testing::Test {
 protected:
  std::vector<Section> sections() {
    parts_.state = box_.host().state;
    return facts(box_.kernel, parts_, {&profile_, test::kNow});
  }

  static std::string text(const std::vector<Section>& sections, std::string_view id) {
    const auto found = std::ranges::find(sections, id, &Section::id);
    EXPECT_NE(found, sections.end()) << id;
    return found == sections.end() ? "" : list_of(found->lines, "\n") + "\n" + found->error;
  }

  EngineHost box_{test::docker_home()};
  ObservedParts parts_{.state = box_.host().state};
  Profile profile_ = test::home_profile();
};

TEST_F(Facts, OfAnEnabledHome_HaveWhatWasMadeAndWhatStoodThere) {
  ASSERT_TRUE(box_.enable(profile_));
  const auto told = sections();
  EXPECT_TRUE(text(told, "neighbours").contains("Docker's rules in iptables-nft's tables"));
  EXPECT_TRUE(text(told, "interfaces").contains("wg0 up wireguard"));
  EXPECT_TRUE(text(told, "policy-rules").contains("10025: from all fwmark 0x19 lookup 100"));
  EXPECT_TRUE(text(told, "routes").contains("default dev wg0 table 100"));
  EXPECT_TRUE(text(told, "sysctls").contains("net.ipv4.conf.wg0.rp_filter = 2"));
  EXPECT_TRUE(text(told, "wireguard").contains(" s ago, keepalive"));
  EXPECT_TRUE(text(told, "flows").contains("IPv4: 0 tracked to tcp/25"));
  const auto rules = text(told, "nftables");
  EXPECT_TRUE(rules.contains("chain inet smtp-egress-mailu-home forward")) << rules;
  EXPECT_TRUE(rules.contains("smtp-egress:mailu-home:admission")) << rules;
  EXPECT_TRUE(rules.contains("chain ip filter DOCKER-USER")) << "it is jumped to: " << rules;
}

TEST_F(Facts, OthersComments_AreLeftOut) {
  ASSERT_TRUE(box_.enable(profile_));
  auto& forward = test::chain(box_.host(), "filter", "FORWARD");
  ASSERT_FALSE(forward.rules.empty());
  forward.rules.front().rule.comment = "for alice@example.net";
  EXPECT_FALSE(text(sections(), "nftables").contains("alice"));
}

TEST_F(Facts, WhereNothingCouldBeObserved_TheRestIsTold) {
  const auto lost = system_error("list", "links", ENOBUFS).error();
  parts_ = {.links = lost, .rules = lost, .routes = lost, .ruleset = lost};
  const auto told = sections();
  for (const auto* id : {"interfaces", "policy-rules", "routes", "nftables", "neighbours"}) {
    EXPECT_TRUE(text(told, id).contains("ENOBUFS")) << id;
  }
  EXPECT_TRUE(text(told, "sysctls").contains("net.ipv4.ip_forward = "));
  EXPECT_TRUE(text(told, "wireguard").contains("1 peer"));
}

TEST_F(Facts, WhereOnePartCouldNotBeObserved_TheOthersAreTold) {
  ASSERT_TRUE(box_.enable(profile_));
  parts_.ruleset = system_error("read ruleset", "", EPROTONOSUPPORT).error();
  const auto told = sections();
  EXPECT_TRUE(text(told, "nftables").contains("EPROTONOSUPPORT"));
  EXPECT_TRUE(text(told, "interfaces").contains("wg0 up wireguard"));
  EXPECT_TRUE(text(told, "policy-rules").contains("10025: from all fwmark 0x19 lookup 100"));
  EXPECT_TRUE(text(told, "routes").contains("default dev wg0 table 100"));
}

TEST_F(Facts, AWireGuardThatDoesNotAnswer_IsSaid) {
  box_.kernel.wireguard_errnum = EIO;
  EXPECT_TRUE(text(sections(), "wireguard").contains("wg0: ")) << text(sections(), "wireguard");
  EXPECT_TRUE(text(sections(), "wireguard").contains("EIO"));
}

TEST_F(Facts, OfNoInstance_AreThoseOfTheHost) {
  const auto told = facts(box_.kernel, parts_, {nullptr, test::kNow});
  EXPECT_TRUE(text(told, "wireguard").contains("no instance"));
  EXPECT_TRUE(text(told, "routes").contains("default via 192.168.1.1 dev eth0"));
}

TEST_F(Facts, MailFlows_AreCountedAndThoseOfTheSources) {
  box_.host().flows = {test::mail_flow("192.168.203.10", "192.0.2.25", 25, "10.0.1.2"),
                       test::mail_flow("192.168.9.9", "192.0.2.25", 25, "10.0.1.2"),
                       test::mail_flow("192.168.203.10", "192.0.2.25", 443, "10.0.1.2")};
  EXPECT_TRUE(text(sections(), "flows").contains("IPv4: 2 tracked to tcp/25, 1 of them")) << text(sections(), "flows");
}

TEST_F(Facts, NothingIsChanged) {
  ASSERT_TRUE(box_.enable(profile_));
  box_.kernel.forget_calls();
  (void)sections();
  EXPECT_TRUE(box_.kernel.calls.empty());
}

nft::ObservedChain chain_of(std::string name, std::optional<nft::BaseHook> hook, std::size_t rules = 0) {
  nft::ObservedChain chain;
  chain.key = {{nft::Family::kInet, "fw"}, std::move(name)};
  chain.hook = hook;
  chain.rules.resize(rules);
  return chain;
}

nft::BaseHook at(nft::Hook hook, std::int32_t priority) {
  return {nft::ChainType::kFilter, hook, priority, nft::Policy::kDrop};
}

nft::ObservedRule jump_to(std::string chain) {
  return {.rule = {{}, {nft::Verdict{nft::VerdictCode::kJump, std::move(chain)}}, ""}};
}

TEST(RulesetLines, ChainsCome_InTheOrderInWhichAPacketMeetsThem) {
  nft::Ruleset ruleset;
  ruleset.chains = {chain_of("late", at(nft::Hook::kForward, 10)), chain_of("early", at(nft::Hook::kForward, -10)),
                    chain_of("first", at(nft::Hook::kPrerouting, 0)), chain_of("unused", {}), chain_of("target", {})};
  ruleset.chains.front().rules = {jump_to("target")};
  ruleset.chains.back().rules = {jump_to("target")};  // a loop, which the kernel would refuse, ends all the same
  std::vector<std::string> heads;
  for (const auto& line : ruleset_lines(ruleset, Passes::kForwarded)) {
    if (line.starts_with("chain ")) {
      heads.push_back(line.substr(0, line.find_first_of(":(", 6)));
    }
  }
  EXPECT_EQ(heads, (std::vector<std::string>{"chain inet fw first", "chain inet fw early", "chain inet fw late",
                                             "chain inet fw target "}));
}

TEST(RulesetLines, InputAndOutput_AreToldWhereTheHostItselfSends) {
  nft::Ruleset ruleset;
  ruleset.chains = {chain_of("in", at(nft::Hook::kInput, 0)), chain_of("out", at(nft::Hook::kOutput, 0))};
  EXPECT_EQ(ruleset_lines(ruleset, Passes::kForwarded).size(), 1U);
  EXPECT_EQ(ruleset_lines(ruleset, Passes::kOwnToo).size(), 3U);
}

TEST(RulesetLines, AChainOfThousands_IsCutAndCounted) {
  nft::Ruleset ruleset;
  ruleset.chains = {chain_of("long", at(nft::Hook::kForward, 0), 5000)};
  const auto lines = ruleset_lines(ruleset, Passes::kForwarded);
  EXPECT_LT(lines.size(), 100U);
  EXPECT_EQ(lines.back(), "... and 4940 more lines");
}

}  // namespace
}  // namespace smtpegress::report
