#include "engine/verify/probe_tunnel.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "engine/verify/lookups.hpp"
#include "engine/verify/probe_words.hpp"
#include "model/inner.hpp"

namespace smtpegress {
namespace {

/// Packets that the tunnel has carried during the probe; nothing where they were not counted, or it was made anew
/// meanwhile.
std::optional<LinkCounters> carried_meanwhile(const Inquiry& ask, const ProbeReport& report) {
  const bool at_home = ask.view.profile.side == Side::kHome;
  if (!at_home || !report.before || !report.after || report.before->sent > report.after->sent ||
      report.before->received > report.after->received) {
    return std::nullopt;
  }
  return LinkCounters{.received = report.after->received - report.before->received,
                      .sent = report.after->sent - report.before->sent};
}

/// What is sent to an address of this host's own takes no tunnel either.
bool has_to_take_tunnel(const Inquiry& ask, const ProbeSighting& seen) {
  return seen.address && !is_spared(ask, seen) && !is_own_address(ask, *seen.address);
}

bool came_back_out(const Inquiry& ask, const ProbeReport& report) {
  return std::ranges::any_of(report.sightings, [&](const ProbeSighting& seen) {
    const bool answered = seen.step > ProbeStep::kConnect || seen.far_end_answered == true ||
                          reach_of(ask, seen).place > Reach::Place::kHere;
    return answered && !is_spared(ask, seen);
  });
}

Check failed(std::string id, std::string title, std::string detail, std::string mend, std::optional<Place> place) {
  return {.id = std::move(id),
          .title = std::move(title),
          .outcome = Outcome::kFailed,
          .detail = std::move(detail),
          .mend = std::move(mend),
          .where = {.place = place, .way = {}, .shown = {}}};
}

Check leaked(const Inquiry& ask, const ProbeSighting& seen) {
  const auto& tunnel = ask.view.profile.tunnel.str();
  const auto title =
      fmt::format("mail from {} goes into {}", seen.sent_from ? seen.sent_from->to_string() : "this host", tunnel);
  const auto answered = fmt::format("it was answered, and not one packet went into {}: ", tunnel);
  if (seen.manner != ProbeManner::kNamespace) {  // its socket is bound to the tunnel
    return failed("probe-leak", title, answered + "something on this host answers in the server's place",
                  "look for what redirects the mail: `nft list ruleset`, and what filters beside it (tc, eBPF)",
                  Place::kFirewall);
  }
  return failed("probe-leak", title,
                answered +
                    "this container's way does not lead through this host, or something on it answers in the "
                    "server's place",
                "give the mail stack a bridge of this host (Docker: a bridge network in place of macvlan or ipvlan), "
                "and name that network among the sources",
                Place::kSender);
}

}  // namespace

const ProbeSighting* answered_past_tunnel(const Inquiry& ask, const ProbeReport& report) {
  const auto carried = carried_meanwhile(ask, report);
  if (!carried || carried->sent != 0) {
    return nullptr;
  }
  const auto answered = std::ranges::find_if(report.sightings, [&](const ProbeSighting& seen) {
    return seen.step > ProbeStep::kConnect && has_to_take_tunnel(ask, seen);
  });
  return answered == report.sightings.end() ? nullptr : &*answered;
}

std::optional<Check> check_by_counters(const Inquiry& ask, const ProbeReport& report) {
  const auto& profile = ask.view.profile;
  if (const auto* past = answered_past_tunnel(ask, report)) {
    return leaked(ask, *past);
  }
  const bool is_asked = std::ranges::any_of(
      report.sightings, [&](const ProbeSighting& seen) { return is_unanswered(seen) && !is_spared(ask, seen); });
  const auto carried = carried_meanwhile(ask, report);
  if (!is_asked || !carried) {
    return std::nullopt;
  }
  const auto title = fmt::format("what goes into {} is answered out of it", profile.tunnel.str());
  const auto detail = fmt::format("{} packets went into it and {} came out", carried->sent, carried->received);
  if (carried->sent == 0) {
    return failed("probe-tunnel", title, "not one packet of the probe went into it: it ended on this host",
                  fmt::format("`smtp-egress status {}`; then look for what drops it: `nft list ruleset`, and what "
                              "filters beside it (tc, eBPF)",
                              profile.name),
                  Place::kFirewall);
  }
  // No object of this host's shows that, as long as its last handshake is young.
  if (carried->received == 0 && !came_back_out(ask, report)) {
    return failed("probe-tunnel", title, detail + ": its far end is dead, or udp does not get through to it",
                  fmt::format("`wg show {}` here and at the VPS: is it up there, do both firewalls and providers let "
                              "its udp port through; then `smtp-egress verify` on the VPS",
                              carrier_of(profile).str()),
                  {});
  }
  return Check{
      .id = "probe-tunnel", .title = title, .outcome = Outcome::kPassed, .detail = detail, .mend = {}, .where = {}};
}

}  // namespace smtpegress
