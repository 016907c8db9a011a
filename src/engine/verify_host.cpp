// The host's own part of the way: sysctls.
#include <fmt/format.h>

#include <algorithm>

#include "engine/verify_checks.hpp"

namespace smtpegress {
namespace {

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

constexpr long kStrict = 1;  // Documentation/networking/ip-sysctl.rst: 0 off, 1 strict, 2 loose

void check_home_rp_filter(const Inquiry& ask) {
  const auto& profile = ask.view.profile;
  const auto tunnel_filter = effective_rp_filter(ask, profile.tunnel.str());
  const auto title = fmt::format("reverse-path filtering lets replies in by {}", profile.tunnel.str());
  const auto detail =
      fmt::format("rp_filter in force is {} (the larger of all and {})", tunnel_filter, profile.tunnel.str());
  if (profile.steering == Steering::kRule) {
    ask.passed("rp-filter", title, detail + "; replies fit the egress rule by source, so that even strict does");
    return;
  }
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

}  // namespace

long effective_rp_filter(const Inquiry& ask, const std::string& interface) {
  return std::max(number(ask, "all", "rp_filter").value_or(0), number(ask, interface, "rp_filter").value_or(0));
}

bool forwards_from(const Inquiry& ask, const IfName& interface) {
  const auto* link = ask.view.seen.observed.link(interface);
  const auto global = ask.kernel.read_sysctl("net/ipv4/ip_forward");
  return link != nullptr && link->up && global && *global == "1" && number(ask, interface.str(), "forwarding") != 0;
}

void check_sysctls(const Inquiry& ask) {
  if (ask.view.profile.side == Side::kHome) {
    check_home_rp_filter(ask);
  }
  check_forwarding(ask);
}

}  // namespace smtpegress
