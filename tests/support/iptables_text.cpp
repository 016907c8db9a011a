#include "support/iptables_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <stdexcept>

namespace smtpegress::test {
namespace {

using nft::Sense;

using Words = std::vector<std::string>;

/// Words apart by spaces; a double-quoted one keeps its spaces.
Words words_of(std::string_view text) {
  Words words;
  std::istringstream stream{std::string(text)};
  for (std::string word; stream >> word;) {
    if (word.front() == '"') {
      for (std::string more; word.back() != '"' && stream >> more;) {
        word += " " + more;
      }
      word = word.substr(1, word.size() - 2);
    }
    words.push_back(word);
  }
  return words;
}

std::uint32_t states_of(std::string_view list) {
  static const std::map<std::string, std::uint32_t, std::less<>> kStates{{"INVALID", nft::kCtInvalid},
                                                                         {"ESTABLISHED", nft::kCtEstablished},
                                                                         {"RELATED", nft::kCtRelated},
                                                                         {"NEW", nft::kCtNew},
                                                                         {"UNTRACKED", nft::kCtUntracked}};
  std::uint32_t bits = 0;
  std::istringstream stream{std::string(list)};
  for (std::string state; std::getline(stream, state, ',');) {
    bits |= kStates.at(state);
  }
  return bits;
}

std::uint8_t flags_of(std::string_view list) {
  static const std::map<std::string, std::uint8_t, std::less<>> kFlags{{"FIN", 1}, {"SYN", 2}, {"RST", 4}, {"ACK", 16}};
  std::uint8_t bits = 0;
  std::istringstream stream{std::string(list)};
  for (std::string flag; std::getline(stream, flag, ',');) {
    bits = static_cast<std::uint8_t>(bits | kFlags.at(flag));
  }
  return bits;
}

PortRange ports_of(std::string text) {
  std::ranges::replace(text, ':', '-');
  return PortRange::parse(text).value();
}

std::uint8_t protocol_of(const std::string& name) {
  static const std::map<std::string, std::uint8_t, std::less<>> kProtocols{{"icmp", 1}, {"tcp", 6}, {"udp", 17}};
  return kProtocols.at(name);
}

/// One rule, read from left to right.
class Reader {
 public:
  explicit Reader(Words words) : words_(std::move(words)) {}

  nft::Rule rule() {
    while (at_ < words_.size()) {
      option();
    }
    return std::move(rule_);
  }

 private:
  std::string next() {
    if (at_ >= words_.size()) {
      throw std::invalid_argument("a value is missing");
    }
    return words_[at_++];
  }

  void match(nft::Match match) { rule_.matches.push_back(std::move(match)); }

  void interface(nft::Way way, Sense sense) {
    auto name = next();
    const bool wildcard = name.back() == '+';
    if (wildcard) {
      name.pop_back();
    }
    match(nft::MatchInterface{way, name, wildcard, sense});
  }

  void option() {
    auto word = next();
    const auto sense = word == "!" ? Sense::kIsNot : Sense::kIs;
    if (sense == Sense::kIsNot) {
      word = next();
    }
    if (word == "-i" || word == "-o") {
      interface(word == "-i" ? nft::Way::kIn : nft::Way::kOut, sense);
    } else if (word == "-s" || word == "-d") {
      const auto side = word == "-s" ? nft::Side::kSource : nft::Side::kDestination;
      match(nft::MatchAddress{side, Prefix::parse(next()).value(), sense});
    } else if (word == "-p") {
      match(nft::MatchL4Proto{protocol_of(next()), sense});
    } else if (word == "--sport" || word == "--dport") {
      const auto side = word == "--sport" ? nft::Side::kSource : nft::Side::kDestination;
      match(nft::MatchPort{side, ports_of(next()), sense});
    } else if (word == "--ctstate") {
      match(nft::MatchCtState{states_of(next())});
    } else if (word == "--mark") {
      match(nft::MatchMark{Mark::parse(next()).value(), sense});
    } else if (word == "--tcp-flags") {
      const auto mask = flags_of(next());
      match(nft::MatchTcpFlags{mask, flags_of(next()), sense});
    } else if (word == "--comment") {
      rule_.comment = next();
    } else if (word == "-m") {
      module(next());
    } else if (word == "-j" || word == "-g") {
      rule_.statements.emplace_back(nft::Counter{});
      target(next(), word == "-g" ? nft::VerdictCode::kGoto : nft::VerdictCode::kJump);
    } else {
      throw std::invalid_argument(fmt::format("option {} is not known", word));
    }
  }

  /// Modules whose options are read above say nothing by themselves; the others are tests that no decoder understands.
  void module(const std::string& name) {
    if (name == "tcp" || name == "udp" || name == "conntrack" || name == "mark" || name == "comment") {
      return;
    }
    std::string rest;
    while (at_ < words_.size() && words_[at_] != "-j" && words_[at_] != "-g") {
      rest += " " + next();
    }
    match(nft::MatchOpaque{"xt " + name, {rest.begin(), rest.end()}});
  }

  void target(const std::string& name, nft::VerdictCode call) {
    auto& statements = rule_.statements;
    if (name == "ACCEPT" || name == "DROP" || name == "RETURN") {
      statements.emplace_back(nft::Verdict{name == "ACCEPT" ? nft::VerdictCode::kAccept
                                           : name == "DROP" ? nft::VerdictCode::kDrop
                                                            : nft::VerdictCode::kReturn,
                                           {}});
    } else if (name == "REJECT") {
      statements.emplace_back(nft::Reject{});
    } else if (name == "MASQUERADE") {
      statements.emplace_back(nft::Masquerade{});
    } else if (name == "SNAT") {
      next();  // --to-source
      statements.emplace_back(nft::Snat{IpAddress::parse(next()).value()});
    } else if (name == "MARK") {
      next();  // --set-mark, --set-xmark
      statements.emplace_back(nft::SetMark{Mark::parse(next()).value()});
    } else if (name == "TCPMSS") {
      next();  // --clamp-mss-to-pmtu
      statements.emplace_back(nft::ClampMss{});
    } else if (name == "DNAT" || name == "LOG") {
      std::string rest;
      while (at_ < words_.size()) {
        rest += " " + next();
      }
      statements.emplace_back(nft::StatementOpaque{"xt " + name, {rest.begin(), rest.end()}});
    } else {
      statements.emplace_back(nft::Verdict{call, name});
    }
  }

  Words words_;
  std::size_t at_ = 0;
  nft::Rule rule_;
};

/// Hook and priority of iptables' built-in chains (linux/netfilter_ipv4.h).
std::optional<nft::BaseHook> built_in(const std::string& table, const std::string& chain, nft::Policy policy) {
  static const std::map<std::string, nft::Hook, std::less<>> kHooks{{"PREROUTING", nft::Hook::kPrerouting},
                                                                    {"INPUT", nft::Hook::kInput},
                                                                    {"FORWARD", nft::Hook::kForward},
                                                                    {"OUTPUT", nft::Hook::kOutput},
                                                                    {"POSTROUTING", nft::Hook::kPostrouting}};
  const auto hook = kHooks.find(chain);
  if (hook == kHooks.end()) {
    return std::nullopt;
  }
  const bool early = hook->second == nft::Hook::kPrerouting || hook->second == nft::Hook::kOutput;
  const std::int32_t priority = table == "raw"      ? -300
                                : table == "mangle" ? -150
                                : table == "filter" ? 0
                                : early             ? -100
                                                    : 100;
  const auto type = table == "nat"                           ? nft::ChainType::kNat
                    : table == "mangle" && chain == "OUTPUT" ? nft::ChainType::kRoute
                                                             : nft::ChainType::kFilter;
  return nft::BaseHook{type, hook->second, priority, policy};
}

std::uint64_t next_handle(const nft::Ruleset& ruleset) {
  std::uint64_t count = 1;
  for (const auto& chain : ruleset.chains) {
    count = std::max(count, chain.handle + 1);
    for (const auto& rule : chain.rules) {
      count = std::max(count, rule.handle + 1);
    }
  }
  return count;
}

nft::ObservedChain& chain_of(nft::Ruleset& ruleset, const nft::TableKey& table, const std::string& name,
                             nft::Policy policy) {
  const nft::ChainKey key{table, name};
  if (!ruleset.has(key.table)) {
    ruleset.tables.push_back(key.table);
  }
  const auto found = std::ranges::find(ruleset.chains, key, &nft::ObservedChain::key);
  if (found != ruleset.chains.end()) {
    return *found;
  }
  return ruleset.chains.emplace_back(
      nft::ObservedChain{key, next_handle(ruleset), built_in(table.name, name, policy), {}});
}

}  // namespace

nft::Rule iptables_rule(std::string_view specification) {
  return Reader(words_of(specification)).rule();
}

void add_iptables(nft::Ruleset& ruleset, std::string_view save, nft::Family family) {
  std::istringstream lines{std::string(save)};
  std::string table;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line.front() == '#' || line == "COMMIT") {
      continue;
    }
    if (line.front() == '*') {
      table = line.substr(1);
      continue;
    }
    auto words = words_of(line);
    if (line.front() == ':') {
      auto& chain = chain_of(ruleset, {family, table}, words[0].substr(1), nft::Policy::kAccept);
      if (chain.hook) {
        chain.hook->policy = words.at(1) == "DROP" ? nft::Policy::kDrop : nft::Policy::kAccept;
      }
      continue;
    }
    const auto handle = next_handle(ruleset);
    auto& chain = chain_of(ruleset, {family, table}, words.at(1), nft::Policy::kAccept);
    const nft::ObservedRule rule{Reader({words.begin() + 2, words.end()}).rule(), handle + 1, 0, 0};
    chain.rules.insert(words[0] == "-I" ? chain.rules.begin() : chain.rules.end(), rule);
  }
}

}  // namespace smtpegress::test
