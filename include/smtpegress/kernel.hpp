// What the program asks of a kernel, and nothing else. The real one is in src/kernel (make_linux_kernel); tests have a
// fake one. Every call is synchronous: when it returns without error, the kernel has done it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "smtpegress/link.hpp"
#include "smtpegress/net_types.hpp"
#include "smtpegress/nft.hpp"
#include "smtpegress/route.hpp"
#include "smtpegress/trace.hpp"

namespace smtpegress {

/// The host as one observation found it.
struct ObservedState {
  std::vector<Link> links;
  std::vector<InterfaceAddress> addresses;
  std::vector<PolicyRule> rules;  ///< IPv4's by priority, then IPv6's
  std::vector<Route> routes;      ///< IPv4's, then IPv6's; all tables but local
  nft::Ruleset ruleset;

  [[nodiscard]] const Link* link(const IfName& name) const;
  [[nodiscard]] const Link* link(int index) const;
  /// Of the interface's addresses, link-local ones left out; each once.
  [[nodiscard]] std::vector<Prefix> networks_on(const Link& link) const;
  /// The main table's default route of the lowest metric, by an interface; null where there is none.
  [[nodiscard]] const Route* default_route(IpFamily family) const;
};

class Kernel {
 public:
  Kernel() = default;
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;
  virtual ~Kernel() = default;

  /// Links, addresses, rules, routes and the whole ruleset. A dump that the kernel marks as torn is repeated, a bounded
  /// number of times, then an error: no partial dump is ever returned.
  virtual Result<ObservedState> observe() = 0;

  /// The ruleset's now: as long as it is the one that observe() gave, nothing of the ruleset has changed. Costs next to
  /// nothing.
  virtual Result<std::uint32_t> generation() = 0;

  /// iptables-legacy's and ip6tables-legacy's tables, which filter beside nf_tables and are not in observe()'s ruleset;
  /// as nf_tables would have them, families ip and ip6. Empty where there are none.
  virtual Result<nft::Ruleset> legacy_tables() = 0;

  /// The names of IPv4's alone, which costs next to nothing; empty where there are none, or where this process may not
  /// know.
  virtual std::vector<std::string> legacy_table_names() = 0;

  /// The value without its newline; an absent file (an interface that is gone) is errnum ENOENT.
  /// `key` is the path below /proc/sys, such as "net/ipv4/conf/wg0/rp_filter".
  virtual Result<std::string> read_sysctl(const std::string& key) = 0;
  virtual Result<void> write_sysctl(const std::string& key, const std::string& value) = 0;

  /// Makes the interface, or makes one of ours of that name like it. Where that takes a new one in its place, the new
  /// one gets the old one's routes of ours, and has its sysctls to be set anew. errnum EEXIST: there is one of somebody
  /// else's, EOPNOTSUPP: this kernel has not that kind. After an error, one that was not there before is not there; one
  /// that was is there as `former`, with its routes, or the hint says why not.
  virtual Result<void> put_link(const LinkSpec& link, const std::optional<LinkSpec>& former) = 0;
  /// With all routes on it. errnum ENODEV where none of ours has that name.
  virtual Result<void> delete_link(const LinkSpec& link) = 0;
  virtual Result<void> add_route(const Route& route) = 0;
  virtual Result<void> delete_route(const Route& route) = 0;
  virtual Result<void> add_rule(const PolicyRule& rule, Duplicates duplicates) = 0;
  virtual Result<void> delete_rule(const PolicyRule& rule) = 0;

  /// All steps or none. kStale where the ruleset is no longer of `generation`: nothing was changed, observe anew.
  virtual Result<void> commit(const nft::Batch& batch, std::uint32_t generation) = 0;

  /// Tracked tcp flows, all those to one of `ports` among them. An absent conntrack is an empty list.
  virtual Result<std::vector<Flow>> tcp_flows_to(IpFamily family, const std::vector<PortRange>& ports) = 0;
  /// A flow that has ended meanwhile is no error.
  virtual Result<void> delete_flow(const Flow& flow) = 0;

  virtual Result<RouteAnswer> look_up_route(const RouteQuery& query) = 0;
  /// From the kernel's WireGuard, else from the control socket of a userspace one. errnum ENODEV: not a WireGuard.
  virtual Result<WireGuardDevice> wireguard(const IfName& name) = 0;

  /// Makes an owned table (AddTable) whose rules start traces, and listens. errnum EOPNOTSUPP: this kernel has no owned
  /// tables, and nothing was made. What other programs have the kernel trace is told too.
  virtual Result<std::unique_ptr<PacketTrace>> trace(const nft::Batch& table) = 0;
};

/// The running kernel, in the caller's network namespace. Sockets are opened at first use.
[[nodiscard]] std::unique_ptr<Kernel> make_linux_kernel();

}  // namespace smtpegress
