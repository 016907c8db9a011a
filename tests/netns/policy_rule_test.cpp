// Policy rules in the running kernel: what RouteSocket adds is what `ip` shows, what `ip` adds is what it lists, and it
// deletes that and nothing else.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <string>
#include <thread>

#include "netlink/exchange.hpp"
#include "netlink/route_codec.hpp"
#include "netns/fresh_namespace.hpp"
#include "netns/route_host.hpp"

namespace smtpegress::netlink {
namespace {

using test::entry;
using test::in_fresh_namespace;
using test::ip_json;
using test::shell;

TEST(PolicyRules, AddRule_IsWhatIpShows_AndListsBackEqual) {
  in_fresh_namespace([] {
    auto socket = opened();
    must(socket.add_rule(our_rule(), Duplicates::kRefuse));
    const auto shown = entry(ip_json("rule"), "priority", 10025);
    ASSERT_FALSE(shown.is_null());
    EXPECT_EQ(shown.at("fwmark"), "0x19");
    EXPECT_EQ(shown.at("table"), "100");
    EXPECT_EQ(shown.at("protocol"), "25");
    EXPECT_EQ(shown.at("src"), "all");
    EXPECT_FALSE(shown.contains("fwmask"));
    EXPECT_EQ(count(must(socket.rules(IpFamily::kV4)), our_rule()), 1);
  });
}

TEST(PolicyRules, AddRule_WithAMaskAndALargeTable_ListsBackEqual) {
  in_fresh_namespace([] {
    auto socket = opened();
    auto rule = our_rule();
    rule.mark = Mark{.value = 0x19, .mask = 0xff};
    rule.table = {100000};
    must(socket.add_rule(rule, Duplicates::kRefuse));
    EXPECT_EQ(count(must(socket.rules(IpFamily::kV4)), rule), 1);
    EXPECT_EQ(entry(ip_json("rule"), "priority", 10025).at("fwmask"), "0xff");
    must(socket.delete_rule(rule));
    EXPECT_EQ(must(socket.rules(IpFamily::kV4)).size(), 3U);
  });
}

TEST(PolicyRules, OfTwoUsers_EachIsDeletedByItself) {
  in_fresh_namespace([] {
    auto socket = opened();
    const auto of_user = [](std::uint32_t uid) {
      auto rule = our_rule();
      rule.mark.reset();
      rule.other = selecting(UidRange{uid, uid}, 6, {25, 25});
      return rule;
    };
    must(socket.add_rule(of_user(33), Duplicates::kRefuse));
    must(socket.add_rule(of_user(997), Duplicates::kRefuse));
    must(socket.delete_rule(of_user(997)));
    EXPECT_EQ(count(must(socket.rules(IpFamily::kV4)), of_user(33)), 1);
    EXPECT_EQ(count(must(socket.rules(IpFamily::kV4)), of_user(997)), 0);
    must(socket.delete_rule(of_user(33)));
    EXPECT_EQ(must(socket.rules(IpFamily::kV4)).size(), 3U);
  });
}

TEST(PolicyRules, BySourceProtocolAndPort_IsWhatIpMakes_AndStandsBesideTheMarks) {
  in_fresh_namespace([] {
    auto socket = opened();
    auto rule = our_rule();
    rule.mark.reset();
    rule.other = selecting(must(Prefix::parse("192.168.203.0/24")), 6, {25, 25});
    must(socket.add_rule(our_rule(), Duplicates::kRefuse));
    must(socket.add_rule(rule, Duplicates::kRefuse));
    EXPECT_FALSE(socket.add_rule(rule, Duplicates::kRefuse)) << "twice";
    const auto listed = must(socket.rules(IpFamily::kV4));
    EXPECT_EQ(count(listed, rule), 1) << [&] {
      std::string all;
      for (const auto& one : listed) {
        all += to_string(one) + "\n";
        for (const auto& [type, bytes] : one.other) {
          all += "  " + std::to_string(type) + ": " + testing::PrintToString(bytes) + "\n";
        }
      }
      return all;
    }();
    must(socket.delete_rule(rule));
    EXPECT_EQ(count(must(socket.rules(IpFamily::kV4)), our_rule()), 1);
    must(socket.delete_rule(our_rule()));
    shell("ip rule add from 192.168.203.0/24 ipproto tcp dport 25 table 100 priority 10025 protocol 25");
    EXPECT_EQ(count(must(socket.rules(IpFamily::kV4)), rule), 1);
  });
}

TEST(PolicyRules, Rules_MadeByIp_EqualOursOnlyWhereTheyMeanTheSame) {
  in_fresh_namespace([] {
    auto socket = opened();
    shell("ip rule add fwmark 0x19 table 100 priority 10025 protocol 25");
    EXPECT_EQ(count(must(socket.rules(IpFamily::kV4)), our_rule()), 1);
    shell("ip rule delete priority 10025");
    for (const std::string selector :
         {"not fwmark 0x19", "from 10.0.0.0/8 fwmark 0x19", "to 10.0.0.0/8 fwmark 0x19", "iif lo fwmark 0x19",
          "oif lo fwmark 0x19", "fwmark 0x19 uidrange 0-1000", "fwmark 0x19 ipproto tcp", "fwmark 0x19 dport 25",
          "fwmark 0x19 sport 25", "fwmark 0x19 suppress_prefixlength 0", "fwmark 0x19 suppress_ifgroup 3",
          "tos 0x10 fwmark 0x19", "fwmark 0x19/0xff"}) {
      shell("ip rule add " + selector + " table 100 priority 10025 protocol 25");
      const auto rules = must(socket.rules(IpFamily::kV4));
      EXPECT_EQ(rules.size(), 4U);
      EXPECT_EQ(count(rules, our_rule()), 0) << selector;
      shell("ip rule delete priority 10025");
    }
  });
}

TEST(PolicyRules, Rules_OfEveryShape_AreDeletedAndAddedBackAsTheyWere) {
  in_fresh_namespace([] {
    auto socket = opened();
    shell(
        "ip rule add not from 10.0.0.0/8 iif lo fwmark 0x19/0xff ipproto tcp dport 25 table 100 priority 5 protocol 7");
    shell("ip rule add fwmark 0x19 lookup main suppress_prefixlength 0 priority 6");
    shell("ip rule add to 192.0.2.0/24 tos 0x10 uidrange 5-6 unreachable priority 7");
    shell("ip rule add from all goto 32766 priority 8");
    const auto before = ip_json("rule");
    const auto rules = must(socket.rules(IpFamily::kV4));
    for (std::uint32_t priority = 5; priority <= 8; ++priority) {
      const auto rule =
          std::find_if(rules.begin(), rules.end(), [&](const PolicyRule& r) { return r.priority.value == priority; });
      ASSERT_NE(rule, rules.end()) << priority;
      must(socket.delete_rule(*rule));
      EXPECT_NE(ip_json("rule"), before) << priority;
      must(socket.add_rule(*rule, Duplicates::kRefuse));
    }
    EXPECT_EQ(ip_json("rule"), before);
    EXPECT_EQ(must(socket.rules(IpFamily::kV4)), rules);
  });
}

// FACTS 15, and beyond it: EXCL compares the protocol number as well.
TEST(PolicyRules, AddRule_Twice_IsRefusedUnlessAllowed) {
  in_fresh_namespace([] {
    auto socket = opened();
    must(socket.add_rule(our_rule(), Duplicates::kRefuse));
    const auto error = must_fail(socket.add_rule(our_rule(), Duplicates::kRefuse));
    EXPECT_EQ(error.errnum, EEXIST);
    EXPECT_EQ(error.operation, "add rule");
    EXPECT_EQ(error.object, to_string(our_rule()));
    EXPECT_FALSE(error.hint.empty());
    must(socket.add_rule(our_rule(), Duplicates::kAllow));
    EXPECT_EQ(count(must(socket.rules(IpFamily::kV4)), our_rule()), 2);
    auto other_owner = our_rule();
    other_owner.protocol = kBootProtocol;
    must(socket.add_rule(other_owner, Duplicates::kRefuse));
    EXPECT_EQ(count(must(socket.rules(IpFamily::kV4)), other_owner), 1);
  });
}

TEST(PolicyRules, DeleteRule_AnotherOwnersOfTheSameShape_IsLeftAlone) {
  in_fresh_namespace([] {
    auto socket = opened();
    shell("ip rule add fwmark 0x19 table 100 priority 10025 protocol 3");  // first, so the kernel meets it first
    shell("ip rule add fwmark 0x19 table 100 priority 10025");  // protocol 0: what ip writes when told nothing
    must(socket.add_rule(our_rule(), Duplicates::kRefuse));
    must(socket.delete_rule(our_rule()));
    auto boot = our_rule();
    boot.protocol = kBootProtocol;
    auto unspecified = our_rule();
    unspecified.protocol = {0};
    auto rules = must(socket.rules(IpFamily::kV4));
    EXPECT_EQ(count(rules, boot), 1);
    EXPECT_EQ(count(rules, unspecified), 1);
    EXPECT_EQ(count(rules, our_rule()), 0);
    const auto error = must_fail(socket.delete_rule(our_rule()));
    EXPECT_EQ(error.errnum, ENOENT);
    EXPECT_EQ(must(socket.rules(IpFamily::kV4)), rules);
    // A request for protocol 0 matches any: the kernel would take the other.
    EXPECT_EQ(must_fail(socket.delete_rule(unspecified)).errnum, ENOTUNIQ);
    EXPECT_EQ(must(socket.rules(IpFamily::kV4)), rules);
    must(socket.delete_rule(boot));
    must(socket.delete_rule(unspecified));
    EXPECT_EQ(must(socket.rules(IpFamily::kV4)).size(), 3U);
  });
}

// The kernel does not compare what a request leaves out, nor "not": each of these would go in our rule's stead.
TEST(PolicyRules, DeleteRule_OneWithFurtherSelectors_IsLeftAlone) {
  in_fresh_namespace([] {
    auto socket = opened();
    for (const std::string selector : {"not fwmark 0x19", "iif lo fwmark 0x19", "fwmark 0x19 ipproto tcp dport 25",
                                       "fwmark 0x19 uidrange 0-1000", "fwmark 0x19 suppress_prefixlength 0"}) {
      shell("ip rule add " + selector + " table 100 priority 10025 protocol 25");
      const auto before = must(socket.rules(IpFamily::kV4));
      EXPECT_EQ(must_fail(socket.delete_rule(our_rule())).errnum, ENOENT) << selector;
      must(socket.add_rule(our_rule(), Duplicates::kAllow));
      EXPECT_EQ(must_fail(socket.delete_rule(our_rule())).errnum, ENOTUNIQ) << selector;
      shell("ip rule delete priority 10025");  // the first: the other one
      must(socket.delete_rule(our_rule()));
      EXPECT_EQ(must(socket.rules(IpFamily::kV4)).size(), 3U);
    }
  });
}

TEST(PolicyRules, DeleteRule_OneOfTwo_LeavesTheOther) {
  in_fresh_namespace([] {
    auto socket = opened();
    must(socket.add_rule(our_rule(), Duplicates::kRefuse));
    must(socket.add_rule(our_rule(), Duplicates::kAllow));
    must(socket.delete_rule(our_rule()));
    EXPECT_EQ(count(must(socket.rules(IpFamily::kV4)), our_rule()), 1);
  });
}

/// Adds and removes a rule ahead of all others, as fast as it can, with a pause after some.
void keep_changing(const std::atomic<bool>& stop, std::chrono::microseconds pause) {
  const auto socket = open_netlink(NETLINK_ROUTE).value();
  auto rule = our_rule();
  rule.priority = {5};
  rule.protocol = kBootProtocol;
  const auto add = encode_rule(RTM_NEWRULE, NLM_F_CREATE | NLM_F_ACK, rule).value();
  const auto remove = encode_rule(RTM_DELRULE, NLM_F_ACK, rule).value();
  while (!stop) {
    for (int i = 0; i < 2; ++i) {
      EXPECT_TRUE(ask(socket.get(), add.get()));
      EXPECT_TRUE(ask(socket.get(), remove.get()));
    }
    std::this_thread::sleep_for(pause);
  }
}

/// Lists `times` times while another thread changes the rules; how often there was an answer at all.
int list_while_changing(RouteSocket& socket, std::uint32_t standing, int times) {
  const auto start = std::chrono::steady_clock::now();
  (void)must(socket.rules(IpFamily::kV4));
  const auto once = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start) / 3;
  std::atomic<bool> stop = false;
  std::thread other([&] { keep_changing(stop, 2 * once); });
  int whole = 0;
  for (int i = 0; i < times; ++i) {
    const auto rules = socket.rules(IpFamily::kV4);
    if (!rules) {
      EXPECT_EQ(rules.error().errnum, EINTR);
      continue;
    }
    ++whole;
    const auto ours =
        std::count_if(rules->begin(), rules->end(), [](const auto& r) { return r.protocol == kOurProtocol; });
    EXPECT_EQ(ours, std::ptrdiff_t{standing});
  }
  stop = true;
  other.join();
  return whole;
}

class PolicyRulesChanging : public testing::TestWithParam<std::uint32_t> {};

// The kernel marks no dump of rules as torn: without care, rules at a datagram's end come twice or not at all.
TEST_P(PolicyRulesChanging, Rules_WhileOthersChangeThem_AreNeverListedInPart) {
  in_fresh_namespace([] {
    auto socket = opened();
    auto rule = our_rule();
    for (std::uint32_t i = 0; i < GetParam(); ++i) {
      rule.priority = {10000 + i};
      must(socket.add_rule(rule, Duplicates::kAllow));
    }
    EXPECT_GT(list_while_changing(socket, GetParam(), 60), 0);
  });
}

INSTANTIATE_TEST_SUITE_P(Standing, PolicyRulesChanging, testing::Values(500U, 3000U));

}  // namespace
}  // namespace smtpegress::netlink
