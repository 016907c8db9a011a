#include <fmt/format.h>

#include <algorithm>

#include "engine/verify_checks.hpp"
#include "model/families.hpp"

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

namespace {

void check_public_address(const Inquiry& ask, IpFamily family) {
  const auto& host = ask.view.seen.host;
  const auto& snat_to = host.snat_to[family];
  const auto& public_ip = host.public_ip[family];
  const auto option = traits_of(family).public_option;
  if (!snat_to) {
    return;
  }
  const auto& observed = ask.view.seen.observed;
  const auto* wan = observed.link(host.wan);
  const bool there = wan != nullptr && std::ranges::any_of(observed.addresses, [&](const InterfaceAddress& a) {
                       return a.link == wan->index && a.local == *snat_to;
                     });
  const auto title = "the mail's public address is this host's";
  if (!there) {
    ask.failed("public-address", title, fmt::format("{} is not on {}", snat_to->to_string(), host.wan.str()),
               fmt::format("add it there, or `smtp-egress enable {} {} ADDR`", ask.view.profile.name, option));
  } else if (public_ip == snat_to) {
    ask.passed("public-address", title, fmt::format("{} on {}", snat_to->to_string(), host.wan.str()));
  } else if (public_ip) {
    ask.passed("public-address", title,
               fmt::format("{} on {}, which the provider maps to {}", snat_to->to_string(), host.wan.str(),
                           public_ip->to_string()));
  } else {
    ask.skipped("public-address", title,
                fmt::format("{} on {} is private; which public address the provider maps it to is not known here "
                            "({} tells)",
                            snat_to->to_string(), host.wan.str(), option));
  }
}

}  // namespace

void check_public_address(const Inquiry& ask) {
  for (const auto family : kBothFamilies) {
    if (ask.view.profile.side == Side::kVps && has_sources(ask.view.profile, family)) {
      check_public_address(ask, family);
    }
  }
}

void check_unsourced(const Inquiry& ask) {
  const auto& host = ask.view.seen.host;
  for (const auto& network : host.other_networks) {
    const auto family = traits_of(network.address.family).name;
    ask.passed(
        "unsourced", fmt::format("the mail stack's {} mail does not go past the tunnel", family),
        fmt::format("its network {0} is in no source, so tcp/{1} from there is refused: mail servers then use the "
                    "other address family. To send by {2} too, add {0} to the sources at home and on the VPS",
                    network.to_string(), ask.view.profile.ports.front().to_string(), family));
  }
}

}  // namespace smtpegress
