// What the kernel should hold for an instance, object by object.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "smtpegress/kernel.hpp"
#include "smtpegress/link.hpp"
#include "smtpegress/nft.hpp"
#include "smtpegress/profile.hpp"
#include "smtpegress/route.hpp"

namespace smtpegress {

struct SysctlSpec {
  std::string key;  ///< path below /proc/sys
  std::string value;
  auto operator<=>(const SysctlSpec&) const = default;
};

/// A chain of our own table.
struct OwnChain {
  nft::ChainKey key;
  nft::BaseHook hook;
  std::vector<nft::Rule> rules;
  auto operator<=>(const OwnChain&) const = default;
};

/// Our own table itself; with it go all its chains.
struct OwnTable {
  nft::TableKey key;
  bool dormant = false;  ///< as somebody else has put it
  auto operator<=>(const OwnTable&) const = default;
};

/// A named set or map of our own table. Two are equal if their contents are.
struct OwnSet {
  nft::SetKey key;
  nft::SetType type;
  std::vector<nft::SetElement> elements;  ///< sorted, none twice
  auto operator<=>(const OwnSet&) const = default;
};

/// A rule in a chain that is not ours; at its head, or where it stood before it was removed.
struct ForeignChainRule {
  nft::ChainKey chain;
  nft::Rule rule;
  std::uint64_t handle = 0;            ///< of an observed one; 0 in a desired state
  std::string preempted_by;            ///< a rule ahead of ours that drops the flow, found while lowering; empty: none
  std::vector<std::uint64_t> ahead{};  ///< of one that was removed: handles of those it stood behind, nearest last
  auto operator<=>(const ForeignChainRule&) const = default;
};

using Object = std::variant<OwnTable, OwnSet, OwnChain, ForeignChainRule, LinkSpec, Route, SysctlSpec, PolicyRule>;

/// A sysctl's key as sysctl(8) reads it, '/' and '.' changing places: "net.ipv4.conf.eth0/100.rp_filter" of eth0.100.
[[nodiscard]] std::string sysctl_name(std::string key);

[[nodiscard]] std::string kind_of(const Object& object);   ///< "policy rule", "egress route", "sysctl" …
[[nodiscard]] std::string describe(const Object& object);  ///< one line, in the words of ip, nft or sysctl

struct DesiredState {
  std::string instance;
  std::optional<nft::TableKey> table;
  std::vector<OwnSet> sets{};
  std::vector<OwnChain> chains;
  std::vector<ForeignChainRule> foreign_rules;
  std::vector<LinkSpec> links{};
  std::vector<Route> routes;
  std::vector<SysctlSpec> sysctls;
  std::vector<PolicyRule> rules;

  auto operator<=>(const DesiredState&) const = default;
};

/// Values of the sysctls that matter, by key; no value where the file is absent (its interface is gone).
using SysctlValues = std::map<std::string, std::optional<std::string>>;

/// Where the rules stand by which Docker keeps strangers from its containers.
enum class DockerBackend : std::uint8_t {
  kNone,
  kIptables,  ///< iptables-nft's tables: ours can stand there too
  kNftables,  ///< table `ip docker-bridges`, whose rules of others' are lost at its next change (FACTS 26)
  kLegacy,    ///< iptables-legacy's tables, which nf_tables does not show
};

/// What an inner tunnel's link tells of itself.
struct InnerLink {
  IpAddress local;        ///< this end's address on it
  std::uint32_t mtu = 0;  ///< bytes
  auto operator<=>(const InnerLink&) const = default;
};

/// Facts about the host that a profile left open, found in the observation.
struct ResolvedHost {
  IfName wan;                                    ///< VPS
  ByFamily<std::optional<IpAddress>> snat_to{};  ///< VPS: an address of wan; home: the tunnel's, with nat: masquerade
  ByFamily<std::optional<IpAddress>>
      public_ip{};                        ///< VPS: what the world sees; absent where only a private one is known
  std::vector<IfName> source_links{};     ///< home: interfaces (bridges) whose whole network is of the sources
  std::vector<Prefix> source_networks{};  ///< home: networks of local links that a source is only a part of
  /// Home: networks of source_links that no source has a part of, of a family that the links are guarded in.
  std::vector<Prefix> other_networks{};
  std::vector<IfName> advertised_links{};       ///< that take router advertisements while this host forwards IPv6
  DockerBackend docker = DockerBackend::kNone;  ///< home
  bool has_ipv6 = true;                         ///< home: a kernel may have none (ipv6.disable=1)
  /// VPS, of a profile with tenants: as what each one's mail leaves, in the profile's order; then snat_to is empty.
  std::vector<ByFamily<std::optional<IpAddress>>> tenants_snat_to{};
  std::optional<InnerLink> inner{};  ///< absent while the link is not there, or has no such address
  auto operator<=>(const ResolvedHost&) const = default;
};

/// Fills in what the profile leaves to the host. kUsage where the host has no answer, or where the profile cannot be
/// applied to it (no default route, public address nowhere on the WAN, a local network that overlaps a source).
Result<ResolvedHost> resolve_host(const Profile& profile, const ObservedState& observed);

/// The one place where a profile becomes kernel objects. Pure.
[[nodiscard]] DesiredState lower(const Profile& profile, const ResolvedHost& host, const ObservedState& observed);

}  // namespace smtpegress
