// Makes a plan's changes, and takes back those that were made when a later one fails.
#pragma once

#include "smtpegress/kernel.hpp"
#include "smtpegress/plan.hpp"

namespace smtpegress {

/// Rounds of observing and changing: one is the rule; more only while others change the same objects, or answers are
/// lost.
inline constexpr int kMostRounds = 20;

/// The error once they are used up.
[[nodiscard]] Error kept_changing(std::string operation, std::string object);

class Transaction {
 public:
  explicit Transaction(Kernel& kernel) : kernel_(kernel) {}

  /// Makes the changes in order; those to nf_tables as one batch on `ruleset`'s generation. May be called again with a
  /// new plan after kStale: what was made before is remembered for rollback().
  Result<void> run(const Plan& plan, const nft::Ruleset& ruleset);

  /// To be called with each new look at the host: here shows what was made of changes whose answer was lost. (A batch's
  /// comes back as kStale.)
  void settle(const ObservedState& observed);

  /// Takes back every change made since construction, newest first; false where there was none. Goes on after a failure
  /// and returns the first one, which names what is left.
  Result<bool> rollback();

  /// The same because of `error`, to which it adds how that went. False where something may stand that is not wanted;
  /// the error is then the kernel's.
  bool roll_back_after(Error& error);

  [[nodiscard]] const std::vector<Change>& done() const noexcept { return done_; }

 private:
  Result<void> make_all(const std::vector<Change>& changes, const nft::Ruleset& ruleset, Course course,
                        std::vector<Change>& made);

  Kernel& kernel_;
  std::vector<Change> done_;
  std::vector<Change> unanswered_;  ///< the last batch, or other change, where the kernel did not say that it made it
};

}  // namespace smtpegress
