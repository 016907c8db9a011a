// Which foreign policy rule takes the mail before ours does, and which only look as if.
#include "model/rule_walk.hpp"

#include <gtest/gtest.h>
#include <linux/fib_rules.h>

#include <cstddef>
#include <functional>

#include "model/mail_flow.hpp"
#include "support/hosts.hpp"

namespace smtpegress {
namespace {

struct Ahead {
  std::string name;
  std::function<void(PolicyRule&)> is;
  std::optional<Holds> takes;  ///< nothing: it takes none of the mail
  friend void PrintTo(const Ahead& value, std::ostream* out) { *out << value.name; }
};

auto with(std::vector<UnknownAttribute> other) {
  return [other](PolicyRule& rule) { rule.other = other; };
}
UnknownAttribute bytes(int type, std::vector<std::uint8_t> value) {
  return {static_cast<std::uint16_t>(type), std::move(value)};
}
UnknownAttribute header(std::size_t offset, std::vector<std::uint8_t> value) {
  return {static_cast<std::uint16_t>(kHeaderField + offset), std::move(value)};
}
UnknownAttribute interface(int type, std::string name) {
  return bytes(type, {name.c_str(), name.c_str() + name.size() + 1});
}
std::function<void(PolicyRule&)> from(std::vector<std::uint8_t> address, std::uint8_t length) {
  return with({bytes(FRA_SRC, std::move(address)), header(offsetof(fib_rule_hdr, src_len), {length})});
}

std::vector<Ahead> rules() {
  return {
      {"everything", [](PolicyRule&) {}, Holds::kYes},
      {"our_mark",
       [](PolicyRule& r) {
         r.mark = Mark{0x19, 0xffffffff};
       },
       Holds::kYes},
      {"a_bit_of_our_mark",
       [](PolicyRule& r) {
         r.mark = Mark{0x1, 0x1};
       },
       Holds::kYes},
      {"another_mark",
       [](PolicyRule& r) {
         r.mark = Mark{0x2, 0x2};
       },
       {}},
      {"no_mark",
       [](PolicyRule& r) {
         r.mark = Mark{0, 0xffffffff};
       },
       {}},
      {"the_source", from({192, 168, 203, 0}, 24), Holds::kYes},
      {"around_the_source", from({192, 168, 0, 0}, 16), Holds::kYes},
      {"one_container", from({192, 168, 203, 10}, 32), Holds::kSome},
      {"another_network", from({192, 168, 204, 0}, 24), {}},
      {"the_bridge", with({interface(FRA_IIFNAME, "br-mailu")}), Holds::kYes},
      {"another_interface", with({interface(FRA_IIFNAME, "eth1")}), {}},
      {"the_hosts_own", with({interface(FRA_IIFNAME, "lo")}), {}},
      {"sockets_bound_to_an_interface", with({interface(FRA_OIFNAME, "eth0")}), {}},
      {"tcp_25", with({bytes(FRA_IP_PROTO, {6}), bytes(FRA_DPORT_RANGE, {25, 0, 25, 0})}), Holds::kYes},
      {"tcp_443", with({bytes(FRA_IP_PROTO, {6}), bytes(FRA_DPORT_RANGE, {0xbb, 1, 0xbb, 1})}), {}},
      {"udp", with({bytes(FRA_IP_PROTO, {17})}), {}},
      {"some_source_ports", with({bytes(FRA_SPORT_RANGE, {0, 4, 0, 8})}), Holds::kMaybe},
      {"some_destination", with({bytes(FRA_DST, {8, 0, 0, 0}), header(offsetof(fib_rule_hdr, dst_len), {8})}),
       Holds::kMaybe},
      {"root_as_which_forwarded_packets_count", with({bytes(FRA_UID_RANGE, {0, 0, 0, 0, 9, 0, 0, 0})}), Holds::kYes},
      {"a_user", with({bytes(FRA_UID_RANGE, {9, 0, 0, 0, 9, 0, 0, 0})}), {}},
      {"not_another_network",
       with({bytes(FRA_SRC, {10, 0, 0, 0}), header(offsetof(fib_rule_hdr, src_len), {8}),
             header(offsetof(fib_rule_hdr, flags), {FIB_RULE_INVERT, 0, 0, 0})}),
       Holds::kYes},
      {"not_the_source",
       with({bytes(FRA_SRC, {192, 168, 203, 0}), header(offsetof(fib_rule_hdr, src_len), {24}),
             header(offsetof(fib_rule_hdr, flags), {FIB_RULE_INVERT, 0, 0, 0})}),
       {}},
      {"main_without_its_default_route", with({bytes(FRA_SUPPRESS_PREFIXLEN, {0, 0, 0, 0})}), {}},
      {"an_empty_table", [](PolicyRule& r) { r.table = {77}; }, {}},
      {"a_vpns_networks", [](PolicyRule& r) { r.table = {52}; }, {}},
      {"a_table_in_halves", [](PolicyRule& r) { r.table = {53}; }, Holds::kYes},
      {"unreachable", [](PolicyRule& r) { r.action = FR_ACT_UNREACHABLE; }, Holds::kYes},
      {"nothing_to_do", [](PolicyRule& r) { r.action = FR_ACT_NOP; }, {}},
      {"a_jump_past_ours",
       [](PolicyRule& r) {
         r.action = FR_ACT_GOTO;
         r.other = {bytes(FRA_GOTO, {0xfe, 0x7f, 0, 0})};
       },
       Holds::kYes},
      {"a_jump_before_ours",
       [](PolicyRule& r) {
         r.action = FR_ACT_GOTO;
         r.other = {bytes(FRA_GOTO, {200, 0, 0, 0})};
       },
       {}},
  };
}

class RuleWalk : public testing::TestWithParam<Ahead> {
 protected:
  RuleWalk() : host_(test::docker_home()) {
    auto route = test::script_route();
    route.table = {52};
    route.destination = test::prefix("100.64.0.0/10");
    host_.state.routes.push_back(route);
    route.table = {53};
    route.destination = test::prefix("128.0.0.0/1");
    host_.state.routes.push_back(route);
    host_.state.rules.insert(host_.state.rules.begin() + 1, ours_);
  }
  [[nodiscard]] std::optional<RuleAhead> found() const {
    const auto profile = test::home_profile();
    const auto host = resolve_host(profile, host_.state);
    return find_rule_ahead(host_.state, ours_, outgoing_packets(profile, *host).front().facts);
  }
  [[nodiscard]] PolicyRule foreign(const std::function<void(PolicyRule&)>& is) const {
    PolicyRule rule;
    rule.priority = {100};
    rule.table = kMainTable;
    is(rule);
    return rule;
  }

  PolicyRule ours_ = test::script_policy_rule();
  test::FakeHost host_;
};

TEST_P(RuleWalk, ARuleAhead_IsFoundWhereItTakesTheMail) {
  const auto rule = foreign(GetParam().is);
  host_.state.rules.insert(host_.state.rules.begin() + 1, rule);
  const auto ahead = found();
  EXPECT_EQ(ahead.has_value(), GetParam().takes.has_value());
  if (ahead && GetParam().takes) {
    EXPECT_EQ(ahead->rule, rule);
    EXPECT_EQ(ahead->takes, *GetParam().takes);
  }
}

INSTANTIATE_TEST_SUITE_P(Every, RuleWalk, testing::ValuesIn(rules()),
                         [](const auto& parameter) { return parameter.param.name; });

TEST_F(RuleWalk, ACertainOne_IsToldBeforeAnEarlierDoubtfulOne) {
  const auto doubtful = foreign(with({bytes(FRA_SPORT_RANGE, {0, 4, 0, 8})}));
  const auto certain = foreign([](PolicyRule& r) { r.priority = {200}; });
  host_.state.rules.insert(host_.state.rules.begin() + 1, {doubtful, certain});
  EXPECT_EQ(found()->rule, certain);
}

TEST_F(RuleWalk, BehindOursOrWithoutOurs_ThereIsNothingToFind) {
  EXPECT_FALSE(found());
  host_.state.rules.insert(host_.state.rules.begin() + 2, foreign([](PolicyRule& r) { r.priority = {10'026}; }));
  EXPECT_FALSE(found());
  std::erase(host_.state.rules, ours_);
  EXPECT_FALSE(found());
}

}  // namespace
}  // namespace smtpegress
