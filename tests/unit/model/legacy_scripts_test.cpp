#include "model/legacy_scripts.hpp"

#include <gtest/gtest.h>

#include "support/hosts.hpp"
#include "support/iptables_text.hpp"

namespace smtpegress {
namespace {

std::vector<Object> found(const Profile& profile, const test::FakeHost& host) {
  return find_legacy_objects(profile, resolve_host(profile, host.state).value(), host.state);
}
std::vector<Object> at_home(const test::FakeHost& host) {
  return found(test::home_profile(), host);
}

test::FakeHost home_after(const std::string& rules) {
  auto host = test::docker_home();
  test::add_iptables(host.state.ruleset, rules);
  return host;
}

TEST(LegacyScripts, Home_EveryObjectOfTheScriptIsFound) {
  auto host = test::docker_home();
  test::add_home_scripts(host);
  EXPECT_EQ(at_home(host).size(), 7U) << "five rules, a policy rule, a route";
}

TEST(LegacyScripts, Vps_EveryObjectOfTheScriptIsFound) {
  auto host = test::vps();
  test::add_vps_scripts(host);
  EXPECT_EQ(found(test::vps_profile(), host).size(), 5U);
}

TEST(LegacyScripts, Vps_BehindAMappedAddressWithEitherSnat) {
  for (const auto* to : {"203.0.113.10", "10.0.0.5"}) {
    auto host = test::vps();
    test::remove_link(host, "eth0");
    test::add_link(host, "eth0", {}, "10.0.0.5/24");
    test::add_default_route(host, "10.0.0.1", "eth0");
    test::add_vps_scripts(host, to);
    EXPECT_EQ(found(test::vps_profile({{{"public_ip", "203.0.113.10"}}}), host).size(), 5U) << to;
  }
}

TEST(LegacyScripts, AHostWithoutThem_HasNone) {
  EXPECT_TRUE(at_home(test::docker_home()).empty());
  EXPECT_TRUE(found(test::vps_profile(), test::vps()).empty());
}

TEST(LegacyScripts, GenericShapesAlone_AreAnybodys) {
  EXPECT_TRUE(at_home(home_after("*filter\n-I DOCKER-USER -d 192.168.203.0/24 -i wg0 -m conntrack --ctstate "
                                 "RELATED,ESTABLISHED -j ACCEPT\n"))
                  .empty());
  auto host = test::docker_home();
  host.state.routes.push_back(test::script_route());
  EXPECT_TRUE(at_home(host).empty());
  auto vps = test::vps();
  test::add_iptables(vps.state.ruleset, R"(*filter
-A FORWARD -i eth0 -o wg0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
*mangle
-A FORWARD -i wg0 -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
)");
  EXPECT_TRUE(found(test::vps_profile(), vps).empty());
}

TEST(LegacyScripts, OneSpecificShape_IsEnough) {
  for (const auto* rule :
       {"*mangle\n-A PREROUTING -s 192.168.203.0/24 -p tcp -m tcp --dport 25 -j MARK --set-mark 0x19\n",
        "*raw\n-A PREROUTING -i wg0 -d 192.168.203.0/24 -p tcp -m tcp --sport 25 -j ACCEPT\n",
        "*nat\n-A POSTROUTING -o wg0 -s 192.168.203.0/24 -p tcp -m tcp --dport 25 -j ACCEPT\n"}) {
    EXPECT_EQ(at_home(home_after(rule)).size(), 1U) << rule;
  }
  auto host = test::docker_home();
  host.state.rules.push_back(test::script_policy_rule());
  EXPECT_EQ(at_home(host).size(), 1U);
}

TEST(LegacyScripts, NearlyTheSameShape_IsSomebodyElses) {
  for (const auto* rule :
       {"*mangle\n-A PREROUTING -s 192.168.203.0/24 -p tcp -m tcp --dport 25 -j MARK --set-mark 0x20\n",
        "*mangle\n-A PREROUTING -s 192.168.203.0/25 -p tcp -m tcp --dport 25 -j MARK --set-mark 0x19\n",
        "*raw\n-A PREROUTING -i wg1 -d 192.168.203.0/24 -p tcp -m tcp --sport 25 -j ACCEPT\n",
        "*nat\n-A POSTROUTING -o wg0 -s 192.168.203.0/24 -p tcp -m tcp --dport 465 -j ACCEPT\n",
        "*nat\n-A POSTROUTING -o wg0 -s 192.168.203.0/24 -p tcp -m tcp --dport 25 -m comment --comment mine -j "
        "ACCEPT\n"}) {
    EXPECT_TRUE(at_home(home_after(rule)).empty()) << rule;
  }
}

TEST(LegacyScripts, ThePolicyRule_ByItsWholeSelectorAndAnyIpVersionsProtocol) {
  auto host = test::docker_home();
  auto rule = test::script_policy_rule();
  rule.protocol = {};
  host.state.rules.push_back(rule);
  EXPECT_EQ(at_home(host).size(), 1U);
  for (auto change : {+[](PolicyRule& r) { r.priority = {10024}; }, +[](PolicyRule& r) { r.table = {101}; },
                      +[](PolicyRule& r) {
                        r.mark = Mark{0x20, 0xffffffff};
                      },
                      +[](PolicyRule& r) { r.protocol = {99}; },
                      +[](PolicyRule& r) {
                        r.other = {{15, {1}}};
                      }}) {
    auto other = test::docker_home();
    auto changed = test::script_policy_rule();
    change(changed);
    other.state.rules.push_back(changed);
    EXPECT_TRUE(at_home(other).empty());
  }
}

TEST(LegacyScripts, OurOwnObjects_AreNotTheScripts) {
  auto host = test::docker_home();
  auto rule = test::script_policy_rule();
  rule.protocol = kOurProtocol;
  host.state.rules.push_back(rule);
  auto route = test::script_route();
  route.protocol = kOurProtocol;
  host.state.routes.push_back(route);
  EXPECT_TRUE(at_home(host).empty());
}

}  // namespace
}  // namespace smtpegress
