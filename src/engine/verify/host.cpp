// The host's own part of the way: sysctls.
#include <fmt/format.h>

#include <algorithm>

#include "engine/verify/checks.hpp"
#include "model/families.hpp"
#include "model/tenants.hpp"

namespace smtpegress {
namespace {

std::string conf_key(IpFamily family, std::string_view interface, std::string_view name) {
  return fmt::format("{}{}/{}", traits_of(family).conf, interface, name);
}

std::optional<long> number(const Inquiry& ask, IpFamily family, const std::string& interface, std::string_view name) {
  const auto value = ask.kernel.read_sysctl(conf_key(family, interface, name));
  if (!value) {
    return std::nullopt;
  }
  return std::strtol(value->c_str(), nullptr, 10);
}

bool is_on(const Result<std::string>& value) {
  return value && *value == "1";
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
               fmt::format("`{}` sets {}=2; look for what set it to 1", enable_command(profile),
                           sysctl_name(conf_key(IpFamily::kV4, profile.tunnel.str(), "rp_filter"))));
  } else {
    ask.passed("rp-filter", title, detail);
  }
}

/// IPv6's does not ask the single interfaces, but each can be without IPv6.
struct PerInterface {
  std::string_view name;
  long wrong;
  std::string_view passed;
};
PerInterface per_interface(IpFamily family) {
  return family == IpFamily::kV4
             ? PerInterface{"forwarding", 0, "ip_forward and every interface of the path"}
             : PerInterface{"disable_ipv6", 1, "forwarding of IPv6, which every interface of the path has"};
}

void check_forwarding(const Inquiry& ask, IpFamily family) {
  const auto& view = ask.view;
  const auto title = fmt::format("this host forwards the mail and its replies{}", traits_of(family).over);
  const std::string key(traits_of(family).forwarding);
  const auto global = ask.kernel.read_sysctl(key);
  if (!is_on(global)) {
    ask.failed("forwarding", title, fmt::format("{} is {}", sysctl_name(key), global ? *global : "unreadable"),
               fmt::format("`{}`; look for what switched it off", enable_command(view.profile)));
    return;
  }
  const auto one = per_interface(family);
  auto interfaces = view.seen.host.source_links;
  const auto tunnels = tunnels_of(view.profile);
  interfaces.insert(interfaces.end(), tunnels.begin(), tunnels.end());
  if (view.profile.side == Side::kVps) {
    interfaces.push_back(view.seen.host.wan);
  }
  for (const auto& interface : interfaces) {
    const auto value = number(ask, family, interface.str(), one.name);
    if (value && (*value != 0) == (one.wrong != 0)) {
      const auto name = sysctl_name(conf_key(family, interface.str(), one.name));
      ask.failed("forwarding", title, fmt::format("{} is {}", name, *value),
                 fmt::format("`sysctl {}={}`", name, 1 - one.wrong));
      return;
    }
  }
  ask.passed("forwarding", title, std::string(one.passed));
}

}  // namespace

long effective_rp_filter(const Inquiry& ask, const std::string& interface) {
  return std::max(number(ask, IpFamily::kV4, "all", "rp_filter").value_or(0),
                  number(ask, IpFamily::kV4, interface, "rp_filter").value_or(0));
}

bool forwards_from(const Inquiry& ask, IpFamily family, const IfName& interface) {
  const auto* link = ask.view.seen.observed.link(interface);
  const auto one = per_interface(family);
  const auto value = number(ask, family, interface.str(), one.name);
  return link != nullptr && link->up && is_on(ask.kernel.read_sysctl(std::string(traits_of(family).forwarding))) &&
         (!value || (*value != 0) != (one.wrong != 0));
}

void check_sysctls(const Inquiry& ask) {
  if (ask.view.profile.side == Side::kHome && has_sources(ask.view.profile, IpFamily::kV4)) {
    check_home_rp_filter(ask);
  }
  for (const auto family : families_of(ask.view.profile)) {
    check_forwarding(ask, family);
  }
}

}  // namespace smtpegress
