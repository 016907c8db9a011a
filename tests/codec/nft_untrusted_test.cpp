// Messages that are not as expected: whatever is added, left out or spoiled, the rule is no longer ours, and nothing is
// read that is not there (run with AddressSanitizer for that half).
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "codec/nft_support.hpp"

namespace smtpegress::nft {
namespace {

using netlink::Attribute;
using netlink::Bytes;
using test::as_message;
using test::Octets;
using test::rule_message;

const ChainKey kChain{{Family::kIp, "filter"}, "FORWARD"};

/// Rules that together have every expression that we write.
std::vector<Rule> our_rules() {
  const auto prefix = [](const char* text) { return Prefix::parse(text).value(); };
  return {
      Rule{{MatchInterface{Way::kIn, "wg0", false, Sense::kIs}, MatchInterface{Way::kOut, "br-", true, Sense::kIs},
            MatchAddress{Side::kDestination, prefix("192.168.203.0/24"), Sense::kIs},
            MatchAddress{Side::kSource, prefix("10.0.0.0/9"), Sense::kIsNot}, MatchL4Proto{6, Sense::kIs},
            MatchPort{Side::kSource, PortRange{25, 25}, Sense::kIs},
            MatchPort{Side::kDestination, PortRange{1024, 65535}, Sense::kIs}, MatchTcpFlags{0x17, 0x02, Sense::kIsNot},
            MatchMark{Mark{0x19, 0xff}, Sense::kIs}},
           {Counter{}, Verdict{VerdictCode::kJump, "other"}},
           "smtp-egress:home"},
      Rule{{MatchNfProto{IpFamily::kV4}, MatchCtState{kCtEstablished}, MatchCtDirection{CtDirection::kReply},
            MatchPort{Side::kSource, PortRange{25, 26}, Sense::kIsNot}},
           {Counter{}, SetMark{Mark{0x19}}, SetMark{Mark{0x100, 0xff00}}, ClampMss{}},
           {}},
      Rule{{}, {Snat{}}, {}},
      Rule{{}, {Snat{IpAddress::parse("198.51.100.7").value()}}, {}},
      Rule{{}, {Masquerade{}}, {}},
      Rule{{}, {SetNetwork{Side::kDestination, prefix("240.168.203.0/24")}}, {}},
      Rule{{}, {Reject{}}, {}},
  };
}

// ---- taking messages apart and putting them together

Octets attribute(std::uint16_t type, const Octets& payload) {
  const std::size_t length = sizeof(nlattr) + payload.size();
  Octets bytes{static_cast<std::uint8_t>(length & 0xffU), static_cast<std::uint8_t>(length >> 8U),
               static_cast<std::uint8_t>(type & 0xffU), static_cast<std::uint8_t>(type >> 8U)};  // little-endian host
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  bytes.resize((length + 3) / 4 * 4);
  return bytes;
}

std::vector<Attribute> attributes(Bytes list) {
  std::vector<Attribute> found;
  while (const auto next = netlink::next_attribute(list)) {
    found.push_back(*next);
  }
  return found;
}

Octets joined(const std::vector<Octets>& parts) {
  Octets whole;
  for (const auto& part : parts) {
    whole.insert(whole.end(), part.begin(), part.end());
  }
  return whole;
}

Octets copy(Bytes bytes) {
  return {bytes.begin(), bytes.end()};
}

Octets with_length(Octets message) {
  nlmsghdr header{};
  std::memcpy(&header, message.data(), sizeof header);
  header.nlmsg_len = static_cast<std::uint32_t>(message.size());
  std::memcpy(message.data(), &header, sizeof header);
  return message;
}

struct Expression {
  Octets name;
  std::vector<Octets> attributes;  // of its data
};

std::vector<Expression> expressions_of(const Octets& message) {
  std::vector<Expression> expressions;
  const netlink::Attributes rule(netlink::message_payload(as_message(message), sizeof(nfgenmsg)));
  for (const auto& element : attributes(rule.bytes(NFTA_RULE_EXPRESSIONS))) {
    const netlink::Attributes fields(element.payload);
    Expression expression{copy(fields.bytes(NFTA_EXPR_NAME)), {}};
    for (const auto& field : attributes(fields.bytes(NFTA_EXPR_DATA))) {
      expression.attributes.push_back(copy(field.raw));
    }
    expressions.push_back(std::move(expression));
  }
  return expressions;
}

/// A message like `original`, with these expressions.
Octets rebuilt(const Octets& original, const std::vector<Expression>& expressions) {
  std::vector<Octets> list;
  for (const auto& e : expressions) {
    list.push_back(attribute(
        NFTA_LIST_ELEM | NLA_F_NESTED,
        joined({attribute(NFTA_EXPR_NAME, e.name), attribute(NFTA_EXPR_DATA | NLA_F_NESTED, joined(e.attributes))})));
  }
  constexpr std::size_t kHeaders = sizeof(nlmsghdr) + sizeof(nfgenmsg);
  std::vector<Octets> parts{copy(Bytes(original).first(kHeaders))};
  for (const auto& a : attributes(Bytes(original).subspan(kHeaders))) {
    parts.push_back(a.type == NFTA_RULE_EXPRESSIONS ? attribute(NFTA_RULE_EXPRESSIONS | NLA_F_NESTED, joined(list))
                                                    : copy(a.raw));
  }
  return with_length(joined(parts));
}

bool has_opaque(const Rule& rule) {
  return !test::opaque_parts(rule).empty();
}

TEST(NftUntrusted, RebuiltMessage_IsTheSame) {  // the tests below stand on this
  for (const auto& rule : our_rules()) {
    const auto message = rule_message(kChain, rule);
    const auto again = rebuilt(message, expressions_of(message));
    EXPECT_TRUE(test::same_bytes(message, again));
    EXPECT_EQ(test::decoded(again).rule, rule);
  }
}

/// Calls `spoil` for each attribute of each expression, on a copy each, and expects that none is taken for ours.
template <class Spoil>
void expect_never_ours(Spoil spoil) {
  for (const auto& rule : our_rules()) {
    const auto message = rule_message(kChain, rule);
    const auto expressions = expressions_of(message);
    for (std::size_t e = 0; e < expressions.size(); ++e) {
      for (std::size_t a = 0; a < expressions[e].attributes.size(); ++a) {
        auto spoiled = expressions;
        spoil(spoiled[e], a);
        const Rule read = test::decoded(rebuilt(message, spoiled)).rule;
        EXPECT_FALSE(same_rule(read, rule)) << "expression " << e << ", attribute " << a << ": " << to_string(read);
        EXPECT_TRUE(has_opaque(read)) << "expression " << e << ", attribute " << a << ": " << to_string(read);
      }
    }
  }
}

TEST(NftUntrusted, UnknownAttribute_MakesAnExpressionOpaque) {
  for (const std::uint16_t type :
       {std::uint16_t{0}, std::uint16_t{29}, std::uint16_t{31}, std::uint16_t{32}, std::uint16_t{4000}}) {
    expect_never_ours([&](Expression& e, std::size_t) { e.attributes.push_back(attribute(type, Octets{0, 0, 0, 0})); });
  }
}

TEST(NftUntrusted, MissingAttribute_MakesAnExpressionOpaque) {
  expect_never_ours(
      [](Expression& e, std::size_t a) { e.attributes.erase(e.attributes.begin() + static_cast<long>(a)); });
}

TEST(NftUntrusted, RepeatedAttribute_MakesAnExpressionOpaque) {
  expect_never_ours([](Expression& e, std::size_t a) { e.attributes.push_back(e.attributes[a]); });
}

TEST(NftUntrusted, AttributeOfOtherSize_MakesAnExpressionOpaque) {
  expect_never_ours([](Expression& e, std::size_t a) {
    Bytes rest = e.attributes[a];
    const auto whole = *netlink::next_attribute(rest);
    auto payload = copy(whole.payload);
    payload.resize(payload.size() + 4);
    e.attributes[a] = attribute(whole.type, payload);
  });
}

TEST(NftUntrusted, UnknownExpression_MakesTheRuleAnother) {
  for (const auto& rule : our_rules()) {
    const auto message = rule_message(kChain, rule);
    const auto expressions = expressions_of(message);
    for (std::size_t at = 0; at <= expressions.size(); ++at) {
      auto more = expressions;
      more.insert(more.begin() + static_cast<long>(at), Expression{{'n', 'e', 'w', 0}, {}});
      const Rule read = test::decoded(rebuilt(message, more)).rule;
      EXPECT_FALSE(same_rule(read, rule));
      const auto parts = test::opaque_parts(read);
      EXPECT_NE(std::ranges::find(parts, "new"), parts.end());
    }
  }
}

TEST(NftUntrusted, UnknownRuleAttribute_MakesTheRuleAnother) {
  const Rule rule{{}, {Counter{}}, {}};
  auto message = rule_message(kChain, rule);
  const auto more = attribute(27, Octets{1, 2, 3, 4});
  message.insert(message.end(), more.begin(), more.end());
  EXPECT_EQ(test::opaque_parts(test::decoded(with_length(message)).rule), std::vector<std::string>{"rule attribute"});
}

TEST(NftUntrusted, BytesBehindTheLastExpression_MakeTheRuleAnother) {
  const auto counter =
      attribute(NFTA_LIST_ELEM | NLA_F_NESTED, attribute(NFTA_EXPR_NAME, {'c', 'o', 'u', 'n', 't', 'e', 'r', 0}));
  for (const auto& rest : {Octets{0}, Octets{4, 0, 1}, Octets{3, 0, 1, 0}, Octets{200, 0, 1, 0}}) {
    const auto list = attribute(NFTA_RULE_EXPRESSIONS | NLA_F_NESTED, joined({counter, rest}));
    auto message = rule_message(kChain, Rule{});
    message.insert(message.end(), list.begin(), list.end());
    const Rule read = test::decoded(with_length(message)).rule;
    EXPECT_EQ(test::opaque_parts(read), std::vector<std::string>{"expression"}) << rest.size() << " bytes";
  }
}

/// Where in a list of attributes the values are, headers and padding left out.
void find_values(Bytes list, std::size_t offset, std::vector<std::size_t>& found) {
  while (const auto next = netlink::next_attribute(list)) {
    const std::size_t payload = offset + sizeof(nlattr);
    if ((next->raw[3] & (NLA_F_NESTED >> 8U)) != 0) {
      find_values(next->payload, payload, found);
    } else {
      for (std::size_t i = 0; i < next->payload.size(); ++i) {
        found.push_back(payload + i);
      }
    }
    offset += next->raw.size();
  }
}

TEST(NftUntrusted, EveryBitOfAValue_Counts) {
  for (const auto& rule : our_rules()) {
    const auto message = rule_message(kChain, rule);
    const auto expressions = expressions_of(message);
    for (std::size_t e = 0; e < expressions.size(); ++e) {
      for (std::size_t a = 0; a < expressions[e].attributes.size(); ++a) {
        std::vector<std::size_t> values;
        find_values(expressions[e].attributes[a], 0, values);
        for (std::size_t bit = 0; bit < 8 * values.size(); ++bit) {
          auto spoiled = expressions;
          auto& byte = spoiled[e].attributes[a][values[bit / 8]];
          byte = static_cast<std::uint8_t>(byte ^ (1U << (bit % 8)));
          EXPECT_FALSE(same_rule(test::decoded(rebuilt(message, spoiled)).rule, rule))
              << "expression " << e << ", attribute " << a << ", byte " << values[bit / 8] << ", bit " << bit % 8;
        }
      }
    }
  }
}

TEST(NftUntrusted, TruncatedMessage_IsNeverOurs) {
  for (const auto& rule : our_rules()) {
    const auto message = rule_message(kChain, rule);
    for (std::size_t length = sizeof(nlmsghdr); length < message.size(); ++length) {
      const auto cut = with_length(copy(Bytes(message).first(length)));
      if (const auto read = netlink::decode_nft_rule(as_message(cut))) {
        EXPECT_FALSE(same_rule(read->second.rule, rule)) << length << " of " << message.size() << " bytes";
      }
    }
  }
}

TEST(NftUntrusted, SpoiledMessages_AreReadWithoutHarm) {
  std::mt19937 random(25);  // NOLINT: the same spoiling in every run
  for (const auto& rule : our_rules()) {
    const auto message = rule_message(kChain, rule);
    for (int round = 0; round < 4000; ++round) {
      auto spoiled = message;
      for (auto flips = 1 + random() % 6; flips > 0; --flips) {
        const std::size_t at = sizeof(nlmsghdr) + random() % (spoiled.size() - sizeof(nlmsghdr));
        spoiled[at] = static_cast<std::uint8_t>(random());
      }
      const auto read = netlink::decode_nft_rule(as_message(spoiled));
      if (read) {
        EXPECT_FALSE(to_string(read->second.rule).empty() && !read->second.rule.matches.empty());
      }
      (void)netlink::decode_chain(as_message(spoiled)).has_value();
      (void)netlink::decode_table(as_message(spoiled)).has_value();
    }
  }
}

// ---- chains, tables, errors

Octets object_message(Family family, const std::vector<Octets>& attributes_of_it) {
  Octets headers(sizeof(nlmsghdr) + sizeof(nfgenmsg));
  headers[sizeof(nlmsghdr)] = static_cast<std::uint8_t>(family);
  std::vector<Octets> parts{headers};
  parts.insert(parts.end(), attributes_of_it.begin(), attributes_of_it.end());
  return with_length(joined(parts));
}

Octets text(const char* string) {
  return Octets(string, string + std::strlen(string) + 1);
}

TEST(NftMessages, BaseChain_HasItsHook) {
  const auto message = object_message(
      Family::kIp,
      {attribute(NFTA_CHAIN_TABLE, text("raw")), attribute(NFTA_CHAIN_NAME, text("PREROUTING")),
       attribute(NFTA_CHAIN_HANDLE, {0, 0, 0, 0, 0, 0, 0, 7}),
       attribute(NFTA_CHAIN_HOOK | NLA_F_NESTED, joined({attribute(NFTA_HOOK_HOOKNUM, {0, 0, 0, 0}),
                                                         attribute(NFTA_HOOK_PRIORITY, {0xff, 0xff, 0xfe, 0xd4})})),
       attribute(NFTA_CHAIN_POLICY, {0, 0, 0, 0}), attribute(NFTA_CHAIN_TYPE, text("filter"))});
  const auto chain = netlink::decode_chain(as_message(message));
  ASSERT_TRUE(chain);
  EXPECT_EQ(chain->key, (ChainKey{{Family::kIp, "raw"}, "PREROUTING"}));
  EXPECT_EQ(chain->handle, 7U);
  EXPECT_EQ(chain->hook, (BaseHook{ChainType::kFilter, Hook::kPrerouting, -300, Policy::kDrop}));
}

TEST(NftMessages, NetdevChains_HaveTheirHookAndDevices) {
  const auto decode = [](Family family, std::uint8_t hook, const Octets& devices) {
    return netlink::decode_chain(as_message(object_message(
        family,
        {attribute(NFTA_CHAIN_TABLE, text("t")), attribute(NFTA_CHAIN_NAME, text("c")),
         attribute(NFTA_CHAIN_HOOK | NLA_F_NESTED, joined({attribute(NFTA_HOOK_HOOKNUM, {0, 0, 0, hook}),
                                                           attribute(NFTA_HOOK_PRIORITY, {0, 0, 0, 0}), devices})),
         attribute(NFTA_CHAIN_TYPE, text("filter"))})));
  };
  const auto one = decode(Family::kNetdev, 0, attribute(NFTA_HOOK_DEV, text("wg0")));
  EXPECT_EQ(one->hook->hook, Hook::kIngress);
  EXPECT_EQ(one->devices, (std::vector{MatchInterface{Way::kIn, "wg0", false, Sense::kIs}}));
  constexpr std::uint16_t kPrefix = 2;  // NFTA_DEVICE_PREFIX, Linux 6.16
  const auto several =
      decode(Family::kNetdev, 1,
             attribute(NFTA_HOOK_DEVS | NLA_F_NESTED,
                       joined({attribute(NFTA_DEVICE_NAME, text("eth0")), attribute(kPrefix, {'b', 'r', '-'})})));
  EXPECT_EQ(several->hook->hook, Hook::kEgress);
  EXPECT_EQ(several->devices, (std::vector{MatchInterface{Way::kIn, "eth0", false, Sense::kIs},
                                           MatchInterface{Way::kIn, "br-", true, Sense::kIs}}));
  const auto inet = decode(Family::kInet, 5, attribute(NFTA_HOOK_DEV, text("wg0")));
  EXPECT_EQ(inet->hook->hook, Hook::kIngress);
  EXPECT_EQ(inet->devices.size(), 1U);
}

TEST(NftMessages, HookOfTheFuture_IsNoneOfTodays) {  // 0x0100 is not 0, prerouting
  const auto chain = netlink::decode_chain(as_message(object_message(
      Family::kIp, {attribute(NFTA_CHAIN_TABLE, text("t")), attribute(NFTA_CHAIN_NAME, text("c")),
                    attribute(NFTA_CHAIN_HOOK | NLA_F_NESTED, attribute(NFTA_HOOK_HOOKNUM, {0, 0, 1, 0}))})));
  ASSERT_TRUE(chain && chain->hook);
  EXPECT_GT(chain->hook->hook, Hook::kEgress);
}

TEST(NftMessages, OrdinaryChain_HasNoHook) {
  const auto chain = netlink::decode_chain(as_message(
      object_message(Family::kInet, {attribute(NFTA_CHAIN_TABLE, text("t")), attribute(NFTA_CHAIN_NAME, text("c"))})));
  ASSERT_TRUE(chain);
  EXPECT_FALSE(chain->hook);
}

TEST(NftMessages, ObjectsWithoutTheirNames_AreErrors) {
  const auto message = object_message(Family::kIp, {});
  for (const auto& error :
       {netlink::decode_nft_rule(as_message(message)).error(), netlink::decode_chain(as_message(message)).error(),
        netlink::decode_table(as_message(message)).error()}) {
    EXPECT_EQ(error.kind, ErrorKind::kKernel);
    EXPECT_EQ(error.errnum, EBADMSG);
  }
}

TEST(NftMessages, Table_OfAFamilyOfTheFuture_IsKept) {
  const auto message = object_message(static_cast<Family>(99), {attribute(NFTA_TABLE_NAME, text("t"))});
  const auto table = netlink::decode_table(as_message(message));
  ASSERT_TRUE(table);
  EXPECT_EQ(to_string(*table), "unknown t");
}

}  // namespace
}  // namespace smtpegress::nft
