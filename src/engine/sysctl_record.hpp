// The sysctls' side of enable and disable: what they were, what of them may be put back, and for whom they must stay.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/instances.hpp"
#include "smtpegress/kernel.hpp"
#include "smtpegress/plan.hpp"

namespace smtpegress {

/// The family whose forwarding this sysctl switches for the whole host, if it is one of those.
[[nodiscard]] std::optional<IpFamily> switched_by(std::string_view key);

/// Not what we set: switching this family's forwarding sets it.
[[nodiscard]] bool is_side_effect(const SavedSysctl& sysctl, IpFamily family);

/// The first of `records` that has `key` among its sysctls; null where none has.
[[nodiscard]] const InstanceRecord* holder_of(const std::vector<InstanceRecord>& records, std::string_view key);

/// Current values of `wanted`'s keys.
Result<SysctlValues> read_sysctls(Kernel& kernel, const std::vector<SysctlSpec>& wanted);

/// What somebody else has set since our enable, and the next one sets again: the value found is what disable puts back,
/// for it is what an administrator wanted meanwhile. Never a value of ours, so that a crash between writing the record
/// and the sysctl leads to the same answer again. In `previous` stands what was found.
[[nodiscard]] std::vector<SavedSysctl> set_meanwhile(const std::vector<SavedSysctl>& saved,
                                                     const std::vector<SysctlSpec>& wanted, const SysctlValues& current,
                                                     const std::vector<InstanceRecord>& others);

/// Gives `saved` the previous values of `found`; returns those that were others.
std::vector<SavedSysctl> adopt(const std::vector<SavedSysctl>& found, std::vector<SavedSysctl>& saved);

/// What has to be remembered of `wanted` before it is applied: keys already in `saved` keep their previous value, keys
/// that another instance holds take over its previous value (the last one out restores), the rest is saved from
/// `current`, also where it has our value already.
[[nodiscard]] std::vector<SavedSysctl> merge_saved(std::vector<SavedSysctl> saved,
                                                   const std::vector<SysctlSpec>& wanted, const SysctlValues& current,
                                                   const std::vector<InstanceRecord>& others);

/// Switching a family's forwarding sets every interface's `forwarding` as a side effect, and IPv4's
/// `all/accept_redirects` (inet_forward_change, net/ipv4/devinet.c; addrconf_forward_change, net/ipv6/addrconf.c).
/// Those whose value does not come back by itself when it is switched back. Another instance that has switched it
/// already has found them, and this one takes over what it found.
Result<std::vector<SavedSysctl>> forwarding_side_effects(Kernel& kernel, IpFamily family,
                                                         const std::vector<Link>& links,
                                                         const std::vector<InstanceRecord>& others);

/// After forwarding was switched and back: gives each side effect among `saved` its value again. An interface that is
/// gone is no error; of several errors the first is returned, after all have been tried.
Result<void> put_back_side_effects(Kernel& kernel, const std::vector<SavedSysctl>& saved);

struct Restoration {
  std::vector<SysctlSpec> targets;  ///< forwarding first, for its side effects on the others
  /// accept_ra, not before all of `targets` hold: as long as something switches IPv6's forwarding on, side effects that
  /// go back among it, the kernel forgets what it learned of routers by interfaces without accept_ra=2.
  std::vector<SysctlSpec> last;
  std::vector<std::string> notes;  ///< why a value stays
};
/// Has each its value?
[[nodiscard]] bool all_hold(const std::vector<SysctlSpec>& targets, const SysctlValues& current);

/// Compare and swap: a value goes back only where it is still ours and nobody else evidently needs it.
[[nodiscard]] Restoration restoration(const InstanceRecord& record, const SysctlValues& current,
                                      const OtherInstances& others, const nft::Ruleset& ruleset);

}  // namespace smtpegress
