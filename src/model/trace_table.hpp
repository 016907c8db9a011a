// The table that a trace makes: its rules have the kernel trace the mail and its replies, from the first function of
// the host on; and it has a chain at both ends of each hook, so that it is known between which two a packet was lost.
//
// Its name is not one of our own tables' (model/ownership.hpp): nobody takes it for what an enable made. It holds
// nothing that drops, marks or translates, so that to every other command it is somebody's empty chains.
#pragma once

#include <optional>
#include <string_view>

#include "smtpegress/state.hpp"

namespace smtpegress {

/// `inet smtp-egress.trace.NAME.NUMBER`. No instance's own table is called so: their prefix is "smtp-egress-". Two
/// traces at one time have two numbers.
[[nodiscard]] nft::TableKey trace_table_key(std::string_view instance, std::uint32_t number);

/// Owned; see there.
[[nodiscard]] nft::Batch trace_table(const nft::TableKey& table, const Profile& profile, const ResolvedHost& host);

/// A place of the table's on a packet's way, in the order of the way where one follows the other.
enum class Checkpoint : std::uint8_t {
  kPrerouting,
  kPreroutingEnd,
  kInput,
  kInputEnd,
  kForward,
  kForwardEnd,
  kOutput,
  kOutputEnd,
  kPostrouting,
  kPostroutingEnd,
};
/// Nothing of another table's chain.
[[nodiscard]] std::optional<Checkpoint> checkpoint_of(const nft::TableKey& table, const nft::ChainKey& chain);

/// Where a packet's tracing begins.
[[nodiscard]] constexpr bool begins(Checkpoint place) noexcept {
  return place == Checkpoint::kPrerouting || place == Checkpoint::kOutput;
}
[[nodiscard]] nft::Hook hook_of(Checkpoint place) noexcept;

}  // namespace smtpegress
