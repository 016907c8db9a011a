// nf_tables as this project sees it: rules as matches and statements in the field's terms, not as register programs.
// Desired and observed rules share these types. What a decoder does not know, it keeps as opaque bytes, so that a
// rule of someone else's never compares equal to one of ours.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "smtpegress/net_types.hpp"
#include "smtpegress/nft_keys.hpp"
#include "smtpegress/nft_set.hpp"

namespace smtpegress::nft {

/// Values are NF_INET_*, linux/netfilter.h, for families ip, ip6 and inet; of netdev's two hooks, ingress has the
/// number that it has in inet, and egress one of our own.
enum class Hook : std::uint8_t {
  kPrerouting = 0,
  kInput = 1,
  kForward = 2,
  kOutput = 3,
  kPostrouting = 4,
  kIngress = 5,
  kEgress = 6
};
enum class ChainType : std::uint8_t { kFilter, kNat, kRoute };
enum class Policy : std::uint8_t { kDrop = 0, kAccept = 1 };  // NF_DROP, NF_ACCEPT

/// What makes a chain a base chain.
struct BaseHook {
  ChainType type = ChainType::kFilter;
  Hook hook = Hook::kPrerouting;
  std::int32_t priority = 0;
  Policy policy = Policy::kAccept;
  auto operator<=>(const BaseHook&) const = default;
};

enum class Side : std::uint8_t { kSource, kDestination };  ///< of an address or a port
enum class Way : std::uint8_t { kIn, kOut };               ///< iifname, oifname
enum class Sense : std::uint8_t { kIs, kIsNot };
[[nodiscard]] constexpr Sense opposite(Sense sense) noexcept {
  return sense == Sense::kIs ? Sense::kIsNot : Sense::kIs;
}

struct MatchInterface {
  Way way = Way::kIn;
  std::string name;
  bool wildcard = false;  ///< name is only the beginning ("br-*")
  Sense sense = Sense::kIs;
  auto operator<=>(const MatchInterface&) const = default;
};
struct MatchNfProto {
  IpFamily family = IpFamily::kV4;
  auto operator<=>(const MatchNfProto&) const = default;
};
struct MatchAddress {
  Side side = Side::kSource;
  Prefix prefix;
  Sense sense = Sense::kIs;
  auto operator<=>(const MatchAddress&) const = default;
};
/// By `meta l4proto` or by the IPv4 header's protocol field: both decode to this.
struct MatchL4Proto {
  std::uint8_t protocol = 0;  ///< IPPROTO_*
  Sense sense = Sense::kIs;
  auto operator<=>(const MatchL4Proto&) const = default;
};
struct MatchPort {
  Side side = Side::kSource;
  PortRange ports;
  Sense sense = Sense::kIs;
  auto operator<=>(const MatchPort&) const = default;
};
struct MatchTcpFlags {
  std::uint8_t mask = 0;
  std::uint8_t value = 0;
  Sense sense = Sense::kIs;
  auto operator<=>(const MatchTcpFlags&) const = default;
};
struct MatchMark {
  Mark mark;
  Sense sense = Sense::kIs;
  auto operator<=>(const MatchMark&) const = default;
};
/// The user whose process sends the packet: of its socket's file, as it was opened. What has no such socket (what is
/// forwarded, what the kernel sends for a closed one) fails it either way.
struct MatchSkuid {
  std::uint32_t uid = 0;
  Sense sense = Sense::kIs;
  auto operator<=>(const MatchSkuid&) const = default;
};
/// True if the packet's state is one of the bits.
struct MatchCtState {
  std::uint32_t states = 0;  ///< kCtInvalid | kCtEstablished | ...
  auto operator<=>(const MatchCtState&) const = default;
};
// NF_CT_STATE_BIT, linux/netfilter/nf_conntrack_common.h, as nft's `ct state` uses it.
inline constexpr std::uint32_t kCtInvalid = 1;
inline constexpr std::uint32_t kCtEstablished = 2;
inline constexpr std::uint32_t kCtRelated = 4;
inline constexpr std::uint32_t kCtNew = 8;
inline constexpr std::uint32_t kCtUntracked = 64;

enum class CtDirection : std::uint8_t { kOriginal = 0, kReply = 1 };  // IP_CT_DIR_*
struct MatchCtDirection {
  CtDirection direction = CtDirection::kOriginal;
  auto operator<=>(const MatchCtDirection&) const = default;
};
/// Whether the connection's destination was translated: `ct status dnat`. Untracked packets fail it either way.
struct MatchCtDnat {
  Sense sense = Sense::kIs;
  auto operator<=>(const MatchCtDnat&) const = default;
};
/// Whether the way back to the packet's source is by the interface that it came in by: `fib saddr . iif oif exists`.
struct MatchReversePath {
  bool by_mark = false;      ///< looked up with the packet's mark: `fib saddr . mark . iif oif exists`
  Sense sense = Sense::kIs;  ///< kIsNot: `missing`
  auto operator<=>(const MatchReversePath&) const = default;
};
/// Whose address is looked up in a set or map, and how much of it: the rest of its bits is cleared first.
struct MaskedAddress {
  Side side = Side::kSource;
  IpFamily family = IpFamily::kV4;
  std::uint8_t length = 0;  ///< bits that are kept; never 0
  auto operator<=>(const MaskedAddress&) const = default;
};
/// Whether a set of our own table has the packet's interface, address, or both, as in
/// `iifname . ip saddr & 255.255.255.0 @s`.
struct MatchSet {
  std::string set;
  std::optional<Way> interface;
  std::optional<MaskedAddress> address;
  Sense sense = Sense::kIs;
  auto operator<=>(const MatchSet&) const = default;
};
/// A test the decoder does not understand: may hold or not. `what` says which, for messages ("xt addrtype", "lookup").
struct MatchOpaque {
  std::string what;
  std::vector<std::uint8_t> bytes;
  auto operator<=>(const MatchOpaque&) const = default;
};

using Match =
    std::variant<MatchInterface, MatchNfProto, MatchAddress, MatchL4Proto, MatchPort, MatchTcpFlags, MatchMark,
                 MatchSkuid, MatchCtState, MatchCtDirection, MatchCtDnat, MatchReversePath, MatchSet, MatchOpaque>;

/// Counts; the values are not part of what a rule is, and live in ObservedRule.
struct Counter {
  auto operator<=>(const Counter&) const = default;
};
enum class VerdictCode : std::uint8_t { kAccept, kDrop, kReturn, kContinue, kJump, kGoto, kQueue };
struct Verdict {
  VerdictCode code = VerdictCode::kAccept;
  std::string chain;  ///< of kJump and kGoto
  auto operator<=>(const Verdict&) const = default;
};
/// Sets the bits of mark.mask to mark.value and leaves the others.
struct SetMark {
  Mark mark;
  auto operator<=>(const SetMark&) const = default;
};
/// The SYN's maximum segment size is lowered to the route's MTU (`tcp option maxseg size set rt mtu`, xt TCPMSS).
struct ClampMss {
  auto operator<=>(const ClampMss&) const = default;
};
/// Source address becomes `to`, or stays what it is and is recorded as the mapping (FACTS 10) where `to` is empty.
struct Snat {
  std::optional<IpAddress> to;
  auto operator<=>(const Snat&) const = default;
};
/// Source address becomes what a map of our own table has for it. Not translated where the map has nothing.
struct SnatByMap {
  std::string map;
  MaskedAddress address;
  auto operator<=>(const SnatByMap&) const = default;
};
struct Masquerade {
  auto operator<=>(const Masquerade&) const = default;
};
/// The packet is refused and its sender told so. In an inet table: ICMP admin-prohibited of the packet's family.
struct Reject {
  auto operator<=>(const Reject&) const = default;
};
/// The address moves to another network and keeps its place in it: `ip daddr set ip daddr & 0.0.0.255 | 192.0.2.0`.
/// Connection tracking is not told, unlike with a nat statement.
struct SetNetwork {
  Side side = Side::kDestination;
  Prefix network;
  auto operator<=>(const SetNetwork&) const = default;
};
/// From here on the kernel tells of the packet's way: `meta nftrace set 1`.
struct StartTrace {
  auto operator<=>(const StartTrace&) const = default;
};
struct StatementOpaque {
  std::string what;
  std::vector<std::uint8_t> bytes;
  auto operator<=>(const StatementOpaque&) const = default;
};

using Statement = std::variant<Counter, Verdict, SetMark, ClampMss, Snat, SnatByMap, Masquerade, Reject, SetNetwork,
                               StartTrace, StatementOpaque>;

/// A rule: if all matches hold, the statements are executed in order.
struct Rule {
  std::vector<Match> matches;
  std::vector<Statement> statements;
  std::string comment;  ///< from the rule's userdata, or from an xt comment match (FACTS 29)
  auto operator<=>(const Rule&) const = default;
};

/// Like ==, but the order of the matches does not count: iptables-restore writes the same rule in another order.
[[nodiscard]] bool same_rule(const Rule& a, const Rule& b);

/// In nft's own syntax, as far as it goes: `iifname "wg0" ip daddr 192.168.203.0/24 ... counter accept`.
[[nodiscard]] std::string to_string(const Rule& rule);
[[nodiscard]] std::string to_string(const TableKey& table);  ///< "inet smtp-egress"
[[nodiscard]] std::string to_string(const ChainKey& chain);  ///< "ip filter DOCKER-USER"

struct ObservedRule {
  Rule rule;
  std::uint64_t handle = 0;
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
};
struct ObservedChain {
  ChainKey key;
  std::uint64_t handle = 0;
  std::optional<BaseHook> hook;
  std::vector<ObservedRule> rules;
  std::vector<MatchInterface> devices{};  ///< of the hooks ingress and egress: the interfaces it hangs on
  bool dormant = false;                   ///< its table is: nothing passes it
  bool closed = false;                    ///< its table is owned: only the program that made it may change it
};
/// All tables of all families at one generation.
struct Ruleset {
  std::uint32_t generation = 0;
  std::vector<TableKey> tables;
  std::vector<ObservedChain> chains;
  std::vector<ObservedSet> sets{};  ///< named ones, of our own tables alone

  [[nodiscard]] const ObservedChain* find(const ChainKey& key) const;
  [[nodiscard]] const ObservedSet* find_set(const SetKey& key) const;
  [[nodiscard]] bool has(const TableKey& key) const;
  [[nodiscard]] bool is_dormant(const TableKey& key) const;
};

// One step of a batch.
/// One that stands is put to sleep or woken.
struct AddTable {
  TableKey table;
  bool dormant = false;
  /// NFT_TABLE_F_OWNER (Linux 5.12 and later): nobody but the socket that commits this may change it, and the kernel
  /// deletes it when that socket is closed.
  bool owned = false;
};
struct DeleteTable {
  TableKey table;
};
struct AddChain {
  ChainKey chain;
  BaseHook hook;
};
struct FlushChain {
  ChainKey chain;
};
struct DeleteChain {
  ChainKey chain;
};
struct AppendRule {
  ChainKey chain;
  Rule rule;
  std::uint64_t after = 0;  ///< handle of the rule that it shall follow; 0: at the end
};
struct InsertRule {  ///< at the head
  ChainKey chain;
  Rule rule;
};
struct DeleteRule {
  ChainKey chain;
  std::uint64_t handle = 0;
};
using BatchStep = std::variant<AddTable, DeleteTable, AddChain, FlushChain, DeleteChain, AppendRule, InsertRule,
                               DeleteRule, AddSet, DeleteSet, AddElements, DeleteElements>;
/// Committed as one transaction, or not at all.
using Batch = std::vector<BatchStep>;

}  // namespace smtpegress::nft
