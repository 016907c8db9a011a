#include "engine/verify/lookups.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "model/families.hpp"
#include "model/private_networks.hpp"
#include "net/contains.hpp"

namespace smtpegress {

std::string mend_silent_wireguard(const Error& error) {
  return error.kind == ErrorKind::kPermission ? "run verify as root"
                                              : "restart the tunnel: its WireGuard does not answer";
}

std::optional<IpAddress> some_host_in(const Prefix& network, const std::function<bool(const IpAddress&)>& is_local) {
  constexpr int kTries = 16;  // more addresses of its own a host does not have in a row at a network's beginning
  auto address = network.address;
  if (network == Prefix::of(address)) {
    return is_local(address) ? std::nullopt : std::optional(address);
  }
  for (int i = 0; i < kTries; ++i) {
    for (auto byte = address.size(); byte > 0 && ++address.bytes.at(byte - 1) == 0; --byte) {
    }
    if (!network.contains(address)) {
      break;
    }
    if (!is_local(address)) {
      return address;
    }
  }
  return std::nullopt;
}

std::optional<IpAddress> some_host_in(const Inquiry& ask, const Prefix& network) {
  return some_host_in(network, [&](const IpAddress& address) { return is_own_address(ask, address); });
}

bool is_own_address(const Inquiry& ask, const IpAddress& address) {
  return contains(ask.view.seen.observed.addresses, address, &InterfaceAddress::local);
}

bool is_public(const IpAddress& address) {
  return can_be_of_a_host(address) && !is_link_local(address) && !is_private(address);
}

bool may_be_filtered(const Inquiry& ask, const RouteAnswer& answer, const RouteQuery& query) {
  return query.destination.family == IpFamily::kV4 && !query.incoming.empty() &&
         (answer.errnum == EXDEV || (answer.errnum == EINVAL && effective_rp_filter(ask, query.incoming.str()) != 0));
}

std::string answer_text(const Inquiry& ask, const RouteAnswer& answer, const RouteQuery& query) {
  if (may_be_filtered(ask, answer, query)) {
    return fmt::format("reverse-path filtering on {}{} drops such a packet", query.incoming.str(),
                       answer.errnum == EINVAL ? ", or a blackhole route," : "");
  }
  if (answer.errnum == EINVAL) {
    return "a blackhole route drops such a packet";
  }
  if (answer.errnum != 0) {
    return fmt::format("the kernel answers: {}", ::strerrordesc_np(answer.errnum));
  }
  return fmt::format("dev {} table {}", answer.interface.str(), answer.table.value);
}

std::string as_command(const RouteQuery& query) {
  auto text = fmt::format("{} route get {}", traits_of(query.destination.family).ip, query.destination.to_string());
  if (query.source && !query.incoming.empty()) {
    text += fmt::format(" from {} iif {}", query.source->to_string(), query.incoming.str());
  }
  if (query.source && query.incoming.empty()) {
    text += " from " + query.source->to_string();
  }
  if (query.uid) {
    text += fmt::format(" uid {} ipproto tcp dport {}", *query.uid, query.destination_port);
  }
  return query.mark == 0 ? text : text + fmt::format(" mark {:#x}", query.mark);
}

std::optional<RouteAnswer> look_up(const Inquiry& ask, const std::string& id, const std::string& title,
                                   const RouteQuery& query) {
  const auto answer = ask.kernel.look_up_route(query);
  if (!answer) {
    ask.failed(id, title, answer.error().message(), "see `ip link`; then verify again");
    return std::nullopt;
  }
  return *answer;
}

std::optional<RuleAhead> find_rule_ahead(const Inquiry& ask, const PacketFacts& packets,
                                         const std::function<bool(const PolicyRule&)>& is_for_them) {
  std::optional<RuleAhead> perhaps;
  for (const auto& ours : ask.view.seen.desired.rules) {
    if (ours.family != packets.family || !is_for_them(ours)) {
      continue;
    }
    const auto ahead = find_rule_ahead(ask.view.seen.observed, ours, packets);
    if (ahead && ahead->takes >= Holds::kSome) {
      return ahead;
    }
    perhaps = ahead ? ahead : perhaps;
  }
  return perhaps;
}

std::string mend_rule_ahead(const Profile& profile, const PolicyRule& rule) {
  return fmt::format(
      "remove that rule (`{2} rule del pref {0}`), or put ours ahead of it: `{1} "
      "--set priority=N` with an N below {0}",
      rule.priority.value, enable_command(profile, {"priority"}), traits_of(rule.family).ip);
}

std::string mend_wrong_route(const Inquiry& ask, const RouteAnswer& answer, const RouteQuery& query) {
  if (may_be_filtered(ask, answer, query)) {
    return fmt::format("`sysctl net.ipv4.conf.{}.rp_filter=2`; `ip rule` and `{}` show more", query.incoming.str(),
                       as_command(query));
  }
  return fmt::format("`smtp-egress status {}` shows what is missing; `{}` asks the same", ask.view.profile.name,
                     as_command(query));
}

std::string mend_stray(const Inquiry& ask, const RouteAnswer& answer, const RouteQuery& query,
                       const std::string& otherwise) {
  const auto ip = traits_of(query.destination.family).ip;
  if (answer.errnum == 0 && answer.table != kMainTable) {
    return fmt::format(
        "`{} rule` shows the rule that looks up table {} before main; remove it, or let it spare "
        "this flow",
        ip, answer.table.value);
  }
  if (may_be_filtered(ask, answer, query)) {
    return mend_wrong_route(ask, answer, query);
  }
  if (answer.errnum == EINVAL || answer.errnum == EACCES || answer.errnum == EHOSTUNREACH) {
    return fmt::format(
        "`{0} rule` and `{0} route show table all` show the blackhole, prohibit or unreachable route "
        "or rule that says so; remove it, or let it spare this flow",
        ip);
  }
  return otherwise;
}

void check_spared(const Inquiry& ask, const std::string& title, const RouteQuery& query, const std::string& whose) {
  constexpr const char* kId = "route-unmarked";
  const auto& tunnel = ask.view.profile.tunnel;
  const auto answer = look_up(ask, kId, title, query);
  if (!answer) {
    return;
  }
  const auto detail = answer_text(ask, *answer, query) + whose;
  if (answer->errnum == 0 && answer->interface == tunnel) {
    ask.failed(kId, title, detail,
               answer->table == kMainTable
                   ? fmt::format("Table = off in {}.conf keeps wg-quick from making it the default route", tunnel.str())
                   : fmt::format("`{} rule` shows the rule that looks up table {}: wg-quick's goes with Table = off in "
                                 "{}.conf",
                                 traits_of(query.destination.family).ip, answer->table.value, tunnel.str()));
  } else {
    ask.passed(kId, title,
               answer->errnum == ENETUNREACH ? "this host has no default route: only the mail has a way" : detail);
  }
}

}  // namespace smtpegress
