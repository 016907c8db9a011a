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
[[nodiscard]] bool is_side_effect(const SavedSysctl& sysctl);  ///< of either

/// The family's forwarding was off when an instance first came to it.
[[nodiscard]] bool switches_forwarding(const SysctlRecord& record, IpFamily family);

[[nodiscard]] std::vector<SysctlSpec> as_we_set_them(const std::vector<SavedSysctl>& saved);

/// Current values of `wanted`'s keys.
Result<SysctlValues> read_sysctls(Kernel& kernel, const std::vector<SysctlSpec>& wanted);

/// What somebody else has set since our enable, and the next one sets again: the value found is what disable puts back,
/// for it is what an administrator wanted meanwhile. Never a value of ours, so that a crash between writing the record
/// and the sysctl leads to the same answer again. In `previous` stands what was found.
[[nodiscard]] std::vector<SavedSysctl> set_meanwhile(const SysctlRecord& record, const std::vector<SysctlSpec>& wanted,
                                                     const SysctlValues& current, const OtherInstances& others);

/// Gives `record` the previous values of `found`; returns those that were others.
std::vector<SavedSysctl> adopt(const std::vector<SavedSysctl>& found, SysctlRecord& record);

/// What has to be remembered of `wanted` before it is applied: keys already in `record` keep their previous value, keys
/// that others remember take over that (the last one out restores), the rest is saved from `current`, also where it has
/// our value already; an interface made since conf/default was changed is taken for born with our value.
[[nodiscard]] SysctlRecord merge_saved(SysctlRecord record, const std::vector<SysctlSpec>& wanted,
                                       const SysctlValues& current, const std::vector<Link>& links,
                                       const OtherInstances& others);

/// Gives `record` what earlier instances have left and it does not remember itself.
void take_over(const SysctlRecord& left, SysctlRecord& record);

/// Switching a family's forwarding sets every interface's `forwarding` as a side effect, and IPv4's
/// `all/accept_redirects` (inet_forward_change, net/ipv4/devinet.c; addrconf_forward_change, net/ipv6/addrconf.c).
/// Those whose value does not come back by itself when it is switched back.
Result<std::vector<SavedSysctl>> forwarding_side_effects(Kernel& kernel, IpFamily family,
                                                         const std::vector<Link>& links);

/// Gives `record` the side effects, and what else is remembered of the moment in which the family's forwarding was
/// switched.
void remember_switching(IpFamily family, const std::vector<SavedSysctl>& side_effects,
                        const std::vector<std::string>& translations, SysctlRecord& record);
/// The same as `other` remembers it.
void remember_switching(IpFamily family, const SysctlRecord& other, SysctlRecord& record);

/// After forwarding was switched and back: gives each of these side effects its value again. An interface that is gone
/// is no error; of several errors the first is returned, after all have been tried. `all` has further sysctls of ours.
Result<void> put_back_side_effects(Kernel& kernel, const std::vector<SavedSysctl>& side_effects,
                                   const SysctlRecord& all);

struct Restoration {
  std::vector<SysctlSpec> targets;  ///< forwarding first, for its side effects on the others
  /// accept_ra, not before all of `targets` hold: as long as something switches IPv6's forwarding on, side effects that
  /// go back among it, the kernel forgets what it learned of routers by interfaces without accept_ra=2.
  std::vector<SysctlSpec> last{};
  std::vector<std::string> notes;  ///< why a value stays
  SysctlRecord left{};             ///< what stays for an instance that no record tells of, and is to be remembered
};
/// Has each its value?
[[nodiscard]] bool all_hold(const std::vector<SysctlSpec>& targets, const SysctlValues& current);

/// Compare and swap: a value goes back only where it is still ours and nobody else evidently needs it.
[[nodiscard]] Restoration restoration(const InstanceRecord& record, const SysctlValues& current,
                                      const OtherInstances& others, const nft::Ruleset& ruleset);

}  // namespace smtpegress
