// Rules of nf_tables: what is understood can be written and reads the same, and what nobody knows, wherever it stands,
// makes another rule.
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "fuzz/netlink_mutator.hpp"
#include "fuzz/nft_messages.hpp"
#include "netlink/attributes.hpp"

using namespace smtpegress;

const std::size_t fuzz::kHeaderSize = sizeof(nfgenmsg);

namespace {

enum class Nest : std::uint8_t { kRule, kExpressions, kExpression, kFields, kData, kVerdict };

/// What an attribute of a nest is, where it is one itself. `name` is the expression's.
std::optional<Nest> nest_of(Nest outer, std::uint16_t type, std::string_view name) {
  switch (outer) {
    case Nest::kRule:
      return type == NFTA_RULE_EXPRESSIONS ? std::optional(Nest::kExpressions) : std::nullopt;
    case Nest::kExpressions:
      return type == NFTA_LIST_ELEM ? std::optional(Nest::kExpression) : std::nullopt;
    case Nest::kExpression:
      return type == NFTA_EXPR_DATA ? std::optional(Nest::kFields) : std::nullopt;
    case Nest::kFields: {
      const bool data = (name == "cmp" && type == NFTA_CMP_DATA) ||
                        (name == "immediate" && type == NFTA_IMMEDIATE_DATA) ||
                        (name == "bitwise" && (type == NFTA_BITWISE_MASK || type == NFTA_BITWISE_XOR)) ||
                        (name == "range" && (type == NFTA_RANGE_FROM_DATA || type == NFTA_RANGE_TO_DATA));
      return data ? std::optional(Nest::kData) : std::nullopt;
    }
    case Nest::kData:
      return type == NFTA_DATA_VERDICT ? std::optional(Nest::kVerdict) : std::nullopt;
    case Nest::kVerdict:
      return std::nullopt;
  }
  return std::nullopt;
}

/// Writes `list` anew, with an attribute more that nobody knows at the end of one nest, the one at which `place` has
/// been counted down to zero.
fuzz::Octets with_unknown_at(netlink::Bytes list, Nest nest, std::string_view name, std::size_t& place) {
  fuzz::Octets written;
  while (const auto attribute = netlink::next_attribute(list)) {
    if (nest == Nest::kExpression && attribute->type == NFTA_EXPR_NAME) {
      name = fuzz::text_of(attribute->payload);
      name = name.substr(0, name.find('\0'));
    }
    const auto inner = nest_of(nest, attribute->type, name);
    fuzz::append(written,
                 inner ? fuzz::attribute(attribute->type, with_unknown_at(attribute->payload, *inner, name, place))
                       : fuzz::Octets(attribute->raw.begin(), attribute->raw.end()));
  }
  fuzz::append(written, list);
  if (place-- == 0) {
    fuzz::append(written, fuzz::attribute(fuzz::kUnknownType, fuzz::Octets(4)));
  }
  return written;
}

bool has_opaque(const nft::Rule& rule) {
  return std::ranges::any_of(rule.matches, [](const auto& m) { return std::holds_alternative<nft::MatchOpaque>(m); }) ||
         std::ranges::any_of(rule.statements,
                             [](const auto& s) { return std::holds_alternative<nft::StatementOpaque>(s); });
}

void must_read_the_same(const nft::ChainKey& chain, const nft::Rule& rule) {
  const auto written = fuzz::payload_of_step(nft::AppendRule{chain, rule});
  if (!written) {
    // A rule longer than ours ever are, or in a chain without a name.
    const bool excused = rule.matches.size() + rule.statements.size() > 32 || !fuzz::name_fits(chain);
    fuzz::must(excused, written.error().message());
    return;
  }
  const auto again = netlink::decode_nft_rule(fuzz::Message(*written).header());
  fuzz::must(again && again->first == chain, "a rule's chain is written and reads the same");
  fuzz::must_be_same(rule, again->second.rule);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Bytes input(data, size);
  const auto read = netlink::decode_nft_rule(fuzz::Message(input).header());
  if (!read) {
    fuzz::must_be_malformed(read.error());
    return 0;
  }
  const auto& [chain, observed] = *read;
  (void)to_string(observed.rule);
  fuzz::must(same_rule(observed.rule, observed.rule), "a rule is the same as itself");
  if (!has_opaque(observed.rule)) {
    must_read_the_same(chain, observed.rule);
  }

  const auto list = input.subspan(sizeof(nfgenmsg));
  std::size_t left = std::numeric_limits<std::size_t>::max();
  (void)with_unknown_at(list, Nest::kRule, {}, left);
  std::size_t place = size % (std::numeric_limits<std::size_t>::max() - left);  // all of them, one an input
  for (const auto byte : input) {
    place = (place * 31 + byte) % (std::numeric_limits<std::size_t>::max() - left);
  }
  const auto header = input.first(sizeof(nfgenmsg));
  const auto more = netlink::decode_nft_rule(
      fuzz::Message(fuzz::joined({{header.begin(), header.end()}, with_unknown_at(list, Nest::kRule, {}, place)}))
          .header());
  fuzz::must(more && !same_rule(more->second.rule, observed.rule), "an attribute that nobody knows makes another rule");
  return 0;
}
