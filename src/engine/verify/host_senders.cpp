// Route lookups for what this host itself sends, asked as its senders' own processes would: is mail routed into the
// tunnel, from the address that the VPS knows, and nothing else.
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>

#include "engine/verify/checks.hpp"
#include "engine/verify/lookups.hpp"
#include "model/families.hpp"
#include "model/host_senders.hpp"
#include "model/mail_flow.hpp"
#include "model/rule_walk.hpp"
#include "net/contains.hpp"

namespace smtpegress {
namespace {

using Who = HostSender::Who;

constexpr std::uint32_t kNobody = 65534;  // the last of the users that every host has (Debian's base-passwd)

/// Whose address it is on this host; null where it is nobody's.
const Link* holder_of(const ObservedState& observed, const IpAddress& address) {
  const auto found = std::ranges::find(observed.addresses, address, &InterfaceAddress::local);
  return found == observed.addresses.end() ? nullptr : observed.link(found->link);
}

std::string name_of(const HostSender& sender) {
  return sender.who == Who::kUser ? fmt::format("of user {}", sender.uid) : "of this host's own";
}

RouteQuery query_of(IpFamily family, const HostSender& sender, std::uint16_t port) {
  return {.destination = traits_of(family).somewhere,
          .source = {},
          .incoming = {},
          .mark = 0,
          .ip_protocol = IPPROTO_TCP,
          .source_port = kEphemeral,
          .destination_port = port,
          .uid = sender.who == Who::kUser ? std::optional(sender.uid) : std::nullopt};
}

std::optional<RuleAhead> rule_ahead(const Inquiry& ask, const FlowPacket& mail) {
  return find_rule_ahead(ask, mail.facts, [&](const PolicyRule& ours) {
    const auto selectors = selectors_of(ours);
    return selectors.incoming == "lo" ||
           (selectors.incoming.empty() && !ours.mark && selectors.source == mail.facts.source);
  });
}

void check_addresses(const Inquiry& ask) {
  for (const auto& address : own_addresses(ask.view.profile)) {
    const auto title = fmt::format("{}, as which this host's mail leaves, is its own", address.to_string());
    const auto* holder = holder_of(ask.view.seen.observed, address);
    if (holder != nullptr) {
      ask.passed("sources", title, "on " + holder->name.str());
    } else {
      const auto& tunnel = ask.view.profile.tunnel.str();
      ask.failed("sources", title, "no interface of this host has it: nothing can be sent from it, so mail waits",
                 fmt::format("bring up {0}, with `Address = {1}` in {0}.conf; or name another address in the profile, "
                             "and the same on the VPS",
                             tunnel, address.to_string()));
    }
  }
}

/// Does a process that binds to no address send from one that the VPS knows? The first of the tunnel's is taken.
void check_into_tunnel(const Inquiry& ask, const HostSender& sender, IpFamily family, const FlowPacket& mail) {
  constexpr const char* kId = "route-marked";
  const auto& profile = ask.view.profile;
  const auto& address = mail.facts.source->address;
  const auto* holder = holder_of(ask.view.seen.observed, address);
  if (holder == nullptr) {
    return;  // told already
  }
  auto query = query_of(family, sender, profile.ports.front().first);
  const bool must_bind = sender.who == Who::kAddress || holder->name != profile.tunnel;
  if (must_bind) {
    query.source = address;
  }
  const auto title = fmt::format("mail {}{} is routed into {} as {}", name_of(sender),
                                 must_bind ? ", bound to it," : "", profile.tunnel.str(), address.to_string());
  const auto answer = look_up(ask, kId, title, query);
  if (!answer) {
    return;
  }
  auto detail = answer_text(ask, *answer, query);
  const auto ahead = rule_ahead(ask, mail);
  if (ahead && ahead->takes >= Holds::kSome) {
    ask.failed(kId, title, fmt::format("{}; it is taken first by the rule {}", detail, to_string(ahead->rule)),
               mend_rule_ahead(profile, ahead->rule));
    return;
  }
  if (ahead) {
    detail += fmt::format("; what may be taken first, depending on what is not known here: by the rule {}",
                          to_string(ahead->rule));
  }
  const auto& chosen = answer->preferred_source;
  if (answer->errnum != 0 || answer->interface != profile.tunnel) {
    ask.failed(kId, title, detail, mend_wrong_route(ask, *answer, query));
  } else if (!must_bind && chosen && !contains(sender.addresses, *chosen)) {
    ask.failed(
        kId, title,
        fmt::format("{}; but the kernel would send from {}, which the guard refuses: the VPS does not know it", detail,
                    chosen->to_string()),
        fmt::format("make {0} the first address of {1} (`Address =` in {1}.conf), or name {2} in the profile and "
                    "on the VPS",
                    address.to_string(), profile.tunnel.str(), chosen->to_string()));
  } else {
    ask.passed(kId, title, detail);
  }
}

/// In a family without an address of its own.
void check_refused(const Inquiry& ask, const HostSender& sender, IpFamily family) {
  const auto& profile = ask.view.profile;
  const auto title = fmt::format("mail {} does not go past the tunnel by {}", name_of(sender), traits_of(family).name);
  const auto query = query_of(family, sender, profile.ports.front().first);
  const auto answer = look_up(ask, "route-marked", title, query);
  if (!answer) {
    return;
  }
  if (answer->errnum != 0) {
    ask.passed("route-marked", title,
               fmt::format("{}: it has no {} address of its own in the tunnel, and senders use the other family",
                           answer_text(ask, *answer, query), traits_of(family).name));
  } else {
    ask.failed("route-marked", title, answer_text(ask, *answer, query), mend_wrong_route(ask, *answer, query));
  }
}

/// A user that no sender is; nothing where all are.
std::optional<HostSender> somebody_else(const Profile& profile) {
  for (const std::uint32_t uid : {0U, kNobody}) {
    const bool is_sender = std::ranges::any_of(profile.host_senders, [&](const HostSender& sender) {
      return sender.who == Who::kEverybody || (sender.who == Who::kUser && sender.uid == uid);
    });
    if (!is_sender) {
      return HostSender{Who::kUser, uid, {}};
    }
  }
  return std::nullopt;
}

}  // namespace

void check_host_senders(const Inquiry& ask) {
  const auto& profile = ask.view.profile;
  if (profile.host_senders.empty()) {
    return;
  }
  check_addresses(ask);
  const auto mail = sent_packets(profile);
  std::size_t next = 0;  // of `mail`, which is by sender, address and port
  for (const auto& sender : profile.host_senders) {
    for (const auto& address : sender.addresses) {
      check_into_tunnel(ask, sender, address.family, mail.at(next));
      next += profile.ports.size();
    }
    for (const auto family : kBothFamilies) {
      const bool is_there = family == IpFamily::kV4 || ask.view.seen.host.has_ipv6;
      if (is_there && sender.who != Who::kAddress && !contains(sender.addresses, family, &IpAddress::family)) {
        check_refused(ask, sender, family);
      }
    }
  }
  for (const auto family : mail_families(profile)) {
    const auto& sender = profile.host_senders.front();
    check_spared(ask, fmt::format("everything else {}{} is not", name_of(sender), traits_of(family).over),
                 query_of(family, sender, kHttps), "");
    if (const auto other = somebody_else(profile)) {
      check_spared(ask, fmt::format("mail {}{} is not", name_of(*other), traits_of(family).over),
                   query_of(family, *other, profile.ports.front().first), "");
    }
  }
}

}  // namespace smtpegress
