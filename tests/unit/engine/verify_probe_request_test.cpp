// Whom a probe is asked to be, and to talk to; and what stands between the mail and the uplink.
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/exposed.hpp"
#include "model/ownership.hpp"
#include "smtpegress/probe.hpp"
#include "support/engine_host.hpp"
#include "support/fake_prober.hpp"
#include "support/faults.hpp"

namespace smtpegress {
namespace {

using test::EngineHost;
using test::FakeProber;
using test::kFarEnd;
using test::kServer;
using test::wish;

TEST(VerifyWithAProbe, NotWishedFor_NobodyIsAsked) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  FakeProber prober;
  EXPECT_TRUE(box.engine.verify("mailu-home", {}));
  EXPECT_TRUE(box.engine.verify("mailu-home", {}, {.prober = &prober, .asked = false, .servers = {}}));
  EXPECT_TRUE(prober.requests.empty());
}

TEST(VerifyWithAProbe, TheProfilesServers_NeedNoOption_AndOptionsReplaceThem) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile({{{"probe", "mx.example.org,[2001:db8::25]:25"}}})));
  FakeProber prober;
  ASSERT_TRUE(box.engine.verify("mailu-home", {}, {.prober = &prober, .asked = false, .servers = {}}));
  ASSERT_TRUE(box.engine.verify("mailu-home", {}, wish(prober)));
  ASSERT_EQ(prober.requests.size(), 2U);
  EXPECT_EQ(prober.requests[0].servers, (std::vector<MailServer>{{"mx.example.org", 25}, {"2001:db8::25", 25}}));
  EXPECT_EQ(prober.requests[1].servers, (std::vector<MailServer>{{std::string(kServer), 25}}));
  EXPECT_EQ(prober.requests[1].patience, std::chrono::seconds(3));
}

TEST(VerifyWithAProbe, NobodyNamed_TooMany_OrAnotherPort_IsAUsageErrorAndNobodyIsAsked) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  FakeProber prober;
  for (const auto& servers : {std::vector<MailServer>{}, std::vector<MailServer>{{"mx", 26}},
                              std::vector<MailServer>(9, MailServer{"mx", {}})}) {
    const auto report = box.engine.verify("mailu-home", {}, wish(prober, servers));
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().kind, ErrorKind::kUsage);
  }
  EXPECT_TRUE(prober.requests.empty());
}

TEST(VerifyWithAProbe, AtHome_SendsAsTheSource_OrFromThisHostsAddressThere) {
  EngineHost box(test::docker_home());
  for (const bool marks : {true, false}) {
    ASSERT_TRUE(box.enable(test::home_profile({{{"steering", marks ? "mark" : "rule"}}})));
    FakeProber prober;
    ASSERT_TRUE(box.engine.verify("mailu-home", {}, wish(prober)));
    const auto& request = prober.requests.at(0);
    ASSERT_EQ(request.senders.size(), 1U);
    EXPECT_EQ(request.senders[0].source, test::prefix("192.168.203.0/24"));
    EXPECT_EQ(request.senders[0].bound, test::address("192.168.203.1"));
    EXPECT_EQ(request.senders[0].mark, marks ? 0x19U : 0U);
    EXPECT_EQ(request.tunnel.str(), "wg0");
    EXPECT_EQ(request.far_end.v4, test::address(kFarEnd));
    EXPECT_EQ(request.control_port, 0);
  }
}

WireGuardPeer peer_at(std::string_view endpoint, std::string_view allowed) {
  return {.public_key = "another-key=",
          .allowed_ips = {test::prefix(allowed)},
          .last_handshake = test::kNow - 10,
          .keepalive = 25,
          .endpoint = std::string(endpoint)};
}

TEST(VerifyWithAProbe, AtHome_OfSeveralPeers_TheFarEndIsTheMails) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  box.host().wireguards["wg0"].peers.push_back(peer_at("198.51.100.77:51820", "10.0.1.3/32"));
  FakeProber prober;
  ASSERT_TRUE(box.engine.verify("mailu-home", {}, wish(prober)));
  EXPECT_EQ(prober.requests.at(0).far_end.v4, test::address(kFarEnd));
}

TEST(VerifyWithAProbe, AtHome_APeerForEachFamily_IsThatFamilysFarEnd) {
  EngineHost box(test::dual_home());
  ASSERT_TRUE(box.enable(test::dual_home_profile()));
  auto& peers = box.host().wireguards["wg0"].peers;
  peers.front().allowed_ips = {test::prefix("0.0.0.0/0")};
  for (const auto& [endpoint, v6] :
       {std::pair("[2001:db8:99::1]:51820", std::optional(test::address("2001:db8:99::1"))),
        std::pair("198.51.100.77:51820", std::optional<IpAddress>())}) {
    peers.resize(1);
    peers.push_back(peer_at(endpoint, "::/0"));
    FakeProber prober;
    ASSERT_TRUE(box.engine.verify("mailu-home", {}, wish(prober)));
    EXPECT_EQ(prober.requests.at(0).far_end.v4, test::address(kFarEnd)) << endpoint;
    EXPECT_EQ(prober.requests.at(0).far_end.v6, v6) << endpoint;
  }
}

TEST(VerifyWithAProbe, AtHome_AnEndpointThatTheInternetDoesNotKnow_IsNoFarEnd) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  for (const auto* endpoint : {"127.0.0.1:4000", "10.7.0.1:51820", "169.254.1.1:51820", ""}) {
    box.host().wireguards["wg0"].peers.front().endpoint = endpoint;
    FakeProber prober;
    ASSERT_TRUE(box.engine.verify("mailu-home", {}, wish(prober)));
    EXPECT_EQ(prober.requests.at(0).far_end.v4, std::nullopt) << endpoint;
  }
}

TEST(VerifyWithAProbe, NeitherGuardNorPolicyRules_NothingIsSentAsTheContainer) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  const auto enabled = box.host();
  for (const auto& [guard, by_source, by_mark, exposed] :
       {std::tuple{true, true, true, false}, std::tuple{false, true, true, false},
        std::tuple{true, false, false, false}, std::tuple{false, true, false, false},
        std::tuple{false, false, true, true}, std::tuple{false, false, false, true}}) {
    box.host() = enabled;
    if (!guard) {
      auto& chain = test::chain(box.host(), "smtp-egress-mailu-home", "forward", nft::Family::kInet);
      std::erase_if(chain.rules, [](const nft::ObservedRule& rule) { return rule.rule.comment == "guard"; });
    }
    std::erase_if(box.host().state.rules, [&](const PolicyRule& rule) {
      return rule.protocol == kOurProtocol && !(rule.mark ? by_mark : by_source);
    });
    FakeProber prober;
    ASSERT_TRUE(box.engine.verify("mailu-home", {}, wish(prober)));
    EXPECT_EQ(prober.requests.at(0).senders.at(0).exposed, exposed) << guard << by_source << by_mark;
    const auto ask_docker = [&](const std::string& network) { return box.docker(network); };
    EXPECT_EQ(is_exposed(box.kernel, box.store, ask_docker, "mailu-home", {}, test::address(test::kContainer)).value(),
              exposed);
  }
}

TEST(VerifyWithAProbe, OnTheVps_SendsFromThePublicAddress_BesideAControlPort) {
  EngineHost box(test::vps());
  ASSERT_TRUE(box.enable(test::vps_profile()));
  FakeProber prober;
  ASSERT_TRUE(box.engine.verify("mailu-vps", {}, wish(prober)));
  const auto& request = prober.requests.at(0);
  ASSERT_EQ(request.senders.size(), 1U);
  EXPECT_EQ(request.senders[0].source, std::nullopt);
  EXPECT_EQ(request.senders[0].bound, test::address("203.0.113.10"));
  EXPECT_EQ(request.control_port, 443);
  EXPECT_EQ(request.far_end.v4, std::nullopt);
}

/// What stands between the mail and the uplink, one thing missing after the other: verify's earlier checks tell of it
/// too, the probe's own says what it is that it opens.
TEST(VerifyWithAProbe, TheGuardGone_IsALeak) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  auto& chain = test::chain(box.host(), "smtp-egress-mailu-home", "forward", nft::Family::kInet);
  std::erase_if(chain.rules, [](const nft::ObservedRule& rule) { return rule.rule.comment == "guard"; });
  FakeProber prober;
  const auto report = box.engine.verify("mailu-home", {}, wish(prober));
  const auto [ids, said] = test::failures(*report);
  EXPECT_EQ(ids, (std::set<std::string>{"objects", "probe-leak"})) << said;
  EXPECT_NE(said.find("were it routed to eth0, nothing of ours would refuse it there"), std::string::npos) << said;
}

TEST(VerifyWithAProbe, TheRuleBySourceGone_IsALeak_AsTheMarkIsAllThatIsLeft) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(test::home_profile()));
  std::erase_if(box.host().state.rules,
                [](const PolicyRule& rule) { return rule.protocol == kOurProtocol && !rule.mark; });
  FakeProber prober;
  const auto report = box.engine.verify("mailu-home", {}, wish(prober));
  const auto [ids, said] = test::failures(*report);
  EXPECT_EQ(ids, (std::set<std::string>{"objects", "probe-leak"})) << said;
  EXPECT_NE(said.find("without its mark it leaves by eth0"), std::string::npos) << said;
}

}  // namespace
}  // namespace smtpegress
