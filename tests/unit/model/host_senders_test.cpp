// Mail that the home host itself sends: how a profile says it, and what must hold of what is made for it.
#include "model/host_senders.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "model/docker.hpp"
#include "model/mail_flow.hpp"
#include "support/desired_text.hpp"
#include "support/hosts.hpp"

namespace smtpegress {
namespace {

using test::address;
using Who = HostSender::Who;

Result<Profile> parse(const std::string& sources, const std::string& side = "home") {
  return parse_profile("x", "x.json", R"({"side": ")" + side + R"(", "sources": )" + sources + "}");
}
Profile parsed(const std::string& sources) {
  const auto profile = parse(sources);
  EXPECT_TRUE(profile) << profile.error().message();
  return profile.value_or(Profile{});
}
std::string refusal(const std::string& sources, const std::string& side = "home") {
  const auto profile = parse(sources, side);
  return profile ? "accepted" : profile.error().message();
}

TEST(HostSenders, WhatSaysAllIsOne_WhatDoesNotIsAsked) {
  const auto profile =
      parsed(R"([{"user": 997, "address": "10.0.1.2"}, {"user": "*", "address": ["10.0.1.2", "fd00:1::2"]},
                                  {"address": "192.168.1.10"}, {"user": "mox"}, {"user": "7"},
                                  {"user": "web", "address": "10.0.1.3"}, "10.9.0.0/24"])");
  EXPECT_EQ(profile.host_senders,
            (std::vector<HostSender>{{Who::kUser, 997, {address("10.0.1.2")}},
                                     {Who::kEverybody, 0, {address("10.0.1.2"), address("fd00:1::2")}},
                                     {Who::kAddress, 0, {address("192.168.1.10")}}}));
  EXPECT_EQ(profile.named_sources,
            (std::vector<NamedSource>{{NamedSource::Kind::kUser, "mox", {}},
                                      {NamedSource::Kind::kUser, "7", {}},
                                      {NamedSource::Kind::kUser, "web", {address("10.0.1.3")}}}));
  EXPECT_EQ(profile.sources, std::vector{test::prefix("10.9.0.0/24")}) << "only what is forwarded";
  EXPECT_EQ(parse_profile("x", "again", profile_to_json(profile)).value(), profile);
}

TEST(HostSenders, ANumberMayBeAText) {
  EXPECT_EQ(parsed(R"([{"user": "997", "address": "10.0.1.2"}])").host_senders,
            parsed(R"([{"user": 997, "address": ["10.0.1.2"]}])").host_senders);
}

TEST(HostSenders, WhatIsNone_IsRefusedInWords) {
  const std::pair<const char*, const char*> wrong[] = {
      {R"([{"user": ""}])", "is no user's name; write a user's name, its number"},
      {R"([{"user": "a b"}])", "is no user's name"},
      {R"([{"user": "a:b"}])", "is no user's name"},
      {R"([{"user": null}])", "is no user's name"},
      {R"([{"user": -1}])", "is no user's name"},
      {R"([{"user": 4294967295, "address": "10.0.1.2"}])", "is no user's number"},
      {R"([{"user": "99999999999"}])", "is no user's number"},
      {R"([{"user": "mox", "address": "10.0.1.2/32"}])", "is not an address; write it like \"10.0.1.2\""},
      {R"([{"user": "mox", "address": 7}])", "is not an address"},
      {R"([{"user": "mox", "address": []}])", "names no address"},
      {R"([{"user": "mox", "address": ["10.0.1.2", "10.0.1.2"]}])", "is there twice"},
      {R"([{"address": "127.0.0.1"}])", "is no address that mail can be sent to the internet from"},
      {R"([{"address": "0.0.0.0"}])", "is no address that mail"},
      {R"([{"address": "224.0.0.1"}])", "is no address that mail"},
      {R"([{"address": "169.254.1.1"}])", "is no address that mail"},
      {R"([{"address": "::1"}])", "is no address that mail"},
      {R"([{"address": "ff02::1"}])", "is no address that mail"},
      {R"([{"address": "fe80::1"}])", "is no address that mail"},
      {R"([{"user": "mox", "uid": 7}])", "has 'uid', which is none of \"user\" and \"address\""},
      {R"([{"user": "mox", "interface": "br0"}])", "has 'interface'"},
      {R"([{"user": "mox"}, {"user": "mox", "address": "10.0.1.2"}])", "user mox: is there twice"},
      {R"([{"user": 7, "address": "10.0.1.2"}, {"user": "7", "address": "10.0.1.3"}])", "user 7 as 10.0.1.3: is there"},
      {R"([{"address": "10.0.1.2"}, "10.0.1.2/32"])", "is this host's own and, as a network, a source beside it"},
  };
  for (const auto& [sources, words] : wrong) {
    EXPECT_NE(refusal(sources).find(words), std::string::npos) << sources << ": " << refusal(sources);
  }
}

TEST(HostSenders, OnTheVps_AreAddresses) {
  EXPECT_NE(refusal(R"([{"user": 7, "address": "10.0.1.2"}])", "vps").find("as a network of one: \"10.0.1.2/32\""),
            std::string::npos);
  EXPECT_NE(refusal(R"([{"user": "mox"}])", "vps").find("a name that the home host knows"), std::string::npos);
}

TEST(HostSenders, MoreThanAListHolds_AreRefused) {
  std::string many;
  for (int i = 0; i < 65; ++i) {
    many += (i == 0 ? "[" : ",") + std::string(R"({"user": )") + std::to_string(i) + R"(, "address": "10.0.1.2"})";
  }
  EXPECT_NE(refusal(many + "]").find("more than 64 senders"), std::string::npos);
}

TEST(HostSenders, TheShippedPair_NamesTheTunnelsAddressAtBothEnds) {
  const auto home = test::shipped_profile("mox-home");
  EXPECT_EQ(home.named_sources, (std::vector<NamedSource>{{NamedSource::Kind::kUser, "mox", {address("10.0.1.2")}}}));
  EXPECT_TRUE(home.sources.empty());
  EXPECT_EQ(test::shipped_profile("mox-vps").sources, std::vector{test::prefix("10.0.1.2/32")});
}

DesiredState lowered(const Profile& profile, const test::FakeHost& host) {
  return lower(profile, resolve_host(profile, host.state).value(), host.state);
}
const OwnChain* chain_named(const DesiredState& desired, std::string_view name) {
  const auto found = std::ranges::find_if(desired.chains, [&](const OwnChain& c) { return c.key.name == name; });
  return found == desired.chains.end() ? nullptr : &*found;
}
std::string rules_of(const DesiredState& desired) {
  std::string text;
  for (const auto& rule : desired.rules) {
    text += to_string(rule) + "\n";
  }
  return text;
}

constexpr const char* kMox = R"([{"user": 997, "address": "10.0.1.2"}])";

TEST(LowerHostSenders, ThatForwardNothing_TouchNothingThatForwards) {
  for (const auto* settings : {R"("nat": "preserve")", R"("nat": "masquerade")", R"("steering": "rule")",
                               R"("docker": "sidestep")", R"("inbound": "published")"}) {
    const auto profile =
        parse_profile("x", "x.json", std::string(R"({"side": "home", "sources": )") + kMox + ", " + settings + "}")
            .value();
    const auto desired = lowered(profile, test::dual_home());
    EXPECT_TRUE(desired.sysctls.empty()) << settings;
    EXPECT_TRUE(desired.foreign_rules.empty()) << settings;
    EXPECT_EQ(chain_named(desired, "forward"), nullptr) << settings;
    EXPECT_EQ(chain_named(desired, "mark-mail"), nullptr) << settings;
    ASSERT_NE(chain_named(desired, "keep-address"), nullptr) << settings;
    EXPECT_EQ(desired.chains.size(), 2U) << settings;
    for (const auto& rule : desired.rules) {
      EXPECT_FALSE(rule.mark) << settings;
    }
  }
}

TEST(LowerHostSenders, AUsersMail_IsRuledInBothFamiliesThoughItHasAnAddressInOne) {
  EXPECT_EQ(rules_of(lowered(parsed(kMox), test::dual_bare_home())),
            "10025: from 10.0.1.2/32 ipproto tcp dport 25 lookup 100 proto 25\n"
            "10025: from all iif lo uidrange 997-997 ipproto tcp dport 25 lookup 100 proto 25\n"
            "IPv6 10025: from all iif lo uidrange 997-997 ipproto tcp dport 25 lookup 100 proto 25\n");
}

TEST(LowerHostSenders, AKernelWithoutIpv6_IsAskedForNothingOfIt) {
  const auto desired = lowered(parsed(kMox), test::bare_home());
  EXPECT_EQ(rules_of(desired).find("IPv6"), std::string::npos);
  EXPECT_EQ(std::ranges::count(desired.routes, IpFamily::kV6, &Route::family), 0);
}

TEST(LowerHostSenders, TheWholeHost_IsWhateverComesInByNoInterface) {
  const auto desired = lowered(parsed(R"([{"user": "*", "address": "10.0.1.2"}])"), test::dual_bare_home());
  EXPECT_NE(rules_of(desired).find("\n10025: from all iif lo ipproto tcp dport 25 lookup 100"), std::string::npos);
  EXPECT_NE(rules_of(desired).find("IPv6 10025: from all iif lo ipproto tcp dport 25 lookup 100"), std::string::npos);
}

TEST(LowerHostSenders, AUserBesideTheWholeHost_HasNothingOfHisOwn) {
  const auto all = lowered(parsed(R"([{"user": "*", "address": "10.0.1.2"}])"), test::dual_bare_home());
  const auto both = lowered(parsed(R"([{"user": 997, "address": "10.0.1.2"}, {"user": "*", "address": "10.0.1.2"}])"),
                            test::dual_bare_home());
  EXPECT_EQ(rules_of(both), rules_of(all)) << "to delete everybody's, the kernel would take the user's";
  EXPECT_EQ(chain_named(both, "output")->rules, chain_named(all, "output")->rules);
}

TEST(LowerHostSenders, AnAddressAlone_IsRuledByItAndNobodysMailIsRefused) {
  const auto desired = lowered(parsed(R"([{"address": "192.168.1.10"}])"), test::dual_bare_home());
  EXPECT_EQ(rules_of(desired), "10025: from 192.168.1.10/32 ipproto tcp dport 25 lookup 100 proto 25\n");
  const auto* output = chain_named(desired, "output");
  ASSERT_NE(output, nullptr);
  EXPECT_EQ(std::ranges::count(output->rules, "guard", &nft::Rule::comment), 1);
  EXPECT_EQ(std::ranges::count(desired.routes, IpFamily::kV6, &Route::family), 0);
}

TEST(LowerHostSenders, WithAnIpv6Address_RepliesAreMarkedForReversePathFilters) {
  const auto desired =
      lowered(parsed(R"([{"user": 997, "address": ["10.0.1.2", "fd00:1::2"]}])"), test::dual_bare_home());
  const auto* marks = chain_named(desired, "mark-replies");
  ASSERT_NE(marks, nullptr);
  EXPECT_EQ(std::ranges::count(marks->rules, "admit replies", &nft::Rule::comment), 1) << "IPv6's alone";
  EXPECT_NE(rules_of(desired).find("IPv6 10025: from all fwmark 0x19 lookup 100"), std::string::npos);
  EXPECT_EQ(rules_of(desired).find("\n10025: from all fwmark"), std::string::npos);
}

TEST(LowerHostSenders, BesideContainers_EachHasItsOwn) {
  const auto profile = parsed(R"(["192.168.203.0/24", {"user": 997, "address": "10.0.1.2"}])");
  const auto alone = lowered(parsed(R"(["192.168.203.0/24"])"), test::docker_home());
  const auto both = lowered(profile, test::docker_home());
  EXPECT_EQ(both.foreign_rules, alone.foreign_rules);
  EXPECT_EQ(both.sysctls, alone.sysctls);
  EXPECT_EQ(*chain_named(both, "forward"), *chain_named(alone, "forward"));
  EXPECT_EQ(*chain_named(both, "mark-mail"), *chain_named(alone, "mark-mail"));
  ASSERT_NE(chain_named(both, "output"), nullptr);
  EXPECT_EQ(chain_named(alone, "output"), nullptr);
  EXPECT_EQ(both.rules.size(), alone.rules.size() + 2);
}

TEST(LowerHostSenders, BesideMasqueradedContainers_TheTunnelsAddressIsGuardedOnce) {
  const auto profile = parse_profile("x", "x.json", R"({"side": "home", "nat": "masquerade", "sources":
      ["192.168.203.0/24", {"user": 997, "address": "10.0.1.2"}]})")
                           .value();
  const auto rules = rules_of(lowered(profile, test::docker_home()));
  const std::string by_address = "from 10.0.1.2/32 ";
  EXPECT_NE(rules.find(by_address), std::string::npos);
  EXPECT_EQ(rules.find(by_address), rules.rfind(by_address)) << rules;
}

TEST(HostSenders, NothingOfDockersIsInTheirWay) {
  const auto profile = parsed(kMox);
  EXPECT_EQ(bypass_for(profile, {}), std::nullopt);
  EXPECT_NE(explain_bypass(profile, {}).find("this host itself sends the mail"), std::string::npos);
}

TEST(HostSenders, TheTunnelThatIsTheUplink_IsRefused) {
  auto host = test::plain_host();
  const auto profile = parse_profile(
      "x", "x.json", R"({"side": "home", "tunnel": "eth0", "sources": [{"user": 7, "address": "10.0.1.2"}]})");
  const auto resolved = resolve_host(*profile, host.state);
  ASSERT_FALSE(resolved);
  EXPECT_NE(resolved.error().message().find("is the uplink"), std::string::npos);
}

TEST(HostSendersMail, IsSentByNoInterfaceAndItsRepliesLeaveByNone) {
  const auto sent = sent_packets(parsed(R"([{"user": 997, "address": ["10.0.1.2", "fd00:1::2"]}])"));
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(sent[0].title, "tcp/25 of user 997 as 10.0.1.2");
  EXPECT_EQ(sent[1].facts.family, IpFamily::kV6);
  const auto is = [&](nft::Match match) { return holds({{std::move(match)}, {}, {}}, sent[0].facts); };
  EXPECT_EQ(is(nft::MatchInterface{nft::Way::kIn, "eth0", false, nft::Sense::kIs}), Holds::kNo);
  EXPECT_EQ(is(nft::MatchInterface{nft::Way::kIn, "eth0", false, nft::Sense::kIsNot}), Holds::kYes);
  EXPECT_EQ(is(nft::MatchInterface{nft::Way::kOut, "wg0", false, nft::Sense::kIs}), Holds::kYes);
  EXPECT_EQ(is(nft::MatchSkuid{997, nft::Sense::kIs}), Holds::kYes);
  EXPECT_EQ(is(nft::MatchSkuid{997, nft::Sense::kIsNot}), Holds::kNo);
  EXPECT_EQ(is(nft::MatchSkuid{0, nft::Sense::kIs}), Holds::kNo);
  const auto replies = received_replies_at(parsed(kMox), 0);
  ASSERT_EQ(replies.size(), 1U);
  const auto reply_is = [&](nft::Match match) { return holds({{std::move(match)}, {}, {}}, replies[0].facts); };
  EXPECT_EQ(reply_is(nft::MatchInterface{nft::Way::kOut, "br0", false, nft::Sense::kIs}), Holds::kNo);
  EXPECT_EQ(reply_is(nft::MatchCtState{nft::kCtEstablished}), Holds::kYes);
  EXPECT_EQ(reply_is(nft::MatchSkuid{997, nft::Sense::kIs}), Holds::kMaybe);
}

TEST(HostSendersMail, OfNobodyInParticular_MayBeAnUsers) {
  const auto sent = sent_packets(parsed(R"([{"user": "*", "address": "10.0.1.2"}])"));
  EXPECT_EQ(holds({{nft::MatchSkuid{33, nft::Sense::kIs}}, {}, {}}, sent[0].facts), Holds::kMaybe);
}

TEST(HostSendersMail, WhatIsForwardedHasNoUser) {
  const auto mail = outgoing_packets(test::home_profile(), {});
  for (const auto sense : {nft::Sense::kIs, nft::Sense::kIsNot}) {
    EXPECT_EQ(holds({{nft::MatchSkuid{0, sense}}, {}, {}}, mail[0].facts), Holds::kNo);
  }
}

}  // namespace
}  // namespace smtpegress
