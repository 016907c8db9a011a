// Which of an interface's addresses mail can go by.
#pragma once

#include <optional>
#include <vector>

#include "smtpegress/state.hpp"

namespace smtpegress {

/// Addresses of an interface that others can send to, in the kernel's order: of IPv4 the first is the primary one.
[[nodiscard]] std::vector<IpAddress> addresses_of(const ObservedState& observed, const Link& link, IpFamily family);

/// The same of both families.
[[nodiscard]] std::vector<IpAddress> addresses_of(const ObservedState& observed, const Link& link);

/// Does the host reach the internet by that interface, and by nothing that wraps packets up? A default route by a
/// gateway says so; by none it may be a VPN's, but not that of hardware, of a container's venet, or of PPPoE.
[[nodiscard]] bool is_uplink(const ObservedState& observed, const IfName& interface, IpFamily family);

/// An address that a provider maps to a public one.
[[nodiscard]] bool may_be_mapped(const IpAddress& address);

/// The address that an interface has for good: of IPv6 a public one before a private one, and one that an administrator
/// set before one that a router's advertisement made; none that is to be replaced (temporary, deprecated) or may be
/// another host's. Of equals the first.
[[nodiscard]] std::optional<IpAddress> lasting_address(const ObservedState& observed, const Link& link,
                                                       IpFamily family);

}  // namespace smtpegress
