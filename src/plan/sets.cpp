#include "plan/sets.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace smtpegress {
namespace {

constexpr std::size_t kNamed = 3;  // elements that are told by name; the others are counted

std::vector<nft::SetElement> only_in(const std::vector<nft::SetElement>& some,
                                     const std::vector<nft::SetElement>& others) {
  std::vector<nft::SetElement> rest;
  std::ranges::set_difference(some, others, std::back_inserter(rest));
  return rest;
}

std::string list_of(const std::vector<nft::SetElement>& elements, const nft::SetType& type) {
  std::string text;
  for (std::size_t i = 0; i < elements.size() && i < kNamed; ++i) {
    text += (text.empty() ? "" : ", ") + to_string(elements[i], type);
  }
  return elements.size() > kNamed ? text + ", …" : text;
}

/// As many steps as it takes.
template <class Step>
void add_in_steps(const OwnSet& set, const std::vector<nft::SetElement>& elements, nft::Batch& batch) {
  for (auto begin = elements.begin(); begin != elements.end();) {
    const auto left = static_cast<std::size_t>(elements.end() - begin);
    const auto end = begin + static_cast<std::ptrdiff_t>(std::min(left, nft::kElementsInStep));
    batch.emplace_back(Step{set.key, set.type, {begin, end}});
    begin = end;
  }
}

}  // namespace

OwnSet as_own(const nft::ObservedSet& set) {
  return {set.key, set.type.value_or(nft::SetType{}), set.elements};
}

bool has_its_type(const OwnSet& set, const nft::Ruleset& ruleset) {
  const auto* standing = ruleset.find_set(set.key);
  return standing != nullptr && standing->type == set.type;
}

Finding inspect_set(const OwnSet& desired, const nft::Ruleset& ruleset) {
  const auto* set = ruleset.find_set(desired.key);
  if (set == nullptr) {
    return {desired, Presence::kMissing, {}, {}, {}};
  }
  if (set->type == desired.type && set->elements == desired.elements) {
    return {desired, Presence::kPresent, {}, {}, {}};
  }
  std::string detail = "is of another type";
  if (set->type == desired.type) {
    const auto missing = only_in(desired.elements, set->elements);
    const auto further = only_in(set->elements, desired.elements);
    detail = missing.empty() ? ""
                             : fmt::format("{} element{} missing or altered: {}", missing.size(),
                                           missing.size() == 1 ? "" : "s", list_of(missing, desired.type));
    if (!further.empty()) {
      detail += fmt::format("{}{} not ours, or altered: {}", detail.empty() ? "" : "; ", further.size(),
                            list_of(further, desired.type));
    }
  }
  return {desired, Presence::kChanged, std::move(detail), as_own(*set), {}};
}

void add_element_steps(const OwnSet& wanted, const std::vector<nft::SetElement>& standing, nft::Batch& batch) {
  add_in_steps<nft::DeleteElements>(wanted, only_in(standing, wanted.elements), batch);
  add_in_steps<nft::AddElements>(wanted, only_in(wanted.elements, standing), batch);
}

}  // namespace smtpegress
