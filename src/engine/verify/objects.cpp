#include <fmt/format.h>

#include <algorithm>

#include "engine/host_users.hpp"
#include "engine/named_sources.hpp"
#include "engine/verify/checks.hpp"
#include "engine/verify/mail_path.hpp"
#include "model/families.hpp"
#include "model/inner.hpp"
#include "net/contains.hpp"

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

/// The lines that `status` has for it: of a chain of ours that stands, one for each rule.
std::size_t lines_of(const Finding& finding) {
  return std::holds_alternative<OwnChain>(finding.object) ? finding.counters.size() : 1;
}

}  // namespace

void check_objects(const Inquiry& ask) {
  if (const auto& unresolved = ask.view.seen.unresolved) {
    ask.failed("host", "the profile fits this host", unresolved->message(),
               "put that right; what follows is held against "
               "what was found at the last enable");
  }
  const auto& profile = ask.view.profile;
  bool all = true;
  for (const auto& finding : ask.view.findings) {
    if (finding.presence == Presence::kPresent) {
      continue;
    }
    all = false;
    const auto enable = enable_command(profile);
    const auto mend = finding.presence == Presence::kForeign ? "remove it, or choose another mark, table or priority"
                      : finding.presence == Presence::kWaiting
                          ? fmt::format("bring up {}, then `{}`", carrier_of(profile).str(), enable)
                          : fmt::format("`{}`", enable);
    ask.failed("objects", "everything is in force",
               fmt::format("{} {} {}{}{}", kind_of(finding.object), describe(finding.object),
                           wrong_with(finding.presence), finding.detail.empty() ? "" : ": ", finding.detail),
               mend, where_of(finding, profile));
  }
  if (all) {
    std::size_t lines = 0;
    for (const auto& finding : ask.view.findings) {
      lines += lines_of(finding);
    }
    ask.passed("objects", "everything is in force", fmt::format("all {} that `status` lists", lines));
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
               fmt::format("add it there, or `{} {} ADDR`",
                           enable_command(ask.view.profile, {traits_of(family).public_key}), option));
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

/// A source is one machine of several on `link`: its addresses in another `network` there are not known, and nothing
/// holds back what it sends from them.
void check_beside_source(const Inquiry& ask, const IfName& link, const Prefix& network) {
  const auto& profile = ask.view.profile;
  const auto family = network.address.family;
  const bool is_sourced = std::ranges::any_of(profile.sources, [&](const Prefix& s) { return s.overlaps(network); });
  const bool has_a_way = ask.view.seen.observed.default_route(family) != nullptr && forwards_from(ask, family, link);
  if (is_sourced || !has_a_way || !guards_links(profile, family)) {
    return;
  }
  const std::string name(traits_of(family).name);
  ask.failed("unsourced", fmt::format("the mail stack's {} mail does not go past the tunnel", name),
             fmt::format("{} has {} too, and which address there is the mail server's is not known: its tcp/{} from "
                         "there leaves as it would without us",
                         link.str(), network.to_string(), profile.ports.front().to_string()),
             fmt::format("add that address, or the whole network, to the sources at home and on the VPS (--subnet), or "
                         "give the mail server no {}",
                         name));
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
  for (const auto& link : ask.view.seen.observed.links) {
    const auto networks = ask.view.seen.observed.networks_on(link);
    if (std::ranges::none_of(networks, [&](const Prefix& n) { return contains(host.source_networks, n); })) {
      continue;
    }
    for (const auto& network : networks) {
      check_beside_source(ask, link.name, network);
    }
  }
}

namespace {

constexpr const char* kId = "source-names";
constexpr const char* kTitle = "the sources' names stand for what was enabled";

/// What the user is, in words; empty where it is not what was enabled, or cannot be found, which is told.
std::string check_named_user(const Inquiry& ask, const NamedSource& named) {
  const auto& profile = ask.view.profile;
  const auto sender = find_host_sender(named, profile, ask.view.seen.observed);
  if (!sender) {
    ask.failed(kId, kTitle, sender.error().message(), "then verify again");
    return {};
  }
  if (!contains(profile.host_senders, *sender)) {
    ask.failed(kId, kTitle,
               fmt::format("{} is {} now, which is not what was enabled", named.to_string(), sender->to_string()),
               fmt::format("`{}`; at the VPS the address has to be known", enable_command(profile)));
    return {};
  }
  return fmt::format("{} is {}", named.to_string(), sender->to_string());
}

}  // namespace

void check_named_sources(const Inquiry& ask) {
  const auto& profile = ask.view.profile;
  if (profile.named_sources.empty()) {
    return;
  }
  std::string seen;
  for (const auto& named : profile.named_sources) {
    if (named.kind == NamedSource::Kind::kUser) {
      if (const auto found = check_named_user(ask, named); found.empty()) {
        return;
      } else {
        seen += (seen.empty() ? "" : ", ") + found;
      }
      continue;
    }
    const auto networks = networks_of(named, ask.view.seen.observed, ask.docker);
    if (!networks) {
      ask.failed(kId, kTitle, networks.error().message(), "then verify again");
      return;
    }
    for (const auto& network : *networks) {
      if (!contains(profile.sources, network)) {
        ask.failed(kId, kTitle,
                   fmt::format("{} is {} now, whose mail leaves as it would without us", named.to_string(),
                               network.to_string()),
                   fmt::format("`{}`; at the VPS the same network has to be known", enable_command(profile)));
        return;
      }
      seen += fmt::format("{}{} is {}", seen.empty() ? "" : ", ", named.to_string(), network.to_string());
    }
  }
  ask.passed(kId, kTitle, seen);
}

}  // namespace smtpegress
