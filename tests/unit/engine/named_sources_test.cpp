// Sources by name: what an interface or Docker says of them at enable, and what becomes of them later.
#include <gtest/gtest.h>

#include <filesystem>

#include "model/ownership.hpp"
#include "support/engine_host.hpp"

namespace smtpegress {
namespace {

using test::EngineHost;

constexpr const char* kByDocker = R"([{"docker_network": "mailu_default"}])";
constexpr const char* kByInterface = R"([{"interface": "br-mailu"}])";

Profile profile_from(const std::string& sources) {
  return test::home_profile({{{"sources", sources}}});
}

/// docker_home(), and a daemon that knows the bridge's network by name.
struct NamedHost : EngineHost {
  explicit NamedHost(const std::vector<std::string>& networks = {"192.168.203.0/24"})
      : EngineHost(test::docker_home()) {
    rename(networks);
  }
  void rename(const std::vector<std::string>& networks) {
    auto& known = docker_networks["mailu_default"];
    known.clear();
    for (const auto& network : networks) {
      known.push_back(test::prefix(network));
    }
  }
  [[nodiscard]] std::string sources() const {
    std::string text;
    const auto record = store.load("mailu-home");
    for (const auto& source : (*record)->profile.sources) {
      text += (text.empty() ? "" : " ") + source.to_string();
    }
    return text;
  }
  [[nodiscard]] Check check() {
    const auto report = engine.verify("mailu-home", {});
    for (const auto& check : report->checks) {
      if (check.id == "source-names") {
        return check;
      }
    }
    return {};
  }
};

TEST(NamedSources, MakeWhatTheirNetworksWouldMake) {
  EngineHost written(test::docker_home());
  ASSERT_TRUE(written.enable(test::home_profile()));
  for (const auto* sources : {kByDocker, kByInterface}) {
    NamedHost box;
    const auto before = box.now();
    const auto plan = box.engine.plan(profile_from(sources), LegacyScripts::kRefuse);
    ASSERT_TRUE(plan) << test::said(plan);
    EXPECT_EQ(plan->notes.back(), "sources: 192.168.203.0/24, found by name");
    const auto report = box.enable(profile_from(sources));
    ASSERT_TRUE(report) << test::said(report);
    EXPECT_EQ(box.now(), written.now()) << sources;
    EXPECT_EQ(box.sources(), "192.168.203.0/24");
    EXPECT_TRUE(box.engine.status("mailu-home", {})->as_it_should_be());
    EXPECT_EQ(box.check().outcome, Outcome::kPassed);
    const auto again = box.enable(profile_from(sources));
    ASSERT_TRUE(again);
    EXPECT_TRUE(again->changes.empty());
    EXPECT_TRUE(box.engine.plan(profile_from(sources), LegacyScripts::kRefuse)->plan.empty());
    ASSERT_TRUE(box.disable(test::home_profile()));
    EXPECT_EQ(box.now(), before);
  }
}

TEST(NamedSources, StandBesideWrittenOnes_EachNetworkOnce) {
  NamedHost box({"192.168.203.0/24", "fd00:203::/64"});
  ASSERT_TRUE(box.enable(profile_from(
      R"(["192.168.203.0/24", "10.7.0.0/24", {"docker_network": "mailu_default"}, {"interface": "br-mailu"}])")));
  EXPECT_EQ(box.sources(), "192.168.203.0/24 10.7.0.0/24 fd00:203::/64");
}

TEST(NamedSources, OfAnotherNetworkLater_VerifySaysSoAndEnableMovesToIt) {
  NamedHost box;
  const auto before = box.now();
  ASSERT_TRUE(box.enable(profile_from(kByDocker)));
  box.rename({"172.18.0.0/16"});
  const auto check = box.check();
  EXPECT_EQ(check.outcome, Outcome::kFailed);
  EXPECT_EQ(check.detail,
            "docker network mailu_default is 172.18.0.0/16 now, whose mail leaves as it would without us");
  EXPECT_EQ(check.mend, "`smtp-egress enable mailu-home`; at the VPS the same network has to be known");
  ASSERT_TRUE(box.enable(profile_from(kByDocker)));
  EXPECT_EQ(box.sources(), "172.18.0.0/16");
  EXPECT_EQ(box.check().outcome, Outcome::kPassed);
  ASSERT_TRUE(box.disable(test::home_profile()));
  EXPECT_EQ(box.now(), before);
}

TEST(NamedSources, ThatNobodyKnows_AreRefusedAndNothingIsTouched) {
  NamedHost box;
  const auto before = box.now();
  for (const auto& [sources, words] :
       {std::pair{R"([{"docker_network": "mailcow"}])", "ask Docker for mailcow: there is none"},
        {R"([{"interface": "incusbr0"}])", "find sources: interface incusbr0: is not there; start what makes it"}}) {
    for (const auto& said : {test::said(box.enable(profile_from(sources))),
                             test::said(box.engine.plan(profile_from(sources), LegacyScripts::kRefuse))}) {
      EXPECT_NE(said.find(words), std::string::npos) << said;
    }
  }
  EXPECT_EQ(box.now(), before);
}

TEST(NamedSources, OfAnInterfaceWithoutAddress_AreRefused) {
  NamedHost box;
  test::add_link(box.host(), "br-empty", "bridge");
  test::add_ipv6(box.host());
  test::add_address(box.host(), "br-empty", "fe80::1/64");
  EXPECT_NE(test::said(box.enable(profile_from(R"([{"interface": "br-empty"}])"))).find("has no address; give it one"),
            std::string::npos);
}

TEST(NamedSources, WhoseNetworksDoNotFit_AreRefusedLikeWrittenOnes) {
  NamedHost box;
  const auto before = box.now();
  box.rename({"192.168.0.0/16"});
  EXPECT_NE(test::said(box.enable(profile_from(R"(["192.168.203.0/24", {"docker_network": "mailu_default"}])")))
                .find("mailu-home, as found here: key 'sources': 192.168.0.0/16: overlaps 192.168.203.0/24"),
            std::string::npos);
  box.rename({"0.0.0.0/0"});
  EXPECT_NE(test::said(box.enable(profile_from(kByDocker))).find("is the whole internet"), std::string::npos);
  EXPECT_EQ(box.now(), before);
}

TEST(NamedSources, WhileDockerIsDown_StatusAndDisableGoOn) {
  NamedHost box;
  const auto before = box.now();
  ASSERT_TRUE(box.enable(profile_from(kByDocker)));
  box.docker_networks.clear();
  EXPECT_TRUE(box.engine.status("mailu-home", {})->as_it_should_be());
  EXPECT_EQ(box.check().outcome, Outcome::kFailed);
  EXPECT_FALSE(box.enable(profile_from(kByDocker))) << "what stands stays";
  EXPECT_TRUE(box.engine.status("mailu-home", {})->as_it_should_be());
  ASSERT_TRUE(box.disable(test::home_profile()));
  EXPECT_EQ(box.now(), before);
}

TEST(NamedSources, WhoseStateIsLost_AreFoundAgainOrDoneWithout) {
  for (const bool docker_is_up : {true, false}) {
    NamedHost box;
    const auto before = box.now();
    ASSERT_TRUE(box.enable(profile_from(kByDocker)));
    std::filesystem::remove(box.directory.file("state/mailu-home.json"));
    if (!docker_is_up) {
      box.docker_networks.clear();
    }
    EXPECT_EQ(box.engine.status("mailu-home", profile_from(kByDocker)).has_value(), docker_is_up);
    const auto report = box.engine.disable("mailu-home", profile_from(kByDocker));
    ASSERT_TRUE(report) << test::said(report);
    EXPECT_EQ(box.host().state.rules.size(), 3U) << "the kernel's own";
    EXPECT_FALSE(box.host().state.ruleset.has(own_table_key("mailu-home")));
  }
}

}  // namespace
}  // namespace smtpegress
