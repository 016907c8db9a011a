// Writes a rule's expressions as nft and iptables do, one for one (`nft --debug=netlink`), so that both can read ours.
#pragma once

#include <fmt/format.h>
#include <libnftnl/expr.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "netlink/handles.hpp"
#include "netlink/nft_layout.hpp"
#include "smtpegress/nft.hpp"

namespace smtpegress::netlink {

using Data = std::span<const std::uint8_t>;

/// Writes one rule's expressions. Register 1 carries everything, and 2 the second half of a set's key; each match loads
/// them anew, as nft does.
class RuleWriter {
 public:
  RuleWriter(const nft::ChainKey& chain, nftnl_rule* rule) : chain_(chain), rule_(rule) {
    if (chain.table.family == nft::Family::kIp) {
      network_ = IpFamily::kV4;
    } else if (chain.table.family == nft::Family::kIp6) {
      network_ = IpFamily::kV6;
    }
  }

  Result<void> operator()(const nft::MatchInterface& m);
  Result<void> operator()(const nft::MatchNfProto& m);
  Result<void> operator()(const nft::MatchAddress& m);
  Result<void> operator()(const nft::MatchL4Proto& m);
  Result<void> operator()(const nft::MatchPort& m);
  Result<void> operator()(const nft::MatchTcpFlags& m);
  Result<void> operator()(const nft::MatchMark& m);
  Result<void> operator()(const nft::MatchSkuid& m);
  Result<void> operator()(const nft::MatchCtState& m);
  Result<void> operator()(const nft::MatchCtDirection& m);
  Result<void> operator()(const nft::MatchCtDnat& m);
  Result<void> operator()(const nft::MatchReversePath& m);
  Result<void> operator()(const nft::MatchSet& m);
  Result<void> operator()(const nft::MatchOpaque& m) { return refused(m.what, "a foreign match cannot be written"); }

  Result<void> operator()(const nft::Counter&);
  Result<void> operator()(const nft::Verdict& s);
  Result<void> operator()(const nft::SetMark& s);
  Result<void> operator()(const nft::ClampMss&);
  Result<void> operator()(const nft::Snat& s);
  Result<void> operator()(const nft::SnatByMap& s);
  Result<void> operator()(const nft::Masquerade&);
  Result<void> operator()(const nft::Reject&);
  Result<void> operator()(const nft::SetNetwork& s);
  Result<void> operator()(const nft::StartTrace&);
  Result<void> operator()(const nft::StatementOpaque& s) {
    return refused(s.what, "a foreign statement cannot be written");
  }

  /// False where libnftnl had no memory for an expression.
  [[nodiscard]] bool complete() const { return complete_; }

 private:
  std::unexpected<Error> refused(const std::string& what, std::string hint) const {
    return usage_error("encode rule", fmt::format("{}: {}", nft::to_string(chain_), what), std::move(hint));
  }

  nftnl_expr* add(const char* name);
  void set(nftnl_expr* e, std::uint16_t attribute, std::uint32_t value) {
    if (e != nullptr) {
      nftnl_expr_set_u32(e, attribute, value);
    }
  }
  void set(nftnl_expr* e, std::uint16_t attribute, Data data) {
    if (e != nullptr && nftnl_expr_set(e, attribute, data.data(), static_cast<std::uint32_t>(data.size())) != 0) {
      complete_ = false;
    }
  }
  void load_meta(std::uint32_t key);
  void load_payload(Field field, std::uint32_t number = NFT_REG_1);
  void load_ct(std::uint32_t key);
  void load_immediate(Data data);
  void bitwise(Data mask, Data flip, std::uint32_t number = NFT_REG_1);
  /// The address into a register, without the bits that the set knows nothing of.
  Result<void> load_masked(const nft::MaskedAddress& address, std::uint32_t number);
  void look_up(const std::string& set, std::uint32_t flags, std::optional<std::uint32_t> target);
  void compare(std::uint32_t op, Data data);
  void compare(nft::Sense sense, Data data) { compare(sense == nft::Sense::kIs ? NFT_CMP_EQ : NFT_CMP_NEQ, data); }

  const nft::ChainKey& chain_;
  nftnl_rule* rule_;
  std::optional<IpFamily> network_;  // what the network header is known to be; nothing in an inet table, at first
  bool complete_ = true;
};

/// Registers hold marks and connection states in host byte order.
[[nodiscard]] std::array<std::uint8_t, 4> host_bytes(std::uint32_t value);

}  // namespace smtpegress::netlink
