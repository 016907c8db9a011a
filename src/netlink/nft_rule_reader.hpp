// Reads a rule's expressions one after another, as the kernel would execute them, and says what they amount to.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "netlink/attributes.hpp"
#include "netlink/nft_registers.hpp"
#include "smtpegress/nft.hpp"

namespace smtpegress::netlink {

/// An expression becomes part of a known match or statement only when every attribute of it is known and as expected.
/// All else is kept as opaque bytes, together with the loads that it reads.
///
/// Loads and tests can end a rule, so a load that nothing reads becomes an opaque match, too. A match behind a
/// statement is opaque: nft::Rule has the matches first, and moving it there would change what the statement counts or
/// marks.
class RuleReader {
 public:
  /// `table` is the rule's: in our own ones look-ups in named sets are understood.
  RuleReader(const nft::TableKey& table, std::string comment);

  /// One element of NFTA_RULE_EXPRESSIONS. It must outlive this reader.
  void read(const Attribute& element);
  /// Something of the rule that is not an expression this reader knows.
  void read_unknown(std::string what, Bytes raw);
  /// The rule without its handle. Call once, last.
  nft::ObservedRule finish();

 private:
  struct Expression {
    std::string_view name;
    Attributes data;
    Bytes raw;
  };
  using Handler = void (RuleReader::*)(const Expression&);
  struct Named {
    std::string_view name;
    Handler handler;
  };
  static Handler handler_of(std::string_view name);

  // loads
  void meta(const Expression& e);
  void payload(const Expression& e);
  void conntrack(const Expression& e);
  void route(const Expression& e);
  void immediate(const Expression& e);
  void bitwise(const Expression& e);
  void byteorder(const Expression& e);
  void fib(const Expression& e);
  void other_load(const Expression& e);
  // tests
  void compare(const Expression& e);
  void range(const Expression& e);
  void lookup(const Expression& e);
  void xt_match(const Expression& e);
  void other_test(const Expression& e);
  // statements
  void counter(const Expression& e);
  void verdict(const Expression& e);
  void set_mark(const Expression& e);
  bool start_trace(const Expression& e);  ///< false, and nothing done, where it is not to 1
  void set_payload(const Expression& e);
  void exthdr(const Expression& e);
  void nat(const Expression& e);
  void masquerade(const Expression& e);
  void reject(const Expression& e);
  void xt_target(const Expression& e);
  void dynset(const Expression& e);
  void objref(const Expression& e);
  void other_statement(const Expression& e);

  void load(std::uint32_t number, Loaded value, Bytes raw);
  void load_unmeasured(const Expression& e, std::uint16_t register_attribute, std::uint32_t key = 0);
  void derive_unmeasured(const Expression& e, std::uint16_t source_attribute, std::uint16_t target_attribute);
  Loaded* source(const Expression& e, std::uint16_t register_attribute, std::size_t length);

  [[nodiscard]] std::optional<std::string> address_set(const Expression& e, const Loaded* value) const;
  /// A look-up in a set of our own; false, and nothing done, where it is none.
  bool own_lookup(const Expression& e);
  /// The address that this is, and how many of its bits; nothing where it is none.
  [[nodiscard]] std::optional<nft::MaskedAddress> masked_address(const Loaded& value) const;
  bool add_match(std::optional<nft::Match> match);
  void add_opaque(std::string what, std::vector<std::uint8_t> bytes);
  void opaque_test(const Expression& e, std::string what, const Loaded* read = nullptr);
  void effect(nft::Statement statement);
  void opaque_effect(const Expression& e, std::string what);
  std::vector<std::uint8_t> all_behind(const Expression& e, const Loaded* read);
  void note_unused(const std::vector<Loaded>& values);

  nft::Family family_;
  bool is_own_table_;
  std::optional<IpFamily> network_;  // what the network header is known to be at this point of the rule
  Registers registers_;
  nft::ObservedRule observed_;
};

[[nodiscard]] std::vector<std::uint8_t> copy_of(Bytes bytes);

/// The length of a prefix whose mask this is; nothing where the ones have a gap.
[[nodiscard]] std::optional<std::uint8_t> prefix_length(Bytes mask);

// What the reader calls tests of the connection's state against a set or a map.
inline constexpr std::string_view kStateSet = "ct state set";
inline constexpr std::string_view kStateMap = "ct state vmap";

/// The verdict inside a data attribute; nothing where it holds anything else, or one that is not known.
[[nodiscard]] std::optional<nft::Verdict> verdict_in(const Attributes& data);
/// The value inside a data attribute (NFTA_DATA_VALUE); empty where it holds anything else.
[[nodiscard]] Bytes data_value(const Attributes& attributes, std::uint16_t type);

/// The match that comparing `value` in this way is; nothing where it is none of ours. `network` as in RuleReader.
[[nodiscard]] std::optional<nft::Match> match_of_compare(const Loaded& value, std::uint32_t op, Bytes data,
                                                         std::optional<IpFamily> network);

/// The matches that an xt match stands for, all of which must hold; nothing where it is not understood.
[[nodiscard]] std::optional<std::vector<nft::Match>> matches_of_xt(std::string_view name, std::uint32_t revision,
                                                                   Bytes info);
[[nodiscard]] std::optional<nft::Statement> statement_of_xt(std::string_view name, std::uint32_t revision, Bytes info);

}  // namespace smtpegress::netlink
