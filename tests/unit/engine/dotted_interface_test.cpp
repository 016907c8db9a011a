// Interfaces whose names have dots: VLANs (eth0.100), and anything else a person may think of. Such a name becomes part
// of a path below /proc/sys, and of sysctl(8)'s words, where a dot of the name is written '/'.
#include <gtest/gtest.h>

#include <algorithm>

#include "support/engine_host.hpp"

namespace smtpegress {
namespace {

using test::EngineHost;

constexpr std::string_view kDotted = "a..b";

test::FakeHost home_with_dots() {
  auto host = test::docker_home();
  test::remove_link(host, "wg0");
  test::add_wireguard(host, kDotted, "10.0.1.2/24", "0.0.0.0/0");
  host.sysctls["net/ipv4/conf/a..b/rp_filter"] = "1";
  return host;
}

TEST(DottedInterface, AsTunnel_AWholeLife) {
  EngineHost box(home_with_dots());
  const auto before = box.now();
  const auto profile = test::home_profile({{{"tunnel", std::string(kDotted)}}});
  const auto report = box.enable(profile);
  ASSERT_TRUE(report) << test::said(report);
  EXPECT_EQ(box.host().sysctls.at("net/ipv4/conf/a..b/rp_filter"), "2");
  EXPECT_NE(box.now().find("default dev a..b table 100"), std::string::npos);
  EXPECT_TRUE(box.engine.status(profile.name, {})->as_it_should_be());
  ASSERT_TRUE(box.disable(profile)) << "the record is read back: its sysctl's key has dots, and leads nowhere else";
  EXPECT_EQ(box.now(), before);
}

TEST(DottedInterface, InSysctlsWords_AsSysctlReadsThem) {
  EngineHost box(home_with_dots());
  const auto profile = test::home_profile({{{"tunnel", std::string(kDotted)}}});
  ASSERT_TRUE(box.enable(profile));
  const auto status = box.engine.status(profile.name, {});
  EXPECT_TRUE(std::ranges::any_of(status->findings, [](const Finding& finding) {
    return describe(finding.object) == "net.ipv4.conf.a//b.rp_filter = 2";
  }));
  box.host().sysctls["net/ipv4/conf/a..b/rp_filter"] = "0";
  const auto report = box.disable(profile);
  ASSERT_TRUE(report);
  ASSERT_EQ(report->notes.size(), 1U);
  EXPECT_TRUE(report->notes.front().starts_with("net.ipv4.conf.a//b.rp_filter stays 0")) << report->notes.front();
}

TEST(DottedInterface, OfTheSources_IsMendedByItsName) {
  auto host = test::docker_home();
  test::remove_link(host, test::kBridge);
  test::add_link(host, "eth0.203", "vlan", "192.168.203.1/24");
  EngineHost box(host);
  ASSERT_TRUE(box.enable(test::home_profile()));
  EXPECT_EQ(box.host().sysctls.at("net/ipv4/conf/eth0.203/rp_filter"), "2");
  box.host().sysctls["net/ipv4/conf/eth0.203/forwarding"] = "0";
  const auto report = box.engine.verify("mailu-home", {});
  ASSERT_TRUE(report) << test::said(report);
  const auto check = std::ranges::find(report->checks, "forwarding", &Check::id);
  ASSERT_NE(check, report->checks.end());
  EXPECT_EQ(check->mend, "`sysctl net.ipv4.conf.eth0/203.forwarding=1`");
}

}  // namespace
}  // namespace smtpegress
