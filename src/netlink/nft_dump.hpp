// The ruleset, read so that it can be acted on: whole, and of one generation.
#pragma once

#include <cstdint>
#include <string>

#include "smtpegress/nft.hpp"

namespace smtpegress::netlink {

/// What counts every committed change; a batch that names another one is refused.
[[nodiscard]] Result<std::uint32_t> read_generation(int fd);

/// As NftSocket::observe().
[[nodiscard]] Result<nft::Ruleset> read_ruleset(int fd);

/// EINTR: the object (empty: the ruleset) was never the same for as long as reading it takes.
[[nodiscard]] std::unexpected<Error> unsettled(std::string object);

/// An error of nf_tables, its hint by errno.
[[nodiscard]] std::unexpected<Error> nft_error(std::string operation, std::string object, int errnum, std::string text);

}  // namespace smtpegress::netlink
