// RuleReader's tests: expressions that end a rule where they do not hold.
#include "netlink/nft_rule_reader.hpp"

#include <linux/if_ether.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace smtpegress::netlink {
namespace {

/// Where a chain sees frames, `meta protocol ip` says what `meta nfproto ipv4` says elsewhere.
std::optional<nft::Match> network_of_ether_type(const Loaded& value, std::uint32_t op, Bytes data) {
  const bool plain = value.source == Loaded::Source::kMeta && value.key == NFT_META_PROTOCOL && value.mask.empty() &&
                     data.size() == value.length && op == NFT_CMP_EQ;
  if (!plain || (load_be16(data) != ETH_P_IP && load_be16(data) != ETH_P_IPV6)) {
    return std::nullopt;
  }
  return nft::MatchNfProto{load_be16(data) == ETH_P_IP ? IpFamily::kV4 : IpFamily::kV6};
}

}  // namespace

void RuleReader::compare(const Expression& e) {
  const Bytes data = data_value(e.data, NFTA_CMP_DATA);
  Loaded* value = source(e, NFTA_CMP_SREG, data.size());
  const auto op = e.data.be32(NFTA_CMP_OP);
  if (value == nullptr || data.empty() || !op || !e.data.only({NFTA_CMP_SREG, NFTA_CMP_OP, NFTA_CMP_DATA})) {
    opaque_test(e, value != nullptr ? value->what() : "cmp", value);
    return;
  }
  value->pieces.append(e.raw);
  const bool is_port = value->source == Loaded::Source::kPayload && value->mask.empty() &&
                       (value->field == kSourcePort || value->field == kDestinationPort) &&
                       data.size() == value->length;
  if (is_port && *op == NFT_CMP_GTE && !value->at_least) {
    value->at_least = load_be16(data);
    value->used = false;  // half a range tests, too, if the other half never comes
    return;
  }
  auto match = match_of_compare(*value, *op, data, network_);
  if (!match && (family_ == nft::Family::kNetdev || family_ == nft::Family::kBridge)) {
    match = network_of_ether_type(*value, *op, data);
  }
  value->at_least.reset();
  value->used = true;
  if (match && observed_.rule.statements.empty() && std::holds_alternative<nft::MatchNfProto>(*match)) {
    network_ = std::get<nft::MatchNfProto>(*match).family;
  }
  if (!add_match(std::move(match))) {
    add_opaque(value->what(), value->pieces.copy());
  }
}

void RuleReader::range(const Expression& e) {
  const Bytes from = data_value(e.data, NFTA_RANGE_FROM_DATA);
  const Bytes to = data_value(e.data, NFTA_RANGE_TO_DATA);
  const auto op = e.data.be32(NFTA_RANGE_OP);
  Loaded* value = source(e, NFTA_RANGE_SREG, from.size());
  const bool plain = e.data.only({NFTA_RANGE_SREG, NFTA_RANGE_OP, NFTA_RANGE_FROM_DATA, NFTA_RANGE_TO_DATA}) && op &&
                     value != nullptr && value->source == Loaded::Source::kPayload && value->mask.empty() &&
                     !value->at_least && (value->field == kSourcePort || value->field == kDestinationPort) &&
                     from.size() == value->length && to.size() == value->length && load_be16(from) <= load_be16(to) &&
                     (*op == NFT_RANGE_EQ || *op == NFT_RANGE_NEQ);
  if (!plain) {
    opaque_test(e, "range", value);
    return;
  }
  value->pieces.append(e.raw);
  value->used = true;
  const nft::MatchPort match{.side = value->field == kSourcePort ? nft::Side::kSource : nft::Side::kDestination,
                             .ports = PortRange{load_be16(from), load_be16(to)},
                             .sense = *op == NFT_RANGE_EQ ? nft::Sense::kIs : nft::Sense::kIsNot};
  if (!add_match(match)) {
    add_opaque("range", value->pieces.copy());
  }
}

/// "ip6 daddr set", of one or more of whose addresses the packet's has to be.
std::optional<std::string> RuleReader::address_set(const Expression& e, const Loaded* value) const {
  const bool is_plain = e.data.be32(NFTA_LOOKUP_FLAGS).value_or(0) == 0;  // no NFT_LOOKUP_F_INV
  if (value == nullptr || !network_ || value->source != Loaded::Source::kPayload || !is_plain) {
    return std::nullopt;
  }
  const std::string family = *network_ == IpFamily::kV4 ? "ip" : "ip6";
  if (value->field == address_field(*network_, nft::Side::kSource)) {
    return family + " saddr set";
  }
  return value->field == address_field(*network_, nft::Side::kDestination) ? std::optional(family + " daddr set")
                                                                           : std::nullopt;
}

void RuleReader::lookup(const Expression& e) {
  if (is_own_table_ && own_lookup(e)) {
    return;
  }
  const Loaded* value = source(e, NFTA_LOOKUP_SREG, 0);
  const bool by_state = value != nullptr && value->what() == "ct state";
  if (!e.data.has(NFTA_LOOKUP_DREG)) {
    opaque_test(e, by_state ? std::string(kStateSet) : address_set(e, value).value_or("lookup"), value);
  } else if (e.data.be32(NFTA_LOOKUP_DREG) == NFT_REG_VERDICT) {
    opaque_effect(e,
                  std::string(by_state ? kStateMap : "vmap"));  // a verdict from a map: what it does depends on the map
  } else {
    opaque_test(e, "map", value);  // the lookup tests, what it loads is unknown
  }
}

void RuleReader::xt_match(const Expression& e) {
  const std::string_view name = e.data.text(NFTA_MATCH_NAME).value_or("");
  const auto revision = e.data.be32(NFTA_MATCH_REV);
  const Bytes info = e.data.bytes(NFTA_MATCH_INFO);
  const bool plain = e.data.only({NFTA_MATCH_NAME, NFTA_MATCH_REV, NFTA_MATCH_INFO}) && revision.has_value();
  auto& rule = observed_.rule;
  if (plain && name == "comment" && *revision == 0) {
    const std::string_view comment = view_until_nul(info);
    if (rule.comment.empty() || rule.comment == comment) {
      rule.comment = comment;
      return;
    }
  }
  auto matches = plain && rule.statements.empty() ? matches_of_xt(name, *revision, info) : std::nullopt;
  if (!matches) {
    add_opaque("xt " + std::string(name), copy_of(e.raw));
    return;
  }
  std::ranges::move(*matches, std::back_inserter(rule.matches));
}

void RuleReader::other_test(const Expression& e) {
  add_opaque(std::string(e.name), copy_of(e.raw));
}

}  // namespace smtpegress::netlink
