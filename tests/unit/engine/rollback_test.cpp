// Every single mutating call of every command is made to fail once: the host must be exactly as before.
#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <functional>

#include "support/engine_host.hpp"
#include "support/iptables_text.hpp"

namespace smtpegress {
namespace {

using test::EngineHost;

struct Deed {
  std::string name;
  std::function<test::FakeHost()> host;
  std::function<void(EngineHost&)> prepare;
  std::function<Result<ApplyReport>(EngineHost&)> act;
  friend void PrintTo(const Deed& value, std::ostream* out) { *out << value.name; }
};

test::FakeHost with_flows(test::FakeHost host, std::string_view seen_as) {
  host.flows = {test::mail_flow("192.168.203.10", "198.51.100.25", 25, seen_as)};
  return host;
}

void nothing(EngineHost&) {}
void enabled_home(EngineHost& box) {
  ASSERT_TRUE(box.enable(test::home_profile()));
}
void enabled_vps(EngineHost& box) {
  ASSERT_TRUE(box.enable(test::vps_profile()));
}

/// The scripts' rules between those of other people, and an earlier profile's route and rule, which go after the
/// firewall has been swapped.
void scripted_in_the_midst(EngineHost& box) {
  ASSERT_TRUE(box.enable(test::home_profile({{{"table", "200"}, {"priority", "10026"}, {"mark", "0x1a"}}})));
  test::add_home_scripts(box.host());
  test::add_iptables(box.host().state.ruleset, R"(*filter
-I DOCKER-USER -s 198.51.100.1/32 -j DROP
-A DOCKER-USER -s 198.51.100.2/32 -j DROP
*raw
-I PREROUTING -s 198.51.100.3/32 -j DROP
*nat
-I POSTROUTING -s 198.51.100.4/32 -j ACCEPT
)");
  auto& rules = test::chain(box.host(), "filter", "DOCKER-USER").rules;
  rules.insert(rules.begin() + 2, {test::iptables_rule("-s 198.51.100.5/32 -j DROP"), 900, 0, 0});
}

std::vector<Deed> deeds() {
  const auto scripted_home = [] {
    auto host = test::docker_home();
    test::add_home_scripts(host);
    return host;
  };
  const auto scripted_vps = [] {
    auto host = test::vps();
    test::add_vps_scripts(host);
    return host;
  };
  const auto other = [] {
    return test::home_profile(
        {{{"table", "200"}, {"priority", "10026"}, {"ports", "25,465"}, {"rp_filter", "tunnel"}}});
  };
  return {
      {"enable_docker_home", [] { return with_flows(test::docker_home(), "192.168.1.10"); }, nothing,
       [](EngineHost& box) { return box.enable(test::home_profile()); }},
      {"enable_bare_home", test::bare_home, nothing, [](EngineHost& box) { return box.enable(test::home_profile()); }},
      {"enable_hardened_home", test::hardened_home, nothing,
       [](EngineHost& box) { return box.enable(test::home_profile()); }},
      {"disable_hardened_home", test::hardened_home, enabled_home,
       [](EngineHost& box) { return box.disable(test::home_profile()); }},
      {"enable_vps", test::vps, nothing, [](EngineHost& box) { return box.enable(test::vps_profile()); }},
      {"enable_changed_profile", test::bare_home, enabled_home, [=](EngineHost& box) { return box.enable(other()); }},
      {"enable_drifted", test::docker_home,
       [](EngineHost& box) {
         enabled_home(box);
         test::chain(box.host(), "raw", "PREROUTING")
             .rules.erase(test::chain(box.host(), "raw", "PREROUTING").rules.begin());
         test::chain(box.host(), "smtp-egress-mailu-home", "mark-mail", nft::Family::kInet).rules.clear();
         box.host().state.routes.erase(box.host().state.routes.begin());
         box.host().sysctls["net/ipv4/conf/wg0/rp_filter"] = "1";
       },
       [](EngineHost& box) { return box.enable(test::home_profile()); }},
      {"take_over_home", scripted_home, nothing,
       [](EngineHost& box) { return box.enable(test::home_profile(), LegacyScripts::kTakeOver); }},
      {"take_over_in_the_midst", test::docker_home, scripted_in_the_midst,
       [](EngineHost& box) { return box.enable(test::home_profile(), LegacyScripts::kTakeOver); }},
      {"enable_moved", test::docker_home,
       [](EngineHost& box) {
         enabled_home(box);
         test::add_iptables(box.host().state.ruleset, R"(*filter
-I DOCKER-USER -s 192.168.203.0/24 -j DROP
-A DOCKER-USER -s 198.51.100.2/32 -j DROP
)");
         std::erase_if(box.host().state.rules, [](const auto& rule) { return rule.protocol == kOurProtocol; });
       },
       [](EngineHost& box) { return box.enable(test::home_profile()); }},
      {"take_over_vps", scripted_vps, nothing,
       [](EngineHost& box) { return box.enable(test::vps_profile(), LegacyScripts::kTakeOver); }},
      {"disable_docker_home", [] { return with_flows(test::docker_home(), "192.168.203.10"); }, enabled_home,
       [](EngineHost& box) { return box.disable(test::home_profile()); }},
      {"disable_bare_home", test::bare_home, enabled_home,
       [](EngineHost& box) { return box.disable(test::home_profile()); }},
      {"disable_vps", test::vps, enabled_vps, [](EngineHost& box) { return box.disable(test::vps_profile()); }},
  };
}

class Rollback : public testing::TestWithParam<std::tuple<Deed, int>> {
 protected:
  [[nodiscard]] const Deed& deed() const { return std::get<0>(GetParam()); }
  [[nodiscard]] int errnum() const { return std::get<1>(GetParam()); }

  /// False: the command makes fewer calls than that.
  [[nodiscard]] bool fail_call(std::size_t number) const {
    EngineHost box(deed().host());
    deed().prepare(box);
    box.kernel.forget_calls();
    const auto name = std::string(deed().name.ends_with("vps") ? "mailu-vps" : "mailu-home");
    const auto before = box.now();
    const auto record = box.state_file(name);
    box.kernel.fault = {number, errnum()};
    const auto result = deed().act(box);
    if (box.kernel.calls.size() < number) {
      EXPECT_TRUE(result) << test::said(result);
      return false;
    }
    const auto& failed = box.kernel.calls[number - 1];
    if (failed.starts_with("delete flow")) {  // told, but no reason to take everything back
      EXPECT_TRUE(result && !result->notes.empty());
      return true;
    }
    EXPECT_FALSE(result) << failed;
    if (!result) {
      EXPECT_EQ(result.error().kind, errnum() == EPERM ? ErrorKind::kPermission : ErrorKind::kKernel);
      EXPECT_EQ(result.error().errnum, errnum());
      EXPECT_EQ(test::said(result).find("not everything"), std::string::npos) << test::said(result);
      EXPECT_TRUE(number == 1 || test::said(result).find("everything was rolled back") != std::string::npos)
          << test::said(result);
    }
    EXPECT_EQ(box.now(), before) << "call " << number << ": " << failed;
    EXPECT_EQ(box.state_file(name), record) << "call " << number << ": " << failed;
    return true;
  }
};

TEST_P(Rollback, AnyCallFails_TheHostIsExactlyAsBefore) {
  std::size_t number = 1;
  while (!HasFailure() && fail_call(number)) {
    ++number;
  }
  EXPECT_GT(number, 1U) << "the command made no call";
}

INSTANTIATE_TEST_SUITE_P(Every, Rollback, testing::Combine(testing::ValuesIn(deeds()), testing::Values(ENOBUFS, EPERM)),
                         [](const auto& parameter) {
                           return std::get<0>(parameter.param).name +
                                  (std::get<1>(parameter.param) == EPERM ? "_EPERM" : "_ENOBUFS");
                         });

TEST(RollbackOf, Disable_TheRecordCannotBeRemoved_EverythingStandsAgain) {
  EngineHost box(test::docker_home());
  enabled_home(box);
  test::add_iptables(box.host().state.ruleset, "*filter\n-I DOCKER-USER -s 198.51.100.1/32 -j DROP\n");
  const auto before = box.now();
  const auto path = box.store.directory() + "/mailu-home.json";
  box.kernel.before_call = [&](const std::string& call) {
    if (call.starts_with("commit") && std::filesystem::is_regular_file(path)) {
      std::filesystem::remove(path);
      std::filesystem::create_directories(path + "/in-the-way");
    }
  };
  const auto result = box.disable(test::home_profile());
  ASSERT_FALSE(result);
  EXPECT_EQ(box.now(), before);
}

TEST(RollbackOf, TakeOver_TheLastSaveFails_IsDoneAndSaysSo) {
  auto host = test::vps();
  test::add_vps_scripts(host);
  EngineHost box(host);
  box.kernel.before_call = [&](const std::string& call) {
    if (call.starts_with("commit")) {
      std::filesystem::create_directories(box.store.directory() + "/mailu-vps.json.new");
    }
  };
  const auto result = box.enable(test::vps_profile(), LegacyScripts::kTakeOver);
  ASSERT_TRUE(result) << test::said(result);
  ASSERT_EQ(result->notes.size(), 1U);
  EXPECT_NE(result->notes.front().find("the state file still says"), std::string::npos) << result->notes.front();
  EXPECT_EQ(box.now().find("counter snat to"), box.now().rfind("counter snat to")) << "ours alone is left";
  std::filesystem::remove(box.store.directory() + "/mailu-vps.json.new");
  EXPECT_TRUE(box.disable(test::vps_profile())) << "what was written ahead is enough to undo it";
}

TEST(RollbackOf, Enable_TheRollbackFailsToo_TheErrorSaysWhatIsLeft) {
  EngineHost box(test::bare_home());
  box.kernel.fault = {3, ENOBUFS};
  box.kernel.before_call = [&](const std::string& call) {
    if (call.starts_with("delete route unreachable")) {
      box.kernel.fault = {box.kernel.calls.size(), EBUSY};
    }
  };
  const auto result = box.enable(test::home_profile());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::kKernel);
  EXPECT_NE(test::said(result).find("not everything could be rolled back: delete route unreachable default"),
            std::string::npos)
      << test::said(result);
  EXPECT_EQ(box.now().find("chain inet smtp-egress"), std::string::npos) << "what could go is gone";
}

TEST(RollbackOf, Enable_TheRollbacksCommitIsStale_IsRetried) {
  EngineHost box(test::bare_home());
  const auto before = box.now();
  box.kernel.fault = {3, ENOBUFS};
  box.kernel.before_call = [&](const std::string& call) {
    if (call.starts_with("delete route") && box.kernel.stale_commits == 0) {
      box.kernel.stale_commits = 2;
    }
  };
  ASSERT_FALSE(box.enable(test::home_profile()));
  EXPECT_EQ(box.now(), before);
}

}  // namespace
}  // namespace smtpegress
