// A quick look whether a tracked tcp flow to some port exists at all. A ctnetlink dump takes a lock for every bucket of
// the kernel's table, empty or not (measured: 4.6 ms for 262144 buckets); /proc/net/nf_conntrack walks the same table
// without (0.25 ms). Most hosts have no such flow open when enable runs, and need no dump.
#pragma once

#include <istream>
#include <vector>

#include "smtpegress/net_types.hpp"

namespace smtpegress {

/// True where the kernel's list is not to be had (CONFIG_NF_CONNTRACK_PROCFS off): then only a dump can tell.
[[nodiscard]] bool may_track_tcp_to(IpFamily family, const std::vector<PortRange>& ports);

/// The same for a given list; a line that is not understood counts as "may".
[[nodiscard]] bool lists_tcp_to(std::istream& list, IpFamily family, const std::vector<PortRange>& ports);

}  // namespace smtpegress
