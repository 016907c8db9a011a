// Named sets of ours, held against those observed: by content, element by element.
#pragma once

#include <string>
#include <vector>

#include "smtpegress/plan.hpp"

namespace smtpegress {

/// A set of our table as it stands. One of a kind that is none of ours has the default type and no elements.
[[nodiscard]] OwnSet as_own(const nft::ObservedSet& set);

[[nodiscard]] Finding inspect_set(const OwnSet& desired, const nft::Ruleset& ruleset);

/// Is the set there, and of the type it should be? Then only elements are added and removed.
[[nodiscard]] bool has_its_type(const OwnSet& set, const nft::Ruleset& ruleset);

/// The steps from the elements that stand to those wanted: first the ones that go.
void add_element_steps(const OwnSet& wanted, const std::vector<nft::SetElement>& standing, nft::Batch& batch);

}  // namespace smtpegress
