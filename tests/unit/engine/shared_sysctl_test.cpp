// Sysctls that several instances hold, where the state of one is lost or damaged: nothing is taken from under it, and
// whoever is the last one out still knows what stood before the first.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "support/engine_host.hpp"

namespace smtpegress {
namespace {

using test::EngineHost;

Profile first() {
  return test::home_profile();
}
Profile second() {
  auto profile =
      test::home_profile({{{"table", "200"}, {"mark", "0x1a"}, {"priority", "10026"}, {"sources", "10.7.0.0/16"}}});
  profile.name = "second";
  return profile;
}

void lose(EngineHost& box, const Profile& profile) {
  std::filesystem::remove(box.store.directory() + "/" + profile.name + ".json");
}
void damage(EngineHost& box, const Profile& profile) {
  const auto name = "state/" + profile.name + ".json";
  box.directory.write(name, box.directory.read(name).substr(0, 100));
}

/// wg1's rp_filter is an administrator's own; default's is 0.
test::FakeHost home_with_a_value_of_its_own() {
  auto host = test::docker_home();
  test::add_wireguard(host, "wg1", "10.0.2.2/24", "0.0.0.0/0");
  host.sysctls["net/ipv4/conf/wg1/rp_filter"] = "2";
  return host;
}

std::string joined(const std::vector<std::string>& notes) {
  std::string all;
  for (const auto& note : notes) {
    all += note + "\n";
  }
  return all;
}

class WithoutARecord : public testing::TestWithParam<std::string> {
 protected:
  static void take_record(EngineHost& box, const Profile& profile) {
    (GetParam() == "Lost" ? lose : damage)(box, profile);
  }
};

TEST_P(WithoutARecord, TheOtherIsDisabled_NothingIsTakenFromUnderIt) {
  EngineHost box(test::hardened_home());
  const auto before = box.now();
  ASSERT_TRUE(box.enable(first()));
  ASSERT_TRUE(box.enable(second()));
  take_record(box, second());
  const auto report = box.disable(first());
  ASSERT_TRUE(report) << test::said(report);
  EXPECT_EQ(box.host().sysctls.at("net/ipv4/ip_forward"), "1");
  EXPECT_EQ(box.host().sysctls.at("net/ipv4/conf/wg0/rp_filter"), "2");
  EXPECT_NE(joined(report->notes).find("net.ipv4.ip_forward stays 1: instance second may need it, and its state file"),
            std::string::npos)
      << joined(report->notes);
  const auto last = box.engine.disable("second", second());
  ASSERT_TRUE(last) << test::said(last);
  EXPECT_EQ(box.now(), before) << "what the first one left is enough to undo the rest";
  EXPECT_FALSE(std::filesystem::exists(box.store.directory() + "/sysctls-left"));
}

TEST_P(WithoutARecord, TheOtherIsDisabledAndThisOneEnabledAgain_KnowsWhatStoodBefore) {
  EngineHost box(test::hardened_home());
  const auto before = box.now();
  ASSERT_TRUE(box.enable(first()));
  ASSERT_TRUE(box.enable(second()));
  take_record(box, second());
  ASSERT_TRUE(box.disable(first()));
  const auto again = box.enable(second());
  ASSERT_TRUE(again) << test::said(again);
  EXPECT_EQ(joined(again->notes).find("so disable will leave"), std::string::npos) << joined(again->notes);
  const auto last = box.disable(second());
  ASSERT_TRUE(last) << test::said(last);
  EXPECT_EQ(box.now(), before);
}

TEST_P(WithoutARecord, ItIsEnabledAgainBesideTheOther_EitherPutsAllBack) {
  for (const bool first_out_first : {true, false}) {
    EngineHost box(test::hardened_home());
    const auto before = box.now();
    ASSERT_TRUE(box.enable(first()));
    ASSERT_TRUE(box.enable(second()));
    take_record(box, second());
    const auto again = box.enable(second());
    ASSERT_TRUE(again) << test::said(again);
    ASSERT_TRUE(box.disable(first_out_first ? first() : second()));
    const auto last = box.disable(first_out_first ? second() : first());
    ASSERT_TRUE(last) << test::said(last);
    EXPECT_EQ(box.now(), before) << first_out_first;
  }
}

INSTANTIATE_TEST_SUITE_P(SharedSysctls, WithoutARecord, testing::Values("Lost", "Damaged"),
                         [](const auto& instance) { return instance.param; });

TEST(SharedSysctls, IpForwardSwitchedOffMeanwhile_TheOtherLearnsOfTheSideEffectsToo) {
  auto host = test::hardened_home();
  test::forward(host);  // on before the first comes
  EngineHost box(host);
  ASSERT_TRUE(box.enable(second()));
  for (auto& [key, value] : box.host().sysctls) {  // as writing ip_forward does
    value = key == "net/ipv4/ip_forward" || key.ends_with("/forwarding") ? "0" : value;
  }
  box.host().sysctls["net/ipv4/conf/eth0/forwarding"] = "1";
  box.host().sysctls["net/ipv4/conf/all/accept_redirects"] = "0";
  ASSERT_TRUE(box.enable(first()));
  ASSERT_TRUE(box.disable(first()));
  ASSERT_TRUE(box.disable(second()));
  EXPECT_EQ(box.host().sysctls.at("net/ipv4/ip_forward"), "0");
  EXPECT_EQ(box.host().sysctls.at("net/ipv4/conf/eth0/forwarding"), "1");
  EXPECT_EQ(box.host().sysctls.at("net/ipv4/conf/all/accept_redirects"), "0");
}

TEST(SharedSysctls, AnInterfaceThatStoodBefore_IsNotTakenForOneBornWithOurValue) {
  EngineHost box(home_with_a_value_of_its_own());
  const auto before = box.now();
  ASSERT_TRUE(box.enable(first()));
  const auto other = test::home_profile({{{"tunnel", "wg1"}}});
  ASSERT_TRUE(box.enable(other));
  ASSERT_TRUE(box.disable(other));
  EXPECT_EQ(box.now(), before);
}

TEST(SharedSysctls, AnInterfaceMadeSinceTheFirstInstance_HasItsPreviousValueFromDefaultForTheSecondToo) {
  EngineHost box(test::docker_home());
  ASSERT_TRUE(box.enable(first()));
  test::add_link(box.host(), "br-second", "bridge", "10.7.0.1/16");
  box.host().sysctls["net/ipv4/conf/br-second/rp_filter"] = "2";  // as default is
  ASSERT_TRUE(box.enable(second()));
  ASSERT_TRUE(box.disable(second()));
  EXPECT_EQ(box.host().sysctls.at("net/ipv4/conf/br-second/rp_filter"), "0");
}

TEST(SharedSysctls, WhichInterfacesStoodBefore_IsLeftAgainByWhoeverTakesItOver) {
  EngineHost box(home_with_a_value_of_its_own());
  const auto before = box.now();
  const auto third = [](const std::string& tunnel) {
    auto profile = test::home_profile(
        {{{"table", "300"}, {"mark", "0x1b"}, {"priority", "10027"}, {"sources", "10.8.0.0/16"}, {"tunnel", tunnel}}});
    profile.name = "third";
    return profile;
  };
  for (const auto& profile : {first(), second(), third("wg0")}) {
    ASSERT_TRUE(box.enable(profile));
  }
  lose(box, second());
  lose(box, third("wg0"));
  ASSERT_TRUE(box.disable(first()));
  const auto taken_over = box.engine.disable("second", second());
  ASSERT_TRUE(taken_over) << test::said(taken_over);
  ASSERT_TRUE(box.enable(third("wg1")));
  ASSERT_TRUE(box.disable(third("wg1")));
  EXPECT_EQ(box.now(), before);
}

}  // namespace
}  // namespace smtpegress
