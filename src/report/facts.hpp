// What the kernel holds that bears on the mail, as lines for a reader who cannot ask this host himself.
#pragma once

#include <cstdint>
#include <vector>

#include "report/section.hpp"
#include "smtpegress/kernel.hpp"
#include "smtpegress/observed_parts.hpp"
#include "smtpegress/profile.hpp"

namespace smtpegress::report {

/// From whose point of view.
struct Viewpoint {
  const Profile* profile = nullptr;  ///< null: no instance is known; then what matters to any
  std::int64_t now = 0;              ///< seconds since the epoch
};

/// Sections for interfaces, policy rules, routes, sysctls, WireGuard, connection tracking, nf_tables, iptables-legacy
/// and the programs that have rules there. What fails, or could not be observed, is told in its section. Nothing is
/// changed, and no packet sent.
[[nodiscard]] std::vector<Section> facts(Kernel& kernel, const ObservedParts& observed, const Viewpoint& from);

}  // namespace smtpegress::report
