#include <algorithm>

#include "engine/verify/checks.hpp"
#include "engine/verify/mail_path.hpp"
#include "engine/verify/probe_request.hpp"
#include "smtpegress/dns.hpp"

namespace smtpegress {

void Inquiry::passed(std::string id, std::string title, std::string detail, PathScope where) const {
  checks.push_back({std::move(id), std::move(title), Outcome::kPassed, std::move(detail), {}, std::move(where)});
}
void Inquiry::failed(std::string id, std::string title, std::string detail, std::string mend, PathScope where) const {
  checks.push_back(
      {std::move(id), std::move(title), Outcome::kFailed, std::move(detail), std::move(mend), std::move(where)});
}
void Inquiry::skipped(std::string id, std::string title, std::string detail) const {
  checks.push_back({std::move(id), std::move(title), Outcome::kSkipped, std::move(detail), {}});
}

bool VerifyReport::passed() const {
  return std::ranges::none_of(checks, [](const Check& c) { return c.outcome == Outcome::kFailed; });
}

Result<VerifyReport> Engine::verify(const std::string& name, const std::optional<Profile>& fallback,
                                    const ProbeWish& wish, const DnsWish& dns) {
  const auto view = view_enabled(kernel_, store_, docker_, name, fallback);
  if (!view) {
    return std::unexpected(view.error());
  }
  const auto servers = servers_to_probe(view->profile, wish);
  if (!servers) {
    return std::unexpected(servers.error());
  }
  if (dns.resolver != nullptr) {
    if (const auto fit = dns.resolver->check_settings(); !fit) {
      return std::unexpected(fit.error());
    }
  }
  VerifyReport report{view->profile, {}};
  Sightings sightings;
  const Inquiry ask{kernel_, docker_, *view, now_(), report.checks, sightings};
  const bool has_tenants = !view->profile.tenants.empty();
  (has_tenants ? check_tenant_tunnels : check_tunnel)(ask);  // first, being the cause of what fails behind it
  check_inner(ask);
  check_objects(ask);
  check_named_sources(ask);
  (has_tenants ? check_tenant_routes : check_routes)(ask);
  check_host_senders(ask);
  check_unsourced(ask);
  check_sysctls(ask);
  check_path(ask);
  (has_tenants ? check_tenant_addresses : check_public_address)(ask);
  if (wish.prober != nullptr && !servers->empty()) {  // last: what was found by looking alone comes first
    check_probe(ask, *wish.prober, *servers, wish.patience);
  }
  report.path = mail_path(ask);  // before what is asked of the DNS, which is not on it
  if (dns.resolver != nullptr) {
    check_deliverability(ask, dns);
  }
  return report;
}

}  // namespace smtpegress
