// What `init` finds on this host: interfaces and tunnels, Docker's networks, firewalls.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "docker/inventory.hpp"
#include "setup/descriptor.hpp"
#include "smtpegress/kernel.hpp"
#include "smtpegress/state.hpp"

namespace smtpegress::setup {

struct Finds {
  ObservedState observed;
  std::vector<WireGuardDevice> wireguards;  ///< by the links' order
  std::optional<docker::Inventory> docker;  ///< absent: not asked, or there is no daemon
  bool has_mox_user = false;                ///< Mox runs on the host itself, as that user
  DockerBackend backend = DockerBackend::kNone;
  std::vector<std::string> notes;  ///< what was not asked, and why

  [[nodiscard]] const WireGuardDevice* wireguard(const IfName& name) const;
};

/// Whom to ask beside the kernel; tests have their own.
struct Neighbours {
  std::function<Result<std::optional<docker::Inventory>>()> docker;  ///< empty: is not to be asked
  std::function<bool(const char*)> has_user;
};

/// kPermission: not as root. kUsage: Docker's answer is none. Nothing is changed.
Result<Finds> look(Kernel& kernel, const Neighbours& neighbours);

/// This end as it is now, for a profile whose sources' names have been asked for. A tunnel that is no WireGuard has
/// neither key nor peers; a WireGuard that does not tell of itself is an error.
Result<Descriptor> look_at_end(Kernel& kernel, const Profile& profile);

}  // namespace smtpegress::setup
