// From what should be and what is, to what has to be done. Everything the program does is a view of this.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "smtpegress/state.hpp"

namespace smtpegress {

enum class Presence : std::uint8_t {
  kPresent,
  kMissing,
  kChanged,  ///< ours, but not as it should be
  kForeign,  ///< somebody else's object stands in its place
  kWaiting,  ///< cannot be made yet: its interface does not exist or is down
};

struct RuleCounter {
  nft::Rule rule;  ///< its comment says its role
  Presence presence = Presence::kPresent;
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
};

/// One desired object held against the observation.
struct Finding {
  Object object;
  Presence presence = Presence::kPresent;
  std::string detail;                 ///< why it is not simply present; empty where it is
  std::optional<Object> current;      ///< what stands in its place (kChanged), to go back to
  std::vector<RuleCounter> counters;  ///< of nf_tables objects, a line per rule
};

/// Every object of `desired`, in its order.
[[nodiscard]] std::vector<Finding> inspect(const DesiredState& desired, const ObservedState& observed,
                                           const SysctlValues& sysctls);

enum class Verb : std::uint8_t { kCreate, kReplace, kRemove };

struct Change {
  Verb verb = Verb::kCreate;
  Object object;                   ///< what is to be made; for kRemove, what is to go
  std::optional<Object> previous;  ///< kReplace: what it takes the place of
  std::string reason;
};

/// In which order a plan's changes are made; see src/plan/order.cpp for why.
enum class Course : std::uint8_t {
  kUp,        ///< firewall first (it fails closed), then routes, sysctls, policy rule
  kTakeOver,  ///< routes and rule beside the old ones, then the firewall in one go, then the old ones go
  kDown,      ///< policy rule, sysctls, routes, firewall last
};

struct Plan {
  Course course = Course::kUp;
  std::vector<Change> changes;   ///< in the order of execution
  std::vector<Finding> waiting;  ///< objects that cannot be made yet
  std::vector<Finding> foreign;  ///< objects of others in the way; where there is one, the plan must not be executed
  [[nodiscard]] bool empty() const noexcept { return changes.empty(); }
};

/// The changes that turn `observed` into `desired`. `owned` is what an earlier enable made (its own desired state):
/// what of it stands and is no longer wanted goes. `retired` are further objects to remove (the shell scripts', on
/// take-over).
[[nodiscard]] Plan make_plan(const DesiredState& desired, const DesiredState& owned, const ObservedState& observed,
                             const SysctlValues& sysctls, const std::vector<Object>& retired = {});

/// The plan that takes back `done`, the changes of a plan that were made, newest first.
[[nodiscard]] std::vector<Change> inverse(const std::vector<Change>& done);

/// The changes to nf_tables among `changes`, as one batch. Handles of rules to remove are looked up in `ruleset`.
[[nodiscard]] nft::Batch make_batch(const std::vector<Change>& changes, const nft::Ruleset& ruleset);

/// The change, to be made to `ruleset`, with the places of foreign chains' rules that go: the way back puts them there.
[[nodiscard]] Change with_place(Change change, const nft::Ruleset& ruleset);

/// What `observed` shows of `changes`, one batch to nf_tables or one other change, of which the kernel did not answer:
/// a batch whole or not at all; of a replacement perhaps but one of its two steps. As inverse() takes it.
[[nodiscard]] std::vector<Change> made_of(const std::vector<Change>& changes, const ObservedState& observed);
/// The rest of them.
[[nodiscard]] std::vector<Change> left_of(const std::vector<Change>& changes, const ObservedState& observed);

[[nodiscard]] bool is_nftables(const Object& object);

}  // namespace smtpegress
