#include "netlink/nft_state_sets.hpp"

// libc's structures before linux/*, see nft_layout.hpp.
#include <libmnl/libmnl.h>
#include <netinet/in.h>

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <string>

#include "netlink/exchange.hpp"
#include "netlink/nft_rule_reader.hpp"

namespace smtpegress::netlink {
namespace {

constexpr std::uint32_t kEveryState =
    nft::kCtInvalid | nft::kCtEstablished | nft::kCtRelated | nft::kCtNew | nft::kCtUntracked;

struct Lookup {
  std::string set;
  bool inverted = false;
};

/// Of the expressions behind an opaque part: a load and its lookup, and nothing beside them.
std::optional<Lookup> lookup_in(Bytes expressions) {
  const auto load = next_attribute(expressions);
  const auto lookup = next_attribute(expressions);
  if (!load || !lookup || !expressions.empty()) {
    return std::nullopt;
  }
  const Attributes expression(lookup->payload);
  const Attributes data(expression.bytes(NFTA_EXPR_DATA));
  const auto set = data.text(NFTA_LOOKUP_SET);
  const auto flags = data.be32(NFTA_LOOKUP_FLAGS).value_or(0);
  const bool plain =
      data.only({NFTA_LOOKUP_SET, NFTA_LOOKUP_SREG}, {NFTA_LOOKUP_SET_ID, NFTA_LOOKUP_FLAGS, NFTA_LOOKUP_DREG}) &&
      (flags & ~std::uint32_t{NFT_LOOKUP_F_INV}) == 0;
  // Named ones may be filled by packets, without a new generation.
  const bool anonymous = set && (set->starts_with("__set") || set->starts_with("__map"));
  return plain && anonymous ? std::optional(Lookup{std::string(*set), flags != 0}) : std::nullopt;
}

/// Reads each set once.
class Reader {
 public:
  explicit Reader(int fd) : fd_(fd) {}

  const std::optional<std::vector<StateElement>>& elements(const nft::TableKey& table, const std::string& set) {
    const auto [place, is_new] = known_.try_emplace(std::pair(table, set));
    if (is_new) {
      place->second = ask_for(table, set);
    }
    return place->second;
  }

 private:
  [[nodiscard]] std::optional<std::vector<StateElement>> ask_for(const nft::TableKey& table,
                                                                 const std::string& set) const {
    alignas(nlmsghdr) std::array<char, 1024> buffer{};  // bytes; the two names have at most 256 each
    auto* header = mnl_nlmsg_put_header(buffer.data());
    header->nlmsg_type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETSETELEM;
    header->nlmsg_flags = NLM_F_DUMP;
    auto* nfnetlink = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(header, sizeof(nfgenmsg)));
    nfnetlink->nfgen_family = static_cast<std::uint8_t>(table.family);
    nfnetlink->version = NFNETLINK_V0;
    if (!mnl_attr_put_strz_check(header, buffer.size(), NFTA_SET_ELEM_LIST_TABLE, table.name.c_str()) ||
        !mnl_attr_put_strz_check(header, buffer.size(), NFTA_SET_ELEM_LIST_SET, set.c_str())) {
      return std::nullopt;
    }
    const auto answer = dump(fd_, header);
    if (!answer) {
      return std::nullopt;
    }
    std::vector<StateElement> all;
    for (const auto* message : *answer) {
      const auto elements = decode_state_elements(message);
      if (!elements) {
        return std::nullopt;
      }
      all.insert(all.end(), elements->begin(), elements->end());
    }
    std::ranges::sort(all);  // the kernel has them in any order, and a packet has one state
    return all;
  }

  int fd_;
  std::map<std::pair<nft::TableKey, std::string>, std::optional<std::vector<StateElement>>> known_;
};

/// In the place of an opaque test.
void read_test(Reader& reader, const nft::TableKey& table, nft::Match& match) {
  const auto* opaque = std::get_if<nft::MatchOpaque>(&match);
  const auto lookup = opaque != nullptr && opaque->what == kStateSet ? lookup_in(opaque->bytes) : std::nullopt;
  if (!lookup) {
    return;
  }
  if (const auto& elements = reader.elements(table, lookup->set)) {
    std::uint32_t states = 0;
    for (const auto& element : *elements) {
      states |= element.state;
    }
    match = nft::MatchCtState{lookup->inverted ? kEveryState & ~states : states};
  }
}

/// In the place of a rule that ends in a map; empty where it does not.
std::vector<nft::ObservedRule> read_map(Reader& reader, const nft::TableKey& table, const nft::ObservedRule& rule) {
  const auto& statements = rule.rule.statements;
  const auto* opaque = statements.empty() ? nullptr : std::get_if<nft::StatementOpaque>(&statements.back());
  const auto lookup = opaque != nullptr && opaque->what == kStateMap ? lookup_in(opaque->bytes) : std::nullopt;
  std::vector<nft::ObservedRule> rules;
  if (!lookup || lookup->inverted) {
    return rules;
  }
  if (const auto& elements = reader.elements(table, lookup->set)) {
    for (const auto& element : *elements) {
      if (!element.verdict) {
        return {};
      }
      auto& one = rules.emplace_back(rule);
      one.rule.matches.emplace_back(nft::MatchCtState{element.state});
      one.rule.statements.back() = *element.verdict;
    }
  }
  return rules;
}

}  // namespace

std::optional<std::vector<StateElement>> decode_state_elements(const nlmsghdr* message) {
  const Attributes list(message_payload(message, sizeof(nfgenmsg)));
  Bytes rest = list.bytes(NFTA_SET_ELEM_LIST_ELEMENTS);
  std::vector<StateElement> elements;
  while (const auto attribute = next_attribute(rest)) {
    const Attributes element(attribute->payload);
    const auto state = data_value(element, NFTA_SET_ELEM_KEY);
    StateElement read;
    if (element.has(NFTA_SET_ELEM_DATA)) {
      read.verdict = verdict_in(Attributes(element.bytes(NFTA_SET_ELEM_DATA)));
      if (!read.verdict) {
        return std::nullopt;
      }
    }
    // Neither a catch-all nor the end of a range.
    if (!element.only({NFTA_SET_ELEM_KEY}, {NFTA_SET_ELEM_DATA}) || state.size() != sizeof read.state) {
      return std::nullopt;
    }
    read.state = load_host32(state);
    elements.push_back(std::move(read));
  }
  return rest.empty() && list.well_formed() ? std::optional(elements) : std::nullopt;
}

void read_state_sets(int fd, std::vector<ChainRule>& rules) {
  Reader reader(fd);
  for (auto place = rules.begin(); place != rules.end(); ++place) {
    auto& [chain, rule] = *place;
    for (auto& match : rule.rule.matches) {
      read_test(reader, chain.table, match);
    }
    if (auto several = read_map(reader, chain.table, rule); !several.empty()) {
      std::vector<ChainRule> spelt_out;
      spelt_out.reserve(several.size());
      for (auto& one : several) {
        spelt_out.emplace_back(chain, std::move(one));
      }
      place = rules.erase(place);
      place = rules.insert(place, std::make_move_iterator(spelt_out.begin()), std::make_move_iterator(spelt_out.end()));
      place += static_cast<std::ptrdiff_t>(spelt_out.size()) - 1;
    }
  }
}

}  // namespace smtpegress::netlink
