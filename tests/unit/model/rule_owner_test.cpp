// Whose a rule is, by the names that programs give their tables and chains.
#include "model/rule_owner.hpp"

#include <gtest/gtest.h>

#include "model/rules.hpp"
#include "support/hosts.hpp"

namespace smtpegress {
namespace {

using nft::Family;

std::string owner(Family family, std::string table, std::string chain, const nft::Rule* rule = nullptr) {
  return owner_of({}, {{family, std::move(table)}, std::move(chain)}, rule);
}

TEST(RuleOwner, OurTables_AreOurs_WithTheRulesRole) {
  const auto guard = rules::rule({rules::tcp()}, nft::Reject{}, "guard");
  EXPECT_EQ(owner(Family::kInet, "smtp-egress-mailu-home", "forward", &guard), "ours (guard)");
  EXPECT_EQ(owner(Family::kInet, "smtp-egress-mailu-home", "forward"), "ours");
}

TEST(RuleOwner, ATaggedRule_IsOursWhereverItStands) {
  const auto admission = rules::rule({rules::tcp()}, rules::accept(), "smtp-egress:mailu-home:admission");
  EXPECT_EQ(owner(Family::kIp, "filter", "DOCKER-USER", &admission), "ours (admission)");
}

TEST(RuleOwner, KnownPrograms_ByTableOrChain) {
  const auto rule = rules::rule({rules::tcp()}, rules::drop(), "");
  EXPECT_EQ(owner(Family::kInet, "firewalld", "filter_FORWARD", &rule), "firewalld");
  EXPECT_EQ(owner(Family::kInet, "netavark", "FORWARD", &rule), "Podman");
  EXPECT_EQ(owner(Family::kIp, "docker-bridges", "raw-PREROUTING", &rule), "Docker (nftables backend)");
  EXPECT_EQ(owner(Family::kIp, "filter", "DOCKER-FORWARD", &rule), "Docker");
  EXPECT_EQ(owner(Family::kIp, "filter", "DOCKER-USER", &rule), "the administrator's, in Docker's chain for others");
  EXPECT_EQ(owner(Family::kIp, "filter", "ufw-reject-forward", &rule), "ufw");
  EXPECT_EQ(owner(Family::kIp6, "filter", "ufw6-user-forward", &rule), "the administrator's, by ufw");
  EXPECT_EQ(owner(Family::kInet, "mine", "forward", &rule), "others'");
}

TEST(RuleOwner, DockersDropOfStrangers_IsToldFromOtherRulesInRaw) {
  const auto host = test::docker_home();
  const nft::ChainKey raw{{Family::kIp, "raw"}, "PREROUTING"};
  const auto* chain = host.state.ruleset.find(raw);
  ASSERT_NE(chain, nullptr);
  EXPECT_EQ(owner_of(host.state.ruleset, raw, &chain->rules.back().rule), "Docker's drop of strangers");
  const auto other = rules::rule({rules::in(test::ifname("wg0"))}, rules::drop(), "");
  EXPECT_EQ(owner_of(host.state.ruleset, raw, &other), "others'");
}

TEST(RuleOwner, APolicy_IsTheLikeliestsOfThatTable) {
  const nft::ChainKey forward{{Family::kIp, "filter"}, "FORWARD"};
  EXPECT_TRUE(owner_of(test::docker_home().state.ruleset, forward, nullptr).starts_with("Docker, it seems"));
  EXPECT_EQ(owner_of(test::bare_home().state.ruleset, forward, nullptr), "others'");
}

}  // namespace
}  // namespace smtpegress
