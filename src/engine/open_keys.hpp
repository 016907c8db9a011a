// Values for what a profile leaves open ("auto").
#pragma once

#include "engine/instances.hpp"
#include "smtpegress/engine.hpp"

namespace smtpegress {

/// The profile with nothing left open: its names asked for (resolve_named_sources), "auto" decided. An instance keeps
/// the values that it has, by its record or by what stands of it; a new one takes the first that nobody uses, counted
/// up from the usual ones. Error: a name is not known, or no value is free.
Result<Profile> close_profile(Kernel& kernel, const DockerNetworks& docker, const Profile& profile,
                              const std::optional<InstanceRecord>& record, const OtherInstances& others);

/// "mark 0x19, table 100": the values of these keys.
[[nodiscard]] std::string to_text(const Profile& profile, const OpenKeys& keys);

}  // namespace smtpegress
