#include "engine/verify_lookups.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "model/families.hpp"

namespace smtpegress {

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

std::string mend_rule_ahead(const Profile& profile, const PolicyRule& rule) {
  return fmt::format(
      "remove that rule (`{2} rule del pref {0}`), or put ours ahead of it: `smtp-egress enable {1} "
      "--set priority=N` with an N below {0}",
      rule.priority.value, profile.name, traits_of(rule.family).ip);
}

std::string mend_wrong_route(const Inquiry& ask, const RouteAnswer& answer, const RouteQuery& query) {
  if (may_be_filtered(ask, answer, query)) {
    return fmt::format("`sysctl net.ipv4.conf.{}.rp_filter=2`; `ip rule` and `{}` show more", query.incoming.str(),
                       as_command(query));
  }
  return fmt::format("`smtp-egress status {}` shows what is missing; `{}` asks the same", ask.view.profile.name,
                     as_command(query));
}

}  // namespace smtpegress
