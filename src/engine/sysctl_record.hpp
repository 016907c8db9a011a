// The sysctls' side of enable and disable: what they were, what of them may be put back, and for whom they must stay.
#pragma once

#include <string>
#include <vector>

#include "engine/instances.hpp"
#include "smtpegress/kernel.hpp"
#include "smtpegress/plan.hpp"

namespace smtpegress {

/// Not what we set: switching ip_forward sets it.
[[nodiscard]] bool is_side_effect(const SavedSysctl& sysctl);

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

/// Switching ip_forward sets every interface's `forwarding` and `all/accept_redirects` as a side effect
/// (inet_forward_change, net/ipv4/devinet.c). Those whose value does not come back by itself when ip_forward goes back.
Result<std::vector<SavedSysctl>> forwarding_side_effects(Kernel& kernel, const std::vector<Link>& links);

/// Gives `record` the side effects, and what else is remembered of the moment in which ip_forward was switched.
void remember_switching(const std::vector<SavedSysctl>& side_effects, std::vector<std::string> translations,
                        SysctlRecord& record);
/// The same as `other` remembers it.
void remember_switching(const SysctlRecord& other, SysctlRecord& record);

/// After ip_forward was switched and back: gives each side effect among `saved` its value again. An interface that is
/// gone is no error; of several errors the first is returned, after all have been tried.
Result<void> put_back_side_effects(Kernel& kernel, const std::vector<SavedSysctl>& saved);

struct Restoration {
  std::vector<SysctlSpec> targets;  ///< ip_forward first, for its side effects on the others
  std::vector<std::string> notes;   ///< why a value stays
  SysctlRecord left{};              ///< what stays for an instance that no record tells of, and is to be remembered
};
/// Compare and swap: a value goes back only where it is still ours and nobody else evidently needs it.
[[nodiscard]] Restoration restoration(const InstanceRecord& record, const SysctlValues& current,
                                      const OtherInstances& others, const nft::Ruleset& ruleset);

}  // namespace smtpegress
