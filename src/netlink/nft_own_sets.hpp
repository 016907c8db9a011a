// The named sets and maps of our own tables, read with their elements.
#pragma once

#include <vector>

#include "smtpegress/nft.hpp"

namespace smtpegress::netlink {

/// Those of the tables among `tables` that are of our own name; elements sorted, of kinds that are known. To be called
/// between two readings of the generation, as the elements have to belong to it. Errors: those of a dump, and EINTR
/// where the elements kept changing places.
Result<std::vector<nft::ObservedSet>> read_own_sets(int fd, const std::vector<nft::TableKey>& tables);

}  // namespace smtpegress::netlink
