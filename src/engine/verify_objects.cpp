#include <fmt/format.h>

#include <algorithm>

#include "engine/verify_checks.hpp"

namespace smtpegress {
namespace {

std::string_view wrong_with(Presence presence) {
  switch (presence) {
    case Presence::kPresent:
      return "";
    case Presence::kMissing:
      return "is missing";
    case Presence::kChanged:
      return "is not as it should be";
    case Presence::kForeign:
      return "has another program's object in its place";
    case Presence::kWaiting:
      return "waits for its interface";
  }
  return "";
}

}  // namespace

void check_objects(const Inquiry& ask) {
  if (const auto& unresolved = ask.view.seen.unresolved) {
    ask.failed("host", "the profile fits this host", unresolved->message(),
               "put that right; what follows is held against "
               "what was found at the last enable");
  }
  bool all = true;
  for (const auto& finding : ask.view.findings) {
    if (finding.presence == Presence::kPresent) {
      continue;
    }
    all = false;
    const auto& name = ask.view.profile.name;
    const auto mend =
        finding.presence == Presence::kForeign ? "remove it, or choose another mark, table or priority"
        : finding.presence == Presence::kWaiting
            ? fmt::format("bring up {}, then `smtp-egress enable {}`", ask.view.profile.tunnel.str(), name)
            : fmt::format("`smtp-egress enable {}`", name);
    ask.failed("objects", "everything is in force",
               fmt::format("{} {} {}{}{}", kind_of(finding.object), describe(finding.object),
                           wrong_with(finding.presence), finding.detail.empty() ? "" : ": ", finding.detail),
               mend);
  }
  if (all) {
    ask.passed("objects", "everything is in force", fmt::format("{} objects", ask.view.findings.size()));
  }
}

void check_public_address(const Inquiry& ask) {
  const auto& host = ask.view.seen.host;
  if (ask.view.profile.side != Side::kVps || !host.snat_to) {
    return;
  }
  const auto& observed = ask.view.seen.observed;
  const auto* wan = observed.link(host.wan);
  const bool there = wan != nullptr && std::ranges::any_of(observed.addresses, [&](const InterfaceAddress& a) {
                       return a.link == wan->index && a.local == *host.snat_to;
                     });
  const auto title = "the mail's public address is this host's";
  if (!there) {
    ask.failed("public-address", title, fmt::format("{} is not on {}", host.snat_to->to_string(), host.wan.str()),
               fmt::format("add it there, or `smtp-egress enable {} --public-ip ADDR`", ask.view.profile.name));
  } else if (host.public_ip == host.snat_to) {
    ask.passed("public-address", title, fmt::format("{} on {}", host.snat_to->to_string(), host.wan.str()));
  } else if (host.public_ip) {
    ask.passed("public-address", title,
               fmt::format("{} on {}, which the provider maps to {}", host.snat_to->to_string(), host.wan.str(),
                           host.public_ip->to_string()));
  } else {
    ask.skipped("public-address", title,
                fmt::format("{} on {} is private; which public address the provider maps it to is not known here "
                            "(--public-ip tells)",
                            host.snat_to->to_string(), host.wan.str()));
  }
}

}  // namespace smtpegress
