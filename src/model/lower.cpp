// A profile becomes kernel objects: the two sides' own tables here and in lower_home.cpp and lower_vps.cpp, what both
// need in other programs' chains in admission.cpp.
#include "model/lower.hpp"

#include "model/ownership.hpp"

namespace smtpegress {

DesiredState lower(const Profile& profile, const ResolvedHost& host, const ObservedState& observed) {
  DesiredState desired;
  desired.instance = profile.name;
  desired.table = own_table_key(profile.name);
  admit_through_foreign_chains(profile, host, observed.ruleset, desired);
  if (profile.side == Side::kHome) {
    lower_home(profile, host, desired);
  } else {
    lower_vps(profile, host, desired);
  }
  return desired;
}

}  // namespace smtpegress
