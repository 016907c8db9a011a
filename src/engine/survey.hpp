// One look at the host from one profile's point of view: what every command starts with.
#pragma once

#include <string>
#include <vector>

#include "engine/instances.hpp"
#include "smtpegress/engine.hpp"

namespace smtpegress {

struct Survey {
  ObservedState observed;
  ResolvedHost host;
  std::vector<Object> legacy;  ///< the shell scripts' objects
  DesiredState desired;        ///< as if those were gone already: they go in the same transaction, or are in the way
  SysctlValues sysctls;        ///< of the desired keys and of those asked for
  std::vector<std::string> left_off{};  ///< forwarding that is not switched on yet; see is_here
  std::optional<Error> unresolved;
};

/// Has this host a network of the source's, on an interface or by a route? Before it has, forwarding at home is left
/// off: what brings the network switches it on, and Docker closes its FORWARD chain to strangers only where it was the
/// one to do so.
[[nodiscard]] bool is_here(const Prefix& source, const ObservedState& observed);

/// Why forwarding is left off, for a person.
[[nodiscard]] std::string waits_for_network(const std::string& key);

/// `further` are keys whose values are wanted beside the desired ones. `remembered` is taken where the host no longer
/// answers what the profile leaves open (its default route is gone, say); `unresolved` then says why.
Result<Survey> survey(Kernel& kernel, const Profile& profile, const std::vector<SavedSysctl>& further = {},
                      const std::optional<ResolvedHost>& remembered = {});

/// For what is to be made of this host, or planned: what an earlier enable of the same tunnel found counts where the
/// host tells less now, but what the profile leaves open and the host does not answer is an error.
Result<Survey> survey_to_enable(Kernel& kernel, const Profile& profile, const std::optional<InstanceRecord>& before,
                                const std::vector<SavedSysctl>& further);

/// A sysctl that an earlier profile changed and this one does not want goes back to its previous value: adds those to
/// what is desired, and returns them.
std::vector<SysctlSpec> add_unwanted_sysctls(const InstanceRecord& record, const OtherInstances& others, Survey& seen);

}  // namespace smtpegress
