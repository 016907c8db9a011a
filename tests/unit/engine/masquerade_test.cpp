// nat: masquerade, while the tunnel has no address for the mail to leave as, or an unusual one.
#include <gtest/gtest.h>

#include <algorithm>

#include "support/engine_host.hpp"

namespace smtpegress {
namespace {

using test::EngineHost;

Profile masqueraded() {
  return test::home_profile({{{"nat", "masquerade"}}});
}

void lose_addresses(test::FakeHost& host, std::string_view interface) {
  const auto* link = host.state.link(test::ifname(interface));
  std::erase_if(host.state.addresses, [&](const InterfaceAddress& a) { return a.link == link->index; });
}

TEST(MasqueradeAtHome, TheTunnelsAddressIsGoneForAMoment_PlanSaysWhatEnableDoes) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(masqueraded()));
  lose_addresses(box.host(), "wg0");
  const auto plan = box.engine.plan(masqueraded(), LegacyScripts::kRefuse);
  ASSERT_TRUE(plan) << test::said(plan);
  box.kernel.forget_calls();
  ASSERT_TRUE(box.enable(masqueraded()));
  EXPECT_EQ(plan->plan.changes.empty(), box.kernel.calls.empty());
  EXPECT_TRUE(plan->plan.changes.empty()) << describe(plan->plan.changes.front().object);
}

TEST(MasqueradeAtHome, AnIpv4LinkLocalAddressOfTheTunnel_IsOneToLeaveAs) {
  auto host = test::docker_home();
  lose_addresses(host, "wg0");
  test::add_address(host, "wg0", "169.254.10.2/30");
  EngineHost box(host);
  ASSERT_TRUE(box.enable(masqueraded()));
  const auto report = box.engine.verify("mailu-home", {});
  ASSERT_TRUE(report) << test::said(report);
  for (const auto& check : report->checks) {
    EXPECT_NE(check.outcome, Outcome::kFailed) << check.title << ": " << check.detail;
  }
}

}  // namespace
}  // namespace smtpegress
