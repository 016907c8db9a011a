// A profile becomes kernel objects: the two sides' own tables here and in lower_home.cpp and lower_vps.cpp, what both
// need in other programs' chains in admission.cpp.
#include "model/lower.hpp"

#include "model/families.hpp"
#include "model/inner.hpp"
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
  lower_inner(profile, host, desired);
  return desired;
}

void add_forwarding(const Profile& profile, const ResolvedHost& host, std::vector<SysctlSpec>& sysctls) {
  for (const auto family : families_of(profile)) {
    if (family == IpFamily::kV6) {
      // A host that forwards takes no router's advertisement, and drops the default route that it has of one, unless
      // told to (accept_ra=2; addrconf_fixup_forwarding, net/ipv6/addrconf.c): told before.
      for (const auto& link : host.advertised_links) {
        sysctls.push_back({accept_ra_key(link.str()), "2"});
      }
    }
    sysctls.push_back({std::string(traits_of(family).forwarding), "1"});
  }
}

}  // namespace smtpegress
