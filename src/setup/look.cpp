#include "setup/look.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "model/docker.hpp"

namespace smtpegress::setup {
namespace {

/// A userspace WireGuard's interface is a TUN device; most others of these are none, which is no error.
Result<void> find_wireguards(Kernel& kernel, Finds& finds) {
  for (const auto& link : finds.observed.links) {
    if (link.kind != "wireguard" && link.kind != "tun") {
      continue;
    }
    auto device = kernel.wireguard(link.name);
    if (device) {
      finds.wireguards.push_back(*std::move(device));
    } else if (device.error().kind == ErrorKind::kPermission) {
      return std::unexpected(device.error());
    } else if (device.error().errnum != ENODEV) {
      finds.notes.push_back(fmt::format("{} is passed over: {}", link.name.str(), device.error().message()));
    }
  }
  return {};
}

}  // namespace

const WireGuardDevice* Finds::wireguard(const IfName& name) const {
  const auto found = std::ranges::find(wireguards, name, &WireGuardDevice::name);
  return found == wireguards.end() ? nullptr : &*found;
}

Result<Finds> look(Kernel& kernel, const Neighbours& neighbours) {
  auto observed = kernel.observe();
  if (!observed) {
    return std::unexpected(observed.error());
  }
  Finds finds;
  finds.observed = *std::move(observed);
  if (auto found = find_wireguards(kernel, finds); !found) {
    return std::unexpected(found.error());
  }
  finds.backend = docker_backend(finds.observed.ruleset, kernel.legacy_table_names());
  finds.has_mox_user = neighbours.has_user && neighbours.has_user("mox");
  if (neighbours.docker) {
    auto inventory = neighbours.docker();
    if (!inventory) {
      return std::unexpected(inventory.error());
    }
    finds.docker = *std::move(inventory);
    if (!finds.docker) {
      finds.notes.emplace_back("Docker does not run here, so none of its networks was looked at");
    }
  }
  return finds;
}

Result<Descriptor> look_at_end(Kernel& kernel, const Profile& profile) {
  const auto observed = kernel.observe();
  if (!observed) {
    return std::unexpected(observed.error());
  }
  const auto host = resolve_host(profile, *observed);
  if (!host) {
    return std::unexpected(host.error());
  }
  auto device = kernel.wireguard(profile.tunnel);
  if (!device && device.error().errnum != ENODEV) {
    return std::unexpected(device.error());
  }
  return describe_end(profile, *host, *observed, device ? std::optional(*std::move(device)) : std::nullopt);
}

}  // namespace smtpegress::setup
