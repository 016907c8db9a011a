// The sysctls' side of enable and disable: what they were, what of them may be put back, and for whom they must stay.
#pragma once

#include <string>
#include <vector>

#include "engine/instances.hpp"
#include "smtpegress/kernel.hpp"
#include "smtpegress/plan.hpp"

namespace smtpegress {

inline constexpr std::string_view kIpForward = "net/ipv4/ip_forward";

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

/// Switching ip_forward sets every interface's `forwarding` and `all/accept_redirects` as a side effect
/// (inet_forward_change, net/ipv4/devinet.c). Those whose value does not come back by itself when ip_forward goes back.
/// Another instance that has switched it already has found them, and this one takes over what it found.
Result<std::vector<SavedSysctl>> forwarding_side_effects(Kernel& kernel, const std::vector<Link>& links,
                                                         const std::vector<InstanceRecord>& others);

/// After ip_forward was switched and back: gives each side effect among `saved` its value again. An interface that is
/// gone is no error; of several errors the first is returned, after all have been tried.
Result<void> put_back_side_effects(Kernel& kernel, const std::vector<SavedSysctl>& saved);

struct Restoration {
  std::vector<SysctlSpec> targets;  ///< ip_forward first, for its side effects on the others
  std::vector<std::string> notes;   ///< why a value stays
};
/// Compare and swap: a value goes back only where it is still ours and nobody else evidently needs it.
[[nodiscard]] Restoration restoration(const InstanceRecord& record, const SysctlValues& current,
                                      const OtherInstances& others, const nft::Ruleset& ruleset);

}  // namespace smtpegress
