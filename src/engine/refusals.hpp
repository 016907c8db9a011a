// Why an enable would not begin: each names the object or the instance, and a way on. Nothing has been touched.
#pragma once

#include "engine/instances.hpp"
#include "smtpegress/plan.hpp"

namespace smtpegress {

/// Somebody else's object stands in the way of one of ours.
[[nodiscard]] Error in_the_way(const Finding& finding);

/// The shell scripts' set-up is active, and enable was not told to take over.
[[nodiscard]] Error scripts_in_the_way(const std::vector<Object>& legacy);

/// What two instances on one host must not have in common: each would steer, or take down, the other's mail.
Result<void> refuse_collision(const Profile& profile, const OtherInstances& others);

}  // namespace smtpegress
