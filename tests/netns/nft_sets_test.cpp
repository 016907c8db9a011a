// Named sets of ours on the real kernel, and as nft lists and takes them.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "netns/nft_namespace.hpp"

namespace smtpegress::nft {
namespace {

using test::in_new_namespace;
using test::must_run;
using test::Nft;

constexpr auto kV4 = IpFamily::kV4;
constexpr auto kV6 = IpFamily::kV6;
const TableKey kTable{Family::kInet, "smtp-egress-many"};

class NftSets : public test::NamespaceTest {};

IpAddress address(const std::string& text) {
  return IpAddress::parse(text).value();
}
SetKey set(const char* name) {
  return {kTable, name};
}

struct Case {
  SetKey key;
  SetType type;
  std::vector<SetElement> elements;
};
std::vector<Case> all_kinds() {
  const auto a4 = address("10.0.1.0");
  const auto b4 = address("203.0.113.10");
  const auto a6 = address("fd00:1::");
  const auto b6 = address("2001:db8::10");
  return {{set("tunnels"), {true, {}, {}}, {{"wg0", {}, {}}, {"wg1", {}, {}}}},
          {set("networks4"), {false, kV4, {}}, {{"", a4, {}}}},
          {set("networks6"), {false, kV6, {}}, {{"", a6, {}}}},
          {set("senders4"), {true, kV4, {}}, {{"wg0", a4, {}}, {"wg1", b4, {}}}},
          {set("senders6"), {true, kV6, {}}, {{"wg0", a6, {}}}},
          {set("addresses4"), {false, kV4, kV4}, {{"", a4, b4}}},
          {set("addresses6"), {false, kV6, kV6}, {{"", a6, b6}}},
          {set("both4"), {true, kV4, kV4}, {{"wg0", a4, b4}}},
          {set("both6"), {true, kV6, kV6}, {{"wg0", a6, b6}}}};
}
Batch batch_of(const std::vector<Case>& cases) {
  Batch batch{AddTable{kTable}};
  for (const auto& [key, type, elements] : cases) {
    batch.emplace_back(AddSet{key, type});
    batch.emplace_back(AddElements{key, type, elements});
  }
  return batch;
}
void expect_all(const Ruleset& ruleset, const std::vector<Case>& cases) {
  for (const auto& [key, type, elements] : cases) {
    const auto* observed = ruleset.find_set(key);
    ASSERT_NE(observed, nullptr) << to_string(key);
    EXPECT_EQ(observed->type, type) << to_string(key);
    EXPECT_EQ(observed->elements, elements) << to_string(key);
  }
  EXPECT_EQ(ruleset.sets.size(), cases.size());
}

TEST_F(NftSets, EveryKind_IsReadAsMade_AndAsNftMakesItOfItsListing) {
  in_new_namespace([] {
    Nft nft;
    nft.must_commit(batch_of(all_kinds()));
    expect_all(nft.observe(), all_kinds());
    const auto listing = must_run("nft list ruleset");
    for (const auto* words : {"type ifname . ipv4_addr\n", "\"wg1\" . 203.0.113.10", "10.0.1.0 : 203.0.113.10",
                              "type ifname . ipv6_addr : ipv6_addr", "\"wg0\" . fd00:1:: : 2001:db8::10"}) {
      EXPECT_NE(listing.find(words), std::string::npos) << words << listing;
    }
    must_run("nft flush ruleset; printf '%s' '" + listing + "' | nft -f -");
    expect_all(nft.observe(), all_kinds());
    EXPECT_EQ(must_run("nft list ruleset"), listing);
  });
}

TEST_F(NftSets, ManyElements_ComeWholeAndOnce) {
  in_new_namespace([] {
    constexpr std::size_t kMany = 20'000;
    std::vector<SetElement> elements;
    for (std::size_t i = 0; i < kMany; ++i) {
      auto network = address("10.0.0.0");
      network.bytes[1] = static_cast<std::uint8_t>(i >> 8U);
      network.bytes[2] = static_cast<std::uint8_t>(i & 0xffU);
      elements.push_back({"wg0", network, {}});
    }
    const SetType type{true, kV4, {}};
    Batch batch{AddTable{kTable}, AddSet{set("senders"), type}};
    for (std::size_t i = 0; i < kMany; i += kElementsInStep) {
      const auto begin = elements.begin() + static_cast<std::ptrdiff_t>(i);
      const auto end = elements.begin() + static_cast<std::ptrdiff_t>(std::min(kMany, i + kElementsInStep));
      batch.emplace_back(AddElements{set("senders"), type, {begin, end}});
    }
    Nft nft;
    nft.must_commit(batch);
    expect_all(nft.observe(), {{set("senders"), type, elements}});
  });
}

TEST_F(NftSets, ElementsGoAndChange_OneByOne) {
  in_new_namespace([] {
    Nft nft;
    nft.must_commit(batch_of(all_kinds()));
    const SetType map{false, kV4, kV4};
    const SetElement old_value{"", address("10.0.1.0"), address("203.0.113.10")};
    const SetElement new_value{"", address("10.0.1.0"), address("203.0.113.11")};
    EXPECT_FALSE(nft.commit({AddElements{set("addresses4"), map, {new_value}}})) << "a key has one value";
    nft.must_commit(
        {DeleteElements{set("addresses4"), map, {old_value}}, AddElements{set("addresses4"), map, {new_value}}});
    EXPECT_EQ(nft.observe().find_set(set("addresses4"))->elements, std::vector{new_value});
    EXPECT_FALSE(nft.commit({DeleteElements{set("networks4"), {false, kV4, {}}, {{"", address("10.9.9.0"), {}}}}}));
  });
}

TEST_F(NftSets, WhatOthersMadeOfThem_IsNotTakenForOurs) {
  in_new_namespace([] {
    Nft nft;
    nft.must_commit(batch_of(all_kinds()));
    must_run("nft 'add element inet smtp-egress-many networks4 { 10.0.9.0 comment \"x\" }'");
    must_run(
        "nft 'add set inet smtp-egress-many ranges { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 }; }'");
    must_run("nft 'add set inet smtp-egress-many timed { type ipv4_addr; timeout 1d; }'");
    must_run("nft 'add set inet smtp-egress-many sized { type ipv4_addr; size 2; }'");
    must_run("nft 'add element inet smtp-egress-many networks6 { * }'");
    must_run(
        "nft 'add chain inet smtp-egress-many c; add rule inet smtp-egress-many c ip saddr { 10.0.0.1, 10.0.0.2 } "
        "drop'");
    must_run("nft 'add table inet t; add set inet t networks4 { type ipv4_addr; }'");
    const auto ruleset = nft.observe();
    const auto& elements = ruleset.find_set(set("networks4"))->elements;
    ASSERT_EQ(elements.size(), 2U);
    EXPECT_TRUE(std::ranges::find(elements, address("10.0.9.0"), &SetElement::address)->altered);
    EXPECT_FALSE(ruleset.find_set(set("ranges"))->type);
    EXPECT_FALSE(ruleset.find_set(set("timed"))->type);
    EXPECT_FALSE(ruleset.find_set(set("sized"))->type);
    EXPECT_FALSE(ruleset.find_set(set("networks6"))->type) << "whatever is in none of the networks is in it";
    EXPECT_EQ(ruleset.sets.size(), all_kinds().size() + 3) << "neither anonymous ones nor another table's";
  });
}

TEST_F(NftSets, LookUps_AreWhatNftMakesOfTheSameWords) {
  in_new_namespace([] {
    const MaskedAddress source{Side::kSource, kV4, 24};
    const MaskedAddress destination6{Side::kDestination, kV6, 64};
    const std::vector<std::pair<std::string, Rule>> cases{
        {"iifname @tunnels", {{MatchSet{"tunnels", Way::kIn, {}, Sense::kIs}}, {}, {}}},
        {"iifname . ip saddr & 255.255.255.0 @senders4",
         {{MatchNfProto{kV4}, MatchSet{"senders4", Way::kIn, source, Sense::kIs}}, {}, {}}},
        {"iifname . ip saddr & 255.255.255.0 != @senders4",
         {{MatchNfProto{kV4}, MatchSet{"senders4", Way::kIn, source, Sense::kIsNot}}, {}, {}}},
        {"ip saddr & 255.255.255.0 == @networks4",
         {{MatchNfProto{kV4}, MatchSet{"networks4", {}, source, Sense::kIs}}, {}, {}}},
        {"ip saddr @networks4",
         {{MatchNfProto{kV4}, MatchSet{"networks4", {}, MaskedAddress{Side::kSource, kV4, 32}, Sense::kIs}}, {}, {}}},
        {"oifname . ip6 daddr & ffff:ffff:ffff:ffff:: @senders6",
         {{MatchNfProto{kV6}, MatchSet{"senders6", Way::kOut, destination6, Sense::kIs}}, {}, {}}},
    };
    Nft nft;
    auto batch = batch_of(all_kinds());
    const ChainKey ours{kTable, "ours"};
    const BaseHook hook{ChainType::kFilter, Hook::kForward, 0, Policy::kAccept};
    batch.emplace_back(AddChain{ours, hook});
    batch.emplace_back(AddChain{{kTable, "theirs"}, hook});
    const Rule snat{{MatchNfProto{kV4}}, {SnatByMap{"addresses4", source}}, {}};
    const BaseHook nat{ChainType::kNat, Hook::kPostrouting, 99, Policy::kAccept};
    batch.emplace_back(AddChain{{kTable, "post"}, nat});
    batch.emplace_back(AppendRule{{kTable, "post"}, snat});
    for (const auto& [words, rule] : cases) {
      batch.emplace_back(AppendRule{ours, rule});
    }
    nft.must_commit(batch);
    must_run("nft 'add rule inet smtp-egress-many post snat ip to ip saddr & 255.255.255.0 map @addresses4'");
    std::vector<Rule> expected;
    for (const auto& [words, rule] : cases) {
      must_run("nft 'add rule inet smtp-egress-many theirs " + words + "'");
      expected.push_back(rule);
    }
    EXPECT_EQ(nft.rules(ours), expected);
    EXPECT_EQ(nft.rules({kTable, "theirs"}), expected);
    const auto post = nft.rules({kTable, "post"});
    ASSERT_EQ(post.size(), 2U);
    EXPECT_EQ(post.front(), snat);
    EXPECT_EQ(post.back().statements, snat.statements);
  });
}

}  // namespace
}  // namespace smtpegress::nft
