// Asked before anything is sent as the mail stack: does something of ours stand between it and the home line?
#pragma once

#include "engine/view.hpp"

namespace smtpegress {

/// Of the enabled instance's mail from that address, a container's in a source: true where neither the guard nor the
/// policy rules would keep it off the uplink. Nobody is to send as that one then. kNotEnabled as view_enabled().
Result<bool> is_exposed(Kernel& kernel, const StateStore& store, const DockerNetworks& docker, const std::string& name,
                        const std::optional<Profile>& fallback, const IpAddress& from);

}  // namespace smtpegress
