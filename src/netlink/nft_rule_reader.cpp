#include "netlink/nft_rule_reader.hpp"

#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

namespace smtpegress::netlink {

std::vector<std::uint8_t> copy_of(Bytes bytes) {
  return {bytes.begin(), bytes.end()};
}

Bytes data_value(const Attributes& attributes, std::uint16_t type) {
  Bytes list = attributes.bytes(type);
  const auto value = next_attribute(list);
  return value && value->type == NFTA_DATA_VALUE && list.empty() ? value->payload : Bytes{};
}

RuleReader::RuleReader(const nft::TableKey& table, std::string comment)
    : family_(table.family), is_own_table_(table.name.starts_with(nft::kOwnTablePrefix)) {
  constexpr std::size_t kUsualMatches = 6;
  constexpr std::size_t kUsualStatements = 2;
  observed_.rule.matches.reserve(kUsualMatches);
  observed_.rule.statements.reserve(kUsualStatements);
  observed_.rule.comment = std::move(comment);
  if (family_ == nft::Family::kIp) {
    network_ = IpFamily::kV4;
  } else if (family_ == nft::Family::kIp6) {
    network_ = IpFamily::kV6;
  }
}

RuleReader::Handler RuleReader::handler_of(std::string_view name) {
  // Those that most rules are made of come first.
  static constexpr std::array kHandlers{
      Named{"meta", &RuleReader::meta},
      Named{"cmp", &RuleReader::compare},
      Named{"payload", &RuleReader::payload},
      Named{"immediate", &RuleReader::immediate},
      Named{"counter", &RuleReader::counter},
      Named{"bitwise", &RuleReader::bitwise},
      Named{"match", &RuleReader::xt_match},
      Named{"ct", &RuleReader::conntrack},
      Named{"target", &RuleReader::xt_target},
      Named{"rt", &RuleReader::route},
      Named{"byteorder", &RuleReader::byteorder},
      Named{"fib", &RuleReader::fib},
      Named{"socket", &RuleReader::other_load},
      Named{"osf", &RuleReader::other_load},
      Named{"hash", &RuleReader::other_load},
      Named{"numgen", &RuleReader::other_load},
      Named{"xfrm", &RuleReader::other_load},
      Named{"tunnel", &RuleReader::other_load},
      Named{"range", &RuleReader::range},
      Named{"lookup", &RuleReader::lookup},
      Named{"limit", &RuleReader::other_test},
      Named{"connlimit", &RuleReader::other_test},
      Named{"quota", &RuleReader::other_test},
      Named{"exthdr", &RuleReader::exthdr},
      Named{"nat", &RuleReader::nat},
      Named{"masq", &RuleReader::masquerade},
      Named{"reject", &RuleReader::reject},
      Named{"dynset", &RuleReader::dynset},
      Named{"objref", &RuleReader::objref},
      Named{"log", &RuleReader::other_statement},
      Named{"queue", &RuleReader::other_statement},
      Named{"notrack", &RuleReader::other_statement},
      Named{"dup", &RuleReader::other_statement},
      Named{"fwd", &RuleReader::other_statement},
      Named{"tproxy", &RuleReader::other_statement},
      Named{"redir", &RuleReader::other_statement},
      Named{"synproxy", &RuleReader::other_statement},
      Named{"flow_offload", &RuleReader::other_statement},
      Named{"last", &RuleReader::other_statement},
  };
  const auto found = std::ranges::find(kHandlers, name, &Named::name);
  return found == kHandlers.end() ? nullptr : found->handler;
}

void RuleReader::read(const Attribute& element) {
  const Attributes list(element.payload);
  const auto name = list.text(NFTA_EXPR_NAME);
  const Handler handler = name ? handler_of(*name) : nullptr;
  if (element.type != NFTA_LIST_ELEM || handler == nullptr || !list.only({NFTA_EXPR_NAME}, {NFTA_EXPR_DATA})) {
    read_unknown(std::string(name.value_or("expression")), element.raw);
    return;
  }
  (this->*handler)(Expression{*name, Attributes(list.bytes(NFTA_EXPR_DATA)), element.raw});
}

void RuleReader::read_unknown(std::string what, Bytes raw) {
  // It may have written any register, ended the rule, or both: a match that may hold or not is the careful reading.
  note_unused(registers_.take_all());
  add_opaque(std::move(what), copy_of(raw));
}

nft::ObservedRule RuleReader::finish() {
  note_unused(registers_.take_all());
  return std::move(observed_);
}

// ---- what is shared

void RuleReader::note_unused(const std::vector<Loaded>& values) {
  for (const auto& value : values) {
    add_opaque(value.what(), value.pieces.copy());
  }
}

void RuleReader::load(std::uint32_t number, Loaded value, Bytes raw) {
  value.pieces.append(raw);
  note_unused(registers_.put(number, std::move(value)));
}

void RuleReader::load_unmeasured(const Expression& e, std::uint16_t register_attribute, std::uint32_t key) {
  const auto number = e.data.be32(register_attribute);
  Loaded value{.expression = e.name, .key = key};
  if (!number) {
    read_unknown(value.what(), e.raw);
    return;
  }
  value.pieces.append(e.raw);
  note_unused(registers_.put_unmeasured(*number, std::move(value)));
}

Loaded* RuleReader::source(const Expression& e, std::uint16_t register_attribute, std::size_t length) {
  const auto number = e.data.be32(register_attribute);
  return number ? registers_.find(*number, length) : nullptr;
}

/// A value made from another in a way that is not followed here.
void RuleReader::derive_unmeasured(const Expression& e, std::uint16_t source_attribute,
                                   std::uint16_t target_attribute) {
  const auto target = e.data.be32(target_attribute);
  if (!target) {
    read_unknown(std::string(e.name), e.raw);
    return;
  }
  Loaded value{.expression = e.name};
  if (Loaded* from = source(e, source_attribute, 0); from != nullptr) {
    from->used = true;  // its pieces live on in the new value
    value.expression = from->expression;
    value.key = from->key;
    value.pieces = from->pieces;
  }
  value.pieces.append(e.raw);
  note_unused(registers_.put_unmeasured(*target, std::move(value)));
}

/// False, and nothing added, where there is none or where it would stand behind a statement.
bool RuleReader::add_match(std::optional<nft::Match> match) {
  if (!match || !observed_.rule.statements.empty()) {
    return false;
  }
  observed_.rule.matches.push_back(std::move(*match));
  return true;
}

void RuleReader::add_opaque(std::string what, std::vector<std::uint8_t> bytes) {
  observed_.rule.matches.emplace_back(nft::MatchOpaque{std::move(what), std::move(bytes)});
}

/// The bytes of an expression that is not understood and of what was loaded for it: the value in the register that it
/// reads, and all that nothing else has read.
std::vector<std::uint8_t> RuleReader::all_behind(const Expression& e, const Loaded* read) {
  std::vector<std::uint8_t> bytes;
  if (read != nullptr && read->used) {
    bytes = read->pieces.copy();
  }
  for (const auto& value : registers_.take_all()) {
    value.pieces.append_to(bytes);
  }
  bytes.insert(bytes.end(), e.raw.begin(), e.raw.end());
  return bytes;
}

void RuleReader::opaque_test(const Expression& e, std::string what, const Loaded* read) {
  add_opaque(std::move(what), all_behind(e, read));
}

void RuleReader::effect(nft::Statement statement) {
  // What was loaded before need not be what the packet says now.
  if (!std::holds_alternative<nft::Counter>(statement)) {
    note_unused(registers_.take_all());
  }
  observed_.rule.statements.push_back(std::move(statement));
}

void RuleReader::opaque_effect(const Expression& e, std::string what) {
  auto bytes = all_behind(e, nullptr);
  effect(nft::StatementOpaque{std::move(what), std::move(bytes)});
}

}  // namespace smtpegress::netlink
