// Packet marks that firewall rules put on packets.
#pragma once

#include <optional>
#include <vector>

#include "smtpegress/nft.hpp"

namespace smtpegress {

/// What a rule puts on the packets that it matches; nothing where it marks none.
[[nodiscard]] std::optional<Mark> mark_set_by(const nft::Rule& rule);

/// Each mark that a rule of the table sets, once.
[[nodiscard]] std::vector<Mark> marks_set_in(const nft::TableKey& table, const nft::Ruleset& ruleset);

}  // namespace smtpegress
