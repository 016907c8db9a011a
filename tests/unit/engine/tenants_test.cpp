// A VPS for several homes, enabled, altered, verified, disabled.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "support/engine_host.hpp"

namespace smtpegress {
namespace {

using test::EngineHost;
using test::mail_flow;
using test::said;

test::FakeHost two_tunnels() {
  auto host = test::vps();
  test::add_address(host, "eth0", "203.0.113.11/24");
  test::add_wireguard(host, "wg1", "10.0.2.1/24", "172.22.1.0/24");
  return host;
}
Profile profile_of(const std::string& more = "") {
  return parse_profile("many", "many.json",
                       R"({"side": "vps", "tenants": [
    {"name": "alice", "sources": ["192.168.203.0/24"]},
    {"name": "bob", "sources": ["172.22.1.0/24"], "tunnel": "wg1", "public_ip": "203.0.113.11"})" +
                           more + "]}")
      .value();
}
nft::ObservedSet& set(EngineHost& box, std::string_view name) {
  return *std::ranges::find_if(box.host().state.ruleset.sets, [&](const auto& s) { return s.key.name == name; });
}

std::string failures_of(const VerifyReport& report, std::string_view id) {
  std::string text;
  for (const auto& check : report.checks) {
    text += check.id == id && check.outcome == Outcome::kFailed ? check.detail + "\n" : "";
  }
  return text;
}

TEST(Tenants, EnabledAndDisabled_NothingIsLeft) {
  EngineHost box(two_tunnels());
  const auto before = box.now();
  const auto enabled = box.enable(profile_of());
  ASSERT_TRUE(enabled) << said(enabled);
  EXPECT_EQ(set(box, "addresses-ipv4-24").elements.back().to, test::address("203.0.113.10"));
  EXPECT_TRUE(box.enable(profile_of())->changes.empty());
  EXPECT_TRUE(box.engine.status("many", {})->as_it_should_be());
  ASSERT_TRUE(box.disable(profile_of()));
  EXPECT_EQ(box.now(), before);
}

TEST(Tenants, AnElementThatIsGoneAndOneThatIsForeign_AreToldAndMendedAlone) {
  EngineHost box(two_tunnels());
  ASSERT_TRUE(box.enable(profile_of()));
  const auto settled = box.now();
  auto& senders = set(box, "senders-ipv4-24");
  senders.elements.front().interface = "wg9";
  const auto status = box.engine.status("many", {});
  ASSERT_TRUE(status) << said(status);
  const auto changed = std::ranges::find(status->findings, Presence::kChanged, &Finding::presence);
  ASSERT_NE(changed, status->findings.end());
  EXPECT_NE(changed->detail.find("\"wg0\" . 192.168.203.0"), std::string::npos) << changed->detail;
  EXPECT_NE(changed->detail.find("\"wg9\" . 192.168.203.0"), std::string::npos) << changed->detail;
  const auto mended = box.enable(profile_of());
  ASSERT_TRUE(mended) << said(mended);
  EXPECT_EQ(mended->changes.size(), 1U);
  EXPECT_EQ(box.now(), settled);
}

TEST(Tenants, AnAlteredElementOfTheSameKey_IsPutBack) {
  EngineHost box(two_tunnels());
  ASSERT_TRUE(box.enable(profile_of()));
  const auto settled = box.now();
  set(box, "addresses-ipv4-24").elements.front().to = test::address("203.0.113.99");
  set(box, "networks-ipv4-24").elements.back().altered = true;
  ASSERT_TRUE(box.enable(profile_of()));
  EXPECT_EQ(box.now(), settled);
}

TEST(Tenants, ASetThatIsGone_OrOfAnotherKind_IsMadeAgain) {
  EngineHost box(two_tunnels());
  ASSERT_TRUE(box.enable(profile_of()));
  set(box, "senders-ipv4-24").type.reset();
  const auto mended = box.enable(profile_of());
  ASSERT_TRUE(mended) << said(mended);
  EXPECT_TRUE(box.engine.status("many", {})->as_it_should_be());
  std::erase_if(box.host().state.ruleset.sets, [](const auto& s) { return s.key.name == "tunnels"; });
  ASSERT_TRUE(box.enable(profile_of()));
  EXPECT_TRUE(box.engine.status("many", {})->as_it_should_be());
}

TEST(Tenants, OneMoreWithAnotherPrefix_AndGoneAgain) {
  EngineHost box(two_tunnels());
  ASSERT_TRUE(box.enable(profile_of()));
  const auto settled = box.now();
  ASSERT_TRUE(box.enable(profile_of(R"(, {"name": "carol", "sources": ["10.3.0.0/16"]})")));
  EXPECT_NE(box.now().find("senders-ipv4-16"), std::string::npos);
  ASSERT_TRUE(box.enable(profile_of()));
  EXPECT_EQ(box.now(), settled);
}

TEST(Tenants, ACrashAnywhere_IsTakenBack) {
  for (std::size_t call = 1;; ++call) {
    EngineHost box(two_tunnels());
    const auto before = box.now();
    if (!test::crashes_at(box, call, [&] { return box.enable(profile_of()); })) {
      EXPECT_GT(call, 1U);
      break;
    }
    const auto disabled = box.disable(profile_of());
    ASSERT_TRUE(disabled) << said(disabled);
    EXPECT_EQ(box.now(), before) << "killed ahead of call " << call;
  }
}

TEST(Tenants, OpenFlows_AreJudgedByTheirOwnTenantsAddress) {
  auto host = two_tunnels();
  host.flows = {mail_flow("192.168.203.10", "198.51.100.25", 25, "203.0.113.10"),  // alice's, as it should be
                mail_flow("172.22.1.5", "198.51.100.25", 25, "203.0.113.10"),      // bob's, by the masquerade
                mail_flow("10.9.9.9", "198.51.100.25", 25, "203.0.113.10")};       // nobody's
  EngineHost box(host);
  const auto enabled = box.enable(profile_of());
  ASSERT_TRUE(enabled) << said(enabled);
  EXPECT_EQ(enabled->flows_dropped, 1U);
  EXPECT_EQ(box.host().flows.size(), 2U);
}

TEST(Tenants, VerifyNamesTheOneThatFails_AndCountsTheOthers) {
  EngineHost box(two_tunnels());
  ASSERT_TRUE(box.enable(profile_of()));
  std::erase_if(box.host().state.addresses, [](const auto& a) { return a.local == test::address("203.0.113.11"); });
  box.host().wireguards.at("wg1").peers.front().allowed_ips.clear();
  const auto report = box.engine.verify("many", {});
  ASSERT_TRUE(report) << said(report);
  const auto failures = [&](std::string_view id) { return failures_of(*report, id); };
  EXPECT_NE(failures("allowed-ips").find("tenant bob: no peer of wg1 covers 172.22.1.0/24"), std::string::npos);
  EXPECT_EQ(failures("allowed-ips").find("alice"), std::string::npos);
  EXPECT_NE(failures("host").find("tenant 'bob'"), std::string::npos) << failures("host");
  EXPECT_NE(failures("public-address").find("tenant bob: 203.0.113.11 is not on eth0"), std::string::npos);
}

TEST(Tenants, AHomeWhosePacketsAreRoutedIntoItsOwnTunnel_IsNamed) {
  EngineHost box(two_tunnels());
  ASSERT_TRUE(box.enable(profile_of()));
  const auto well = box.engine.verify("many", {});
  ASSERT_TRUE(well) << said(well);
  const auto endpoint = std::ranges::find(well->checks, "endpoint", &Check::id);
  ASSERT_NE(endpoint, well->checks.end());
  EXPECT_EQ(endpoint->detail, "2 endpoints");
  box.host().wireguards.at("wg1").peers.front().endpoint = "172.22.1.9:51820";  // a network that the tunnel has
  const auto report = box.engine.verify("many", {});
  ASSERT_TRUE(report) << said(report);
  EXPECT_EQ(failures_of(*report, "endpoint"),
            "tenant bob: the tunnel's own packets to 172.22.1.9:51820 are routed into wg1 itself\n");
}

TEST(Tenants, AnUnreachableRouteInTheWay_IsNotMendedByNamingAnotherWan) {
  EngineHost box(two_tunnels());
  ASSERT_TRUE(box.enable(profile_of()));
  auto& routes = box.host().state.routes;
  const auto internet = std::ranges::find_if(routes, [](const auto& route) { return route.destination.is_default(); });
  internet->type = RouteType::kUnreachable;
  internet->interface = {};
  const auto report = box.engine.verify("many", {});
  ASSERT_TRUE(report) << said(report);
  const auto found = std::ranges::find_if(
      report->checks, [](const auto& check) { return check.id == "route-out" && check.outcome == Outcome::kFailed; });
  ASSERT_NE(found, report->checks.end());
  EXPECT_NE(found->mend.find("blackhole, prohibit or unreachable route"), std::string::npos) << found->mend;
  EXPECT_EQ(found->mend.find("--wan"), std::string::npos) << found->mend;
}

TEST(Tenants, AnotherInstanceWithATenantsNetwork_IsRefused) {
  EngineHost box(two_tunnels());
  ASSERT_TRUE(box.enable(profile_of()));
  EXPECT_NE(said(box.enable(test::vps_profile())).find("the same sources and ports"), std::string::npos);
}

}  // namespace
}  // namespace smtpegress
