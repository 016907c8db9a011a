// Interfaces of ours among those that were observed.
#pragma once

#include <string_view>

#include "smtpegress/plan.hpp"

namespace smtpegress {

/// By its alias; or, where that did not follow any more, by what it was made with.
[[nodiscard]] bool is_made_as(const Link& link, std::string_view alias);

/// The interface as it stands, in the terms of `wanted`: whatever else it has is left out. Precondition: it is ours.
[[nodiscard]] LinkSpec as_spec(const Link& link, const LinkSpec& wanted, const ObservedState& observed);

[[nodiscard]] Finding inspect_link(const LinkSpec& desired, const ObservedState& observed);

/// Interfaces of the instance that are not among the desired ones: removes them.
void add_link_removals(const DesiredState& desired, const DesiredState& owned, const ObservedState& observed,
                       Plan& plan);

}  // namespace smtpegress
