// Route lookups, asked as for the forwarded packets themselves (source, incoming interface, mark, port), because a
// policy rule of somebody else's may select by any of these; and which rule it is that comes first.
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>

#include "engine/verify/checks.hpp"
#include "engine/verify/lookups.hpp"
#include "model/families.hpp"
#include "model/mail_flow.hpp"
#include "model/rule_walk.hpp"
#include "net/contains.hpp"

namespace smtpegress {
namespace {

/// Somebody of the sources, and where their packets come in; the interface is empty where that is not known.
struct Sender {
  IpFamily family = IpFamily::kV4;
  std::optional<IpAddress> address{};
  IfName link{};
};

void add_sender(const Inquiry& ask, const Prefix& source, const Prefix& network, const IfName& link,
                std::vector<Sender>& senders) {
  if (link.empty() || link == ask.view.profile.tunnel || !source.overlaps(network)) {
    return;
  }
  const auto address = some_host_in(ask, source.length > network.length ? source : network);
  if (address && forwards_from(ask, address->family, link)) {
    senders.push_back({address->family, address, link});
  }
}

/// A route to a part of a network that one of this host's interfaces has, by a router on another: whoever it was for,
/// that part is not where its network is. (Without a router, as to a VM with an interface of its own, it is.)
bool leads_astray(const ObservedState& observed, const Route& route) {
  const auto holds_it = [&](const InterfaceAddress& address) {
    const auto* link = observed.link(address.link);
    return link != nullptr && link->name != route.interface && address.network() != route.destination &&
           address.network().contains(route.destination);
  };
  return route.table == kMainTable && route.gateway && std::ranges::any_of(observed.addresses, holds_it);
}

/// Home: one for every interface that the source is on or behind. Where there is none, or the kernel does not forward
/// from it, the question is put as if this host itself were the sender.
std::vector<Sender> senders_of(const Inquiry& ask, const Prefix& source) {
  const auto& observed = ask.view.seen.observed;
  std::vector<Sender> senders;
  for (const auto& address : observed.addresses) {
    const auto* link = observed.link(address.link);
    if (link != nullptr && !stays_on_link(address.local)) {
      add_sender(ask, source, address.network(), link->name, senders);
    }
  }
  for (const auto& route : observed.routes) {
    const bool behind = route.table == kMainTable && !route.destination.is_internet() &&
                        !leads_astray(observed, route) && !contains(senders, route.interface, &Sender::link);
    if (behind) {
      add_sender(ask, source, route.destination, route.interface, senders);
    }
  }
  return senders.empty() ? std::vector<Sender>{{source.address.family}} : senders;
}

RouteQuery query_of(const Sender& sender, std::uint32_t mark, std::uint16_t port) {
  return {.destination = traits_of(sender.family).somewhere,
          .source = sender.link.empty() ? std::nullopt : sender.address,
          .incoming = sender.link,
          .mark = mark,
          .ip_protocol = IPPROTO_TCP,
          .source_port = kEphemeral,
          .destination_port = port};
}

std::string who(const Sender& sender) {
  return sender.link.empty() ? "" : fmt::format(", for {} from {}", sender.address->to_string(), sender.link.str());
}

std::optional<RuleAhead> rule_ahead_of_ours(const Inquiry& ask, const FlowPacket& mail) {
  auto facts = mail.facts;
  if (ask.view.profile.steering == Steering::kRule) {
    facts.mark = 0;  // admission's comes after routing
  }
  return find_rule_ahead(ask, facts, [](const PolicyRule& ours) {
    return selectors_of(ours).incoming.empty();  // those that only refuse come behind
  });
}

void check_marked(const Inquiry& ask, const FlowPacket& mail, const Sender& sender) {
  const auto& profile = ask.view.profile;
  const bool marked = profile.steering == Steering::kMark;
  const auto title = fmt::format("{}mail is routed into {}{}", marked ? "marked " : "", profile.tunnel.str(),
                                 traits_of(sender.family).over);
  const auto query = query_of(sender, marked ? profile.mark.value : 0, mail.facts.destination_port->first);
  const auto answer = look_up(ask, "route-marked", title, query);
  if (!answer) {
    return;
  }
  auto detail = answer_text(ask, *answer, query) + who(sender);
  const bool right = answer->errnum == 0 && answer->interface == profile.tunnel;
  const auto ahead = rule_ahead_of_ours(ask, mail);
  if (ahead && ahead->takes >= Holds::kSome) {
    detail += fmt::format("; {} is taken first{} by the rule {}", mail.title,
                          ahead->takes == Holds::kSome ? ", in part," : "", to_string(ahead->rule));
    ask.failed("route-marked", title, detail, mend_rule_ahead(profile, ahead->rule));
    return;
  }
  if (ahead) {
    detail += fmt::format("; what may be taken first, depending on what is not known here: by the rule {}",
                          to_string(ahead->rule));
  }
  if (right) {
    ask.passed("route-marked", title, detail);
  } else {
    ask.failed("route-marked", title, detail, mend_wrong_route(ask, *answer, query));
  }
}

/// A reply as the kernel takes it in by the tunnel, before it has any mark.
void check_replies(const Inquiry& ask, const FlowPacket& mail, const Sender& sender) {
  const auto& tunnel = ask.view.profile.tunnel;
  if (sender.link.empty() || !forwards_from(ask, sender.family, tunnel)) {
    return;  // told already: the source, the tunnel, or forwarding
  }
  const auto title = fmt::format("replies by {} are routed to {}", tunnel.str(), sender.link.str());
  const RouteQuery query{.destination = *sender.address,
                         .source = traits_of(sender.family).somewhere,
                         .incoming = tunnel,
                         .mark = 0,
                         .ip_protocol = IPPROTO_TCP,
                         .source_port = mail.facts.destination_port->first,
                         .destination_port = kEphemeral};
  const auto answer = look_up(ask, "route-back", title, query);
  if (!answer) {
    return;
  }
  const auto detail = answer_text(ask, *answer, query);
  if (answer->errnum == 0 && answer->interface == sender.link) {
    ask.passed("route-back", title, detail);
  } else if (answer->errnum != 0) {
    // Filtered where they come in, as `rp-filter` is about: the bridge they would be routed to has no part in it.
    const auto filtered = may_be_filtered(ask, *answer, query) ? std::optional(Place::kFirewall) : std::nullopt;
    ask.failed("route-back", title, detail, mend_wrong_route(ask, *answer, query),
               {.place = filtered, .way = {}, .shown = {}});
  } else {
    ask.failed(
        "route-back", title, detail,
        fmt::format("`{} rule` and `{}` show what leads it astray", traits_of(sender.family).ip, as_command(query)));
  }
}

/// A source that is nowhere on this host is a mistyped one, and the real one's mail is not guarded.
void check_sources(const Inquiry& ask) {
  for (const auto& source : ask.view.profile.sources) {
    const auto title = fmt::format("the source {} is a network of this host's", source.to_string());
    if (is_here(source, ask.view.seen.observed)) {
      ask.passed("sources", title, "");
    } else {
      ask.failed("sources", title, "no interface and no route of this host has it",
                 "start the mail stack if it is down (until then this is no fault: the guard goes by the address, and "
                 "stands). If it is up, `docker network inspect` shows its network, which the profile has to name: "
                 "--subnet");
    }
  }
}

/// Those that answer a part of a source only, so that the questions above, put for one address, may miss them.
void check_routes_astray(const Inquiry& ask) {
  const auto& profile = ask.view.profile;
  for (const auto& route : ask.view.seen.observed.routes) {
    const bool of_a_source =
        std::ranges::any_of(profile.sources, [&](const Prefix& s) { return s.overlaps(route.destination); });
    if (of_a_source && leads_astray(ask.view.seen.observed, route)) {
      ask.failed("route-back", fmt::format("replies by {} are routed to their senders", profile.tunnel.str()),
                 fmt::format("those to {} go by {} via {}", route.destination.to_string(), route.interface.str(),
                             route.gateway->to_string()),
                 fmt::format("`{} route del {} dev {}`", traits_of(route.family).ip, route.destination.to_string(),
                             route.interface.str()));
    }
  }
}

void check_home_routes(const Inquiry& ask) {
  check_sources(ask);
  check_routes_astray(ask);
  std::vector<Sender> all;
  for (const auto family : families_of(ask.view.profile)) {
    all.push_back({family});  // this host itself first
  }
  for (const auto& mail : outgoing_packets(ask.view.profile, ask.view.seen.host)) {
    for (const auto& sender : senders_of(ask, *mail.facts.source)) {
      check_marked(ask, mail, sender);
      check_replies(ask, mail, sender);
      const bool told = std::ranges::any_of(
          all, [&](const Sender& other) { return other.family == sender.family && other.link == sender.link; });
      if (!told) {
        all.push_back(sender);
      }
    }
  }
  for (const auto& sender : all) {
    check_spared(ask,
                 fmt::format("everything else{}{} is not", traits_of(sender.family).over,
                             sender.link.empty() ? "" : " of " + sender.link.str()),
                 query_of(sender, 0, kHttps), who(sender));
  }
}

void check_leads(const Inquiry& ask, const std::string& id, const std::string& title, RouteQuery query,
                 const IfName& wanted, const std::string& mend) {
  if (!forwards_from(ask, query.destination.family, query.incoming)) {
    query.incoming = {};
    query.source.reset();
  }
  const auto answer = look_up(ask, id, title, query);
  if (!answer) {
    return;
  }
  const auto detail = answer_text(ask, *answer, query);
  if (answer->errnum == 0 && answer->interface == wanted) {
    ask.passed(id, title, detail);
  } else {
    ask.failed(id, title, detail, mend_stray(ask, *answer, query, mend));
  }
}

void check_vps_routes(const Inquiry& ask) {
  const auto& profile = ask.view.profile;
  const auto& tunnel = profile.tunnel;
  const auto& wan = ask.view.seen.host.wan;
  const auto& port = profile.ports.front();
  for (const auto& source : profile.sources) {
    const auto family = source.address.family;
    const auto container = some_host_in(ask, source).value_or(source.address);
    check_leads(ask, "route-back", fmt::format("replies to {} are routed into {}", source.to_string(), tunnel.str()),
                {.destination = container,
                 .source = traits_of(family).somewhere,
                 .incoming = wan,
                 .mark = 0,
                 .ip_protocol = IPPROTO_TCP,
                 .source_port = port.first,
                 .destination_port = kEphemeral},
                tunnel,
                fmt::format("`ip route add {} dev {}`; wg-quick does it where AllowedIPs has it and Table is not off",
                            source.to_string(), tunnel.str()));
    check_leads(
        ask, "route-out", fmt::format("the internet is reached by {}{}", wan.str(), traits_of(family).over),
        query_of({family, container, tunnel}, 0, port.first), wan,
        fmt::format("`{} --wan IF` with the interface that leads to the internet", enable_command(profile, {"wan"})));
  }
}

}  // namespace

void check_routes(const Inquiry& ask) {
  if (ask.view.profile.side == Side::kHome) {
    check_home_routes(ask);
  } else {
    check_vps_routes(ask);
  }
}

}  // namespace smtpegress
