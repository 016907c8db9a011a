// The network namespaces of containers: where an address of a source is, whoever made it (Docker, Podman, Incus).
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "net/file.hpp"
#include "probe/deadline.hpp"
#include "smtpegress/probe.hpp"

namespace smtpegress::probe {

struct SourceNamespace {
  std::shared_ptr<FileDescriptor> descriptor;
  IpAddress address;                ///< in the source
  std::vector<IpAddress> egress{};  ///< as which it would send to `somewhere`, of either family
  bool listens = false;             ///< on the mail's port: the mail server rather than another container beside it
};

struct NamespaceSearch {
  std::vector<std::optional<SourceNamespace>> found;  ///< for each source; of several, the one that listens
  int errnum = 0;                                     ///< why not all namespaces could be looked into; 0: all were
};

/// Looks into every network namespace of this host's processes but the caller's own. It is done by a thread of its own,
/// so that the caller stays where it is.
[[nodiscard]] NamespaceSearch find_namespaces(const std::vector<Prefix>& sources, const ByFamily<IpAddress>& somewhere,
                                              std::uint16_t port, const Deadline& deadline);

/// All addresses of the calling thread's network namespace.
[[nodiscard]] std::vector<IpAddress> addresses_here();

/// The calling thread's from here on. False with errno: not permitted.
[[nodiscard]] bool enter(const SourceNamespace& place);

}  // namespace smtpegress::probe
