// The host's own part of the way: route lookups and sysctls.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "engine/verify_checks.hpp"

namespace smtpegress {
namespace {

// Only looked up, never sent to. A resolver's address, like the one that the shell scripts asked about: surely not
// local.
constexpr IpAddress kSomewhere{IpFamily::kV4, {8, 8, 8, 8}};

std::string answer_text(const RouteAnswer& answer) {
  if (answer.errnum != 0) {
    return fmt::format("the kernel answers: {}", ::strerrordesc_np(answer.errnum));
  }
  return fmt::format("dev {} table {}", answer.interface.str(), answer.table.value);
}

/// Looks up and compares the interface; `wanted` empty: anything but the tunnel.
void look_up(const Inquiry& ask, std::string id, std::string title, const RouteQuery& query, const IfName& wanted,
             std::string mend) {
  const auto answer = ask.kernel.look_up_route(query);
  if (!answer) {
    ask.failed(std::move(id), std::move(title), answer.error().message(), std::move(mend));
    return;
  }
  const auto& tunnel = ask.view.profile.tunnel;
  const bool right =
      answer->errnum == 0 && (wanted.empty() ? answer->interface != tunnel : answer->interface == wanted);
  if (right) {
    ask.passed(std::move(id), std::move(title), answer_text(*answer));
  } else {
    ask.failed(std::move(id), std::move(title), answer_text(*answer), std::move(mend));
  }
}

std::string conf_key(std::string_view interface, std::string_view name) {
  return fmt::format("net/ipv4/conf/{}/{}", interface, name);
}

std::optional<long> number(const Inquiry& ask, const std::string& interface, std::string_view name) {
  const auto value = ask.kernel.read_sysctl(conf_key(interface, name));
  if (!value) {
    return std::nullopt;
  }
  return std::strtol(value->c_str(), nullptr, 10);
}

/// rp_filter in force is the larger of `all` and the interface's own (FACTS 18).
long effective_rp_filter(const Inquiry& ask, const std::string& interface) {
  return std::max(number(ask, "all", "rp_filter").value_or(0), number(ask, interface, "rp_filter").value_or(0));
}

constexpr long kStrict = 1;  // Documentation/networking/ip-sysctl.rst: 0 off, 1 strict, 2 loose

void check_home_rp_filter(const Inquiry& ask) {
  const auto& profile = ask.view.profile;
  const auto tunnel_filter = effective_rp_filter(ask, profile.tunnel.str());
  const auto title = fmt::format("reverse-path filtering lets replies in by {}", profile.tunnel.str());
  const auto detail =
      fmt::format("rp_filter in force is {} (the larger of all and {})", tunnel_filter, profile.tunnel.str());
  if (tunnel_filter == kStrict) {
    ask.failed("rp-filter", title, detail,
               fmt::format("`smtp-egress enable {}` sets {}=2; look for what set it to 1", profile.name,
                           sysctl_name(conf_key(profile.tunnel.str(), "rp_filter"))));
  } else {
    ask.passed("rp-filter", title, detail);
  }
  for (const auto& link : ask.view.seen.host.source_links) {
    const bool marked_lookup =
        number(ask, "all", "src_valid_mark").value_or(0) + number(ask, link.str(), "src_valid_mark").value_or(0) > 0;
    if (marked_lookup && effective_rp_filter(ask, link.str()) == kStrict) {
      ask.failed("rp-filter", fmt::format("reverse-path filtering lets marked mail in by {}", link.str()),
                 fmt::format("src_valid_mark is 1 and rp_filter on {} is strict", link.str()),
                 fmt::format("sysctl {}=2", sysctl_name(conf_key(link.str(), "rp_filter"))));
    }
  }
}

void check_forwarding(const Inquiry& ask) {
  const auto& view = ask.view;
  const auto title = "this host forwards the mail and its replies";
  const auto global = ask.kernel.read_sysctl("net/ipv4/ip_forward");
  if (!global || *global != "1") {
    ask.failed("forwarding", title, fmt::format("net.ipv4.ip_forward is {}", global ? *global : "unreadable"),
               fmt::format("`smtp-egress enable {}`; look for what switched it off", view.profile.name));
    return;
  }
  auto interfaces = view.seen.host.source_links;
  interfaces.push_back(view.profile.tunnel);
  if (view.profile.side == Side::kVps) {
    interfaces.push_back(view.seen.host.wan);
  }
  for (const auto& interface : interfaces) {
    if (number(ask, interface.str(), "forwarding") == 0) {
      const auto name = sysctl_name(conf_key(interface.str(), "forwarding"));
      ask.failed("forwarding", title, fmt::format("{} is 0", name), fmt::format("sysctl {}=1", name));
      return;
    }
  }
  ask.passed("forwarding", title, "ip_forward and every interface of the path");
}

/// A source that is nowhere on this host is a mistyped one, and the real one's mail is not guarded.
void check_sources(const Inquiry& ask) {
  const auto& observed = ask.view.seen.observed;
  for (const auto& source : ask.view.profile.sources) {
    const bool on_link = std::ranges::any_of(observed.addresses, [&](const InterfaceAddress& address) {
      return address.local.family == IpFamily::kV4 && source.overlaps(address.network());
    });
    const bool routed = std::ranges::any_of(observed.routes, [&](const Route& route) {
      return route.table == kMainTable && !route.destination.is_default() && source.overlaps(route.destination);
    });
    const auto title = fmt::format("the source {} is a network of this host's", source.to_string());
    if (on_link || routed) {
      ask.passed("sources", title, "");
    } else {
      ask.failed("sources", title, "no interface and no route of this host has it",
                 "`docker network inspect` shows the mail stack's; give that with --subnet. Its mail is not guarded "
                 "until then");
    }
  }
}

void check_home_routes(const Inquiry& ask) {
  const auto& profile = ask.view.profile;
  check_sources(ask);
  const auto mend = fmt::format(
      "`smtp-egress status {}` shows what is missing; `ip rule` shows an earlier rule that matches", profile.name);
  look_up(ask, "route-marked", fmt::format("marked mail is routed into {}", profile.tunnel.str()),
          {kSomewhere, {}, {}, profile.mark.value}, profile.tunnel, mend);
  look_up(ask, "route-unmarked", "everything else is not", {kSomewhere, {}, {}, 0}, {},
          fmt::format("something routes all traffic into {}: Table = off in its wg0.conf keeps wg-quick from that",
                      profile.tunnel.str()));
}

void check_vps_routes(const Inquiry& ask) {
  const auto& profile = ask.view.profile;
  for (const auto& source : profile.sources) {
    look_up(ask, "route-back",
            fmt::format("replies to {} are routed into {}", source.to_string(), profile.tunnel.str()),
            {source.address, {}, {}, 0}, profile.tunnel,
            fmt::format("`ip route add {} dev {}`; wg-quick does it where AllowedIPs has it and Table is not off",
                        source.to_string(), profile.tunnel.str()));
  }
  look_up(ask, "route-out", fmt::format("the internet is reached by {}", ask.view.seen.host.wan.str()),
          {kSomewhere, {}, {}, 0}, ask.view.seen.host.wan,
          fmt::format("`smtp-egress enable {} --wan IF` with the interface that leads to the internet", profile.name));
}

}  // namespace

void check_routes(const Inquiry& ask) {
  if (ask.view.profile.side == Side::kHome) {
    check_home_routes(ask);
  } else {
    check_vps_routes(ask);
  }
}

void check_sysctls(const Inquiry& ask) {
  if (ask.view.profile.side == Side::kHome) {
    check_home_rp_filter(ask);
  }
  check_forwarding(ask);
}

}  // namespace smtpegress
