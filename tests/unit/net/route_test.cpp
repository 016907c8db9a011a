#include "smtpegress/route.hpp"

#include <gtest/gtest.h>

#include "support/hosts.hpp"

namespace smtpegress {
namespace {

using test::address;
using test::ifname;
using test::prefix;

TEST(Route, ToString_InTheWordsOfIpRoute) {
  Route route = test::script_route();
  EXPECT_EQ(to_string(route), "default dev wg0 table 100 proto 3");
  route.gateway = address("192.168.1.1");
  route.table = kMainTable;
  route.metric = 600;
  EXPECT_EQ(to_string(route), "default via 192.168.1.1 dev wg0 table main metric 600 proto 3");
}

TEST(Route, ToString_TypesAndTablesHaveNames) {
  Route route;
  route.destination = prefix("10.0.0.0/8");
  const std::pair<RouteType, const char*> types[] = {{RouteType::kUnicast, ""},
                                                     {RouteType::kLocal, "local "},
                                                     {RouteType::kBroadcast, "broadcast "},
                                                     {RouteType::kBlackhole, "blackhole "},
                                                     {RouteType::kUnreachable, "unreachable "},
                                                     {RouteType::kProhibit, "prohibit "}};
  for (const auto& [type, word] : types) {
    route.type = type;
    EXPECT_TRUE(to_string(route).starts_with(std::string(word) + "10.0.0.0/8")) << to_string(route);
  }
  route.table = {253};
  EXPECT_NE(to_string(route).find("table default"), std::string::npos);
  route.table = {255};
  EXPECT_NE(to_string(route).find("table local"), std::string::npos);
}

TEST(PolicyRule, ToString_InTheWordsOfIpRule) {
  PolicyRule rule = test::script_policy_rule();
  rule.protocol = kOurProtocol;
  EXPECT_EQ(to_string(rule), "10025: from all fwmark 0x19 lookup 100 proto 25");
  rule.mark.reset();
  rule.protocol = {};
  rule.other = {{15, {1}}};
  EXPECT_EQ(to_string(rule), "10025: from all lookup 100 (with further selectors)");
}

TEST(PolicyRule, AnUnknownAttribute_MakesItAnotherRule) {
  auto rule = test::script_policy_rule();
  rule.other = {{15, {1}}};
  EXPECT_NE(rule, test::script_policy_rule());
}

TEST(InterfaceAddress, Network_ClearsTheHostBits) {
  EXPECT_EQ((InterfaceAddress{1, address("192.168.203.1"), 24}).network(), prefix("192.168.203.0/24"));
  EXPECT_EQ((InterfaceAddress{1, address("10.1.2.3"), 9}).network(), prefix("10.0.0.0/9"));
  EXPECT_EQ((InterfaceAddress{1, address("10.1.2.3"), 32}).network(), prefix("10.1.2.3/32"));
}

}  // namespace
}  // namespace smtpegress
