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
  const Attributes data(attributes.bytes(type));
  return data.only({NFTA_DATA_VALUE}) ? data.bytes(NFTA_DATA_VALUE) : Bytes{};
}

RuleReader::RuleReader(nft::Family family, std::string comment) : family_(family) {
  observed_.rule.comment = std::move(comment);
  if (family == nft::Family::kIp) {
    network_ = IpFamily::kV4;
  } else if (family == nft::Family::kIp6) {
    network_ = IpFamily::kV6;
  }
}

RuleReader::Handler RuleReader::handler_of(std::string_view name) {
  static constexpr std::array kHandlers{
      Named{"meta", &RuleReader::meta},
      Named{"payload", &RuleReader::payload},
      Named{"ct", &RuleReader::conntrack},
      Named{"rt", &RuleReader::route},
      Named{"immediate", &RuleReader::immediate},
      Named{"bitwise", &RuleReader::bitwise},
      Named{"byteorder", &RuleReader::byteorder},
      Named{"fib", &RuleReader::fib},
      Named{"socket", &RuleReader::other_load},
      Named{"osf", &RuleReader::other_load},
      Named{"hash", &RuleReader::other_load},
      Named{"numgen", &RuleReader::other_load},
      Named{"xfrm", &RuleReader::other_load},
      Named{"tunnel", &RuleReader::other_load},
      Named{"cmp", &RuleReader::compare},
      Named{"range", &RuleReader::range},
      Named{"lookup", &RuleReader::lookup},
      Named{"match", &RuleReader::xt_match},
      Named{"limit", &RuleReader::other_test},
      Named{"connlimit", &RuleReader::other_test},
      Named{"quota", &RuleReader::other_test},
      Named{"counter", &RuleReader::counter},
      Named{"exthdr", &RuleReader::exthdr},
      Named{"nat", &RuleReader::nat},
      Named{"masq", &RuleReader::masquerade},
      Named{"reject", &RuleReader::reject},
      Named{"target", &RuleReader::xt_target},
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
    read_unknown(name.value_or("expression"), element.raw);
    return;
  }
  (this->*handler)(Expression{*name, Attributes(list.bytes(NFTA_EXPR_DATA)), element.raw});
}

void RuleReader::read_unknown(std::string what, Bytes raw) {
  // It may have written any register, ended the rule, or both: a match that may hold or not is the careful reading.
  note_unused(registers_.take_all());
  observed_.rule.matches.emplace_back(nft::MatchOpaque{std::move(what), copy_of(raw)});
}

nft::ObservedRule RuleReader::finish() {
  note_unused(registers_.take_all());
  return std::move(observed_);
}

// ---- what is shared

void RuleReader::note_unused(std::vector<Loaded> values) {
  for (auto& value : values) {
    test(std::nullopt, std::move(value.what), std::move(value.bytes));
  }
}

void RuleReader::load(std::uint32_t number, Loaded value, Bytes raw) {
  value.append(raw);
  note_unused(registers_.put(number, std::move(value)));
}

void RuleReader::load_unmeasured(const Expression& e, std::uint16_t register_attribute, std::string what) {
  const auto number = e.data.be32(register_attribute);
  if (!number) {
    read_unknown(std::move(what), e.raw);
    return;
  }
  Loaded value{.what = std::move(what)};
  value.append(e.raw);
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
  Loaded value{.what = std::string(e.name)};
  if (Loaded* from = source(e, source_attribute, 0); from != nullptr) {
    from->used = true;  // its bytes live on in the new value
    value.what = from->what;
    value.bytes = from->bytes;
  }
  value.append(e.raw);
  note_unused(registers_.put_unmeasured(*target, std::move(value)));
}

void RuleReader::test(std::optional<nft::Match> match, std::string what, std::vector<std::uint8_t> bytes) {
  if (match && observed_.rule.statements.empty()) {
    observed_.rule.matches.push_back(std::move(*match));
  } else {
    observed_.rule.matches.emplace_back(nft::MatchOpaque{std::move(what), std::move(bytes)});
  }
}

/// The bytes of an expression that is not understood and of what was loaded for it: the value in the register that it
/// reads, and all that nothing else has read.
std::vector<std::uint8_t> RuleReader::all_behind(const Expression& e, const Loaded* read) {
  std::vector<std::uint8_t> bytes;
  if (read != nullptr && read->used) {
    bytes = read->bytes;
  }
  for (const auto& value : registers_.take_all()) {
    bytes.insert(bytes.end(), value.bytes.begin(), value.bytes.end());
  }
  bytes.insert(bytes.end(), e.raw.begin(), e.raw.end());
  return bytes;
}

void RuleReader::opaque_test(const Expression& e, std::string what, const Loaded* read) {
  test(std::nullopt, std::move(what), all_behind(e, read));
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
