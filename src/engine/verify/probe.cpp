// Judges what a probe saw. Each cause has an id of its own, so that the first that fails is the cause; what the checks
// before the probe have found already is not given another.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "engine/verify/lookups.hpp"
#include "engine/verify/probe_request.hpp"
#include "engine/verify/probe_tunnel.hpp"
#include "engine/verify/probe_words.hpp"
#include "model/families.hpp"
#include "model/inner.hpp"
#include "net/contains.hpp"

namespace smtpegress {
namespace {

/// One probe's sightings, and the checks that they become.
class Judge {
 public:
  Judge(const Inquiry& ask, const ProbeRequest& request, const ProbeReport& report)
      : ask_(ask), request_(request), report_(report), took_the_tunnel_(answered_past_tunnel(ask, report) == nullptr) {
    const auto failed = std::ranges::find(ask.checks, Outcome::kFailed, &Check::outcome);
    cause_ = failed == ask.checks.end() ? std::string() : failed->id;
  }

  void judge() {
    judge_names();
    judge_tunnel();
    for (const auto& seen : report_.sightings) {
      if (is_spared(ask_, seen)) {
        ask_.skipped(
            "probe", fmt::format("SMTP with {}", server(seen)),
            "what is sent to private addresses and to the sources' own networks goes as it would without us: this "
            "tells nothing");
        continue;
      }
      judge_provider(seen);
      judge_conversation(seen);
      judge_large(seen);
      judge_address(seen);
    }
  }

 private:
  [[nodiscard]] const Profile& profile() const { return ask_.view.profile; }
  [[nodiscard]] bool at_home() const { return profile().side == Side::kHome; }
  [[nodiscard]] std::string server(const ProbeSighting& seen) const {
    const auto& server = request_.servers[seen.server];
    const bool is_name = seen.address && seen.address->to_string() != server.host;
    return is_name ? fmt::format("{} ({})", server.to_string(), seen.address->to_string()) : server.to_string();
  }
  [[nodiscard]] std::string who(const ProbeSighting& seen) const {
    return words_for(request_.senders[seen.sender], seen);
  }
  /// What has failed already comes first: a probe that fails with it is no other fault.
  [[nodiscard]] std::string mend(std::string text) const {
    return cause_.empty() ? std::move(text) : fmt::format("first what failed above (`{}`); then verify again", cause_);
  }

  /// Where it broke, unless that is where something failed already; and what is shown to work by how far it came.
  [[nodiscard]] PathScope at(Place place, std::vector<Place> shown = {}) const {
    return {.place = cause_.empty() ? std::optional(place) : std::nullopt, .way = {}, .shown = std::move(shown)};
  }
  [[nodiscard]] Place this_host() const { return at_home() ? Place::kFirewall : Place::kVps; }
  /// What a packet that comes from beyond the VPS tells of it. On the VPS a probe is no forwarded mail: nothing.
  [[nodiscard]] std::vector<Place> passed_on() const {
    return at_home() && took_the_tunnel_ ? std::vector{Place::kVps, Place::kSnat} : std::vector<Place>{};
  }
  /// By an address of it that is known here: the tunnel's far end, or one in the tunnel's own network.
  [[nodiscard]] bool is_vps(const IpAddress& address) const {
    const auto& observed = ask_.view.seen.observed;
    const auto* tunnel = observed.link(profile().tunnel);
    const auto networks = tunnel == nullptr ? std::vector<Prefix>{} : observed.networks_on(*tunnel);
    return at_home() &&
           (request_.far_end[address.family] == address ||
            std::ranges::any_of(networks, [&](const Prefix& network) { return network.contains(address); }));
  }

  /// Once for each server, whoever was to talk to it.
  void judge_names() const {
    std::vector<std::size_t> told;
    for (const auto& seen : report_.sightings) {
      if (seen.step != ProbeStep::kResolve || contains(told, seen.server)) {
        continue;
      }
      told.push_back(seen.server);
      const auto& host = request_.servers[seen.server].host;
      ask_.failed("probe-name", fmt::format("this host knows an address of {}", host),
                  seen.text.empty() ? "its resolver did not answer in time" : seen.text,
                  fmt::format("`getent ahosts {}` asks the same; mend the resolver (/etc/resolv.conf), or name the "
                              "server by its address",
                              host));
    }
  }

  void judge_tunnel() {
    auto check = check_by_counters(ask_, report_);
    if (!check) {
      return;
    }
    if (check->outcome == Outcome::kFailed) {
      check->mend = mend(std::move(check->mend));
      if (!cause_.empty()) {
        check->where.place.reset();
      }
      cause_ = cause_.empty() ? check->id : cause_;
    }
    ask_.checks.push_back(*std::move(check));
  }

  /// On the VPS: another port's packets get farther than the mail's, on the same way.
  void judge_provider(const ProbeSighting& seen) {
    if (!is_unanswered(seen) || beside_control(seen) != BesideControl::kFarther) {
      return;
    }
    const auto port = request_.servers[seen.server].port.value_or(0);
    ask_.failed("probe-provider", fmt::format("the way to {} is open to tcp/{}", server(seen), port),
                fmt::format("tcp/{} to it comes as far as {}, tcp/{} as far as {}: somebody on the way drops the mail",
                            port, words_for(*seen.trace), request_.control_port, words_for(*seen.control)),
                mend(fmt::format("ask the VPS's provider to open outgoing tcp/{}: many do so on request, or after a "
                                 "while; or take another provider",
                                 port)));
    cause_ = cause_.empty() ? "probe-provider" : cause_;
  }

  void judge_conversation(const ProbeSighting& seen) const {
    const auto title = fmt::format("SMTP with {} as {}", server(seen), who(seen));
    switch (seen.step) {
      case ProbeStep::kResolve:
        return;  // told
      case ProbeStep::kFamily:
        ask_.skipped("probe", title,
                     fmt::format("it has no {} address", traits_of(request_.senders[seen.sender].family).name));
        return;
      case ProbeStep::kAstray:
        judge_astray(seen, title);
        return;
      case ProbeStep::kSender:
        ask_.skipped("probe", title,
                     seen.errnum == EADDRNOTAVAIL
                         ? fmt::format("there is nobody to send as: {}, and this host has no address there", seen.text)
                         : fmt::format("it cannot be sent as: {}; run verify as root, with --probe",
                                       ::strerrordesc_np(seen.errnum)));
        return;
      case ProbeStep::kConnect:
        judge_connect(seen, title);
        return;
      case ProbeStep::kBanner:
      case ProbeStep::kEhlo:
        judge_reply(seen, title);
        return;
      case ProbeStep::kLarge:
      case ProbeStep::kDone:
        ask_.passed("probe", title, fmt::format("it answers {}", seen.banner.to_string()),
                    {.place = {}, .way = {}, .shown = passed_on()});
        if (ask_.sightings.spoke_with.empty()) {
          ask_.sightings.spoke_with = fmt::format("{} answers {}", server(seen), seen.banner.to_string());
        }
        return;
    }
  }

  /// Of a container leak.cpp tells more, by its other ways out. This host's own packets take the mail's policy rules.
  void judge_astray(const ProbeSighting& seen, const std::string& title) const {
    if (seen.manner == ProbeManner::kNamespace) {
      ask_.skipped("probe", title,
                   request_.senders[seen.sender].exposed
                       ? "nothing was sent: nothing of ours would keep it off the home line"
                       : "nothing was sent: it would not leave from an address of the sources");
      return;
    }
    ask_.failed("probe", title,
                fmt::format("nothing was sent: it would leave {}, past the tunnel",
                            seen.leaves_by.empty() ? "by several interfaces" : "by " + seen.leaves_by.str()),
                mend(fmt::format("`smtp-egress status {}` shows what is missing; `{} rule`, what comes first",
                                 profile().name, traits_of(request_.senders[seen.sender].family).ip)),
                at(Place::kTable));
  }

  void judge_connect(const ProbeSighting& seen, const std::string& title) const {
    const auto status =
        fmt::format("`smtp-egress status {}`, `{}`", profile().name,
                    seen.address ? fmt::format("ip route get {}", seen.address->to_string()) : "ip route");
    if (seen.path_error && is_own_address(ask_, seen.path_error->from)) {
      ask_.failed("probe", title,
                  fmt::format("this host refuses it, and nothing left: {}", words_for(*seen.path_error)),
                  mend(status + " show what is missing"), at(this_host()));
    } else if (seen.path_error) {
      ask_.failed(
          "probe", title,
          fmt::format("{} refuses it: {}", seen.path_error->from.to_string(), words_for(*seen.path_error)),
          mend(at_home() ? "`smtp-egress verify` on the VPS, if that is its address; else it is a router on the "
                           "way that has no way to the server, or lets none through"
                         : "that router has no way to the server, or lets none through: ask the provider"),
          at(is_vps(seen.path_error->from) ? Place::kVps : Place::kInternet));
    } else if (seen.errnum == ECONNREFUSED) {
      ask_.failed("probe", title, "it is refused by a reset: nobody takes mail there, or a firewall says so",
                  mend("try another server (--probe); if all refuse, a firewall on the way does: `smtp-egress verify "
                       "--probe` at the other end tells which side it is on"));
    } else if (is_unanswered(seen)) {
      judge_silence(seen, title);
    } else {
      ask_.failed("probe", title, fmt::format("nothing left: {}", ::strerrordesc_np(seen.errnum)),
                  mend(status + " show what is missing"), at(this_host()));
    }
  }

  void judge_silence(const ProbeSighting& seen, const std::string& title) const {
    const auto reach = reach_of(ask_, seen);
    const auto vps = fmt::format(
        "`smtp-egress verify --probe {}` on the VPS tells whether it is that, or its provider, "
        "that drops the mail",
        request_.servers[seen.server].host);
    const bool is_beyond = reach.place >= Reach::Place::kBeyond;
    if (at_home() && reach.place != Reach::Place::kUnsought && !is_beyond && seen.far_end_answered == true) {
      ask_.failed("probe", title,
                  reach.place == Reach::Place::kFarEnd
                      ? "no answer: " + words_for(reach)
                      : "no answer: the VPS itself answers through the tunnel, but passes nothing on",
                  mend(vps), at(Place::kVps));
    } else if (beside_control(seen) == BesideControl::kServer) {
      const auto port = request_.servers[seen.server].port.value_or(0);
      ask_.failed("probe", title,
                  reach.hop ? fmt::format("no answer: tcp/{} comes as far as {}, tcp/{} no farther by the routers, and "
                                          "the server answers that: it, or what is right in front of it, drops the "
                                          "mail from this address",
                                          port, words_for(*seen.trace), request_.control_port)
                            : fmt::format("no answer, though the server answers tcp/{}, and no router tells which of "
                                          "them drops the mail",
                                          request_.control_port),
                  mend(fmt::format("try another server (--probe): if none answers, ask the VPS's provider whether it "
                                   "lets tcp/{} out; else see whether this address is on a list (`--dns`)",
                                   port)),
                  at(Place::kInternet));
    } else {
      ask_.failed("probe", title, "no answer: " + words_for(reach),
                  mend(at_home() && !is_beyond ? vps
                                               : "try another server (--probe): this one may be down, or drop what "
                                                 "comes from this address"),
                  is_beyond ? at(Place::kInternet, passed_on()) : at(at_home() ? Place::kVps : Place::kInternet));
    }
  }

  void judge_reply(const ProbeSighting& seen, const std::string& title) const {
    const bool greeting = seen.step == ProbeStep::kBanner;
    const auto& reply = greeting ? seen.banner : seen.ehlo;
    const auto* what = greeting ? "the greeting" : seen.knows_no_ehlo ? "HELO" : "EHLO";
    if (reply.code == 0) {
      const auto why = seen.errnum == ETIMEDOUT ? "it does not come in time"
                       : seen.errnum != 0       ? ::strerrordesc_np(seen.errnum)
                                                : "the connection is closed, or what comes is no SMTP";
      ask_.failed(
          "probe", title,
          greeting ? fmt::format("connected, but no greeting: {}", why)
                   : fmt::format("greeted, but no answer to {}: {}", what, why),
          mend("a slow server: a longer --probe-timeout; else try another (--probe). If none speaks, something on "
               "the way answers in their place"));
      return;
    }
    const bool for_now = reply.code / 100 == 4;
    ask_.failed("probe-banner", fmt::format("{} takes mail from {}", server(seen), who(seen)),
                fmt::format("its answer to {} is: {}", what, reply.to_string()),
                mend(for_now ? "it may be for now (greylisting, too many connections): verify again in a while. If it "
                               "stays, it is as with a 5xx answer: the address is not trusted"
                             : "it does not take mail from the VPS's address: look that up where the answer says, have "
                               "it taken off the list, or let the mail leave as another (--public-ip)"),
                at(Place::kInternet, passed_on()));
  }

  void judge_large(const ProbeSighting& seen) const {
    if (seen.step < ProbeStep::kLarge) {
      return;
    }
    const auto title = fmt::format("large segments arrive at {}", server(seen));
    const auto numbers = fmt::format("{} bytes at once, in segments of {}; path MTU {}, {} sent again",
                                     seen.large_write, seen.segment, seen.path_mtu, seen.retransmits);
    if (seen.step == ProbeStep::kLarge) {
      ask_.failed(
          "probe-mtu", title,
          fmt::format("small packets pass and large ones are lost: {}. Nobody tells that they are too big", numbers),
          mend(at_home() ? fmt::format("`smtp-egress status` on the VPS: is its MSS clamp there; else lower {}'s "
                                       "MTU at both ends (`MTU = 1280` in {}.conf)",
                                       carrier_of(profile()).str(), carrier_of(profile()).str())
                         : "a router on the way drops them, and its \"packet too big\" does not get here: let "
                           "ICMP in; else a lower MTU on the WAN interface"));
    } else if (seen.large_write == 0) {
      ask_.skipped("probe-mtu", title,
                   seen.knows_no_ehlo ? "it knows no EHLO, and so lets no commands be sent at once"
                                      : "it does not let commands be sent at once (no PIPELINING)");
    } else if (!seen.large_arrived) {
      ask_.skipped("probe-mtu", title, "it ended before that could be seen: neither answered nor acknowledged");
    } else {
      ask_.passed("probe-mtu", title, numbers);
    }
  }

  /// Large providers tell whom they see. What repeats our own words does not count, right though they may be.
  void judge_address(const ProbeSighting& seen) const {
    if (seen.ehlo.code == 0) {
      return;
    }
    const auto family = request_.senders[seen.sender].family;
    auto told = seen.told;
    std::erase_if(told, [&](const IpAddress& address) { return address.family != family || address == seen.address; });
    const auto is_own = [&](const IpAddress& address) { return address == seen.sent_from; };
    const auto others = told.size() - static_cast<std::size_t>(std::ranges::count_if(told, is_own));
    const bool repeats = others < told.size() && (others == 0 ? may_repeat_us(seen) : said_its_address(seen));
    if (repeats) {
      std::erase_if(told, is_own);
    }
    const auto title = fmt::format("{} sees the mail's public address", server(seen));
    const auto wanted = public_address(ask_, request_, request_.senders[seen.sender]);
    if (wanted && contains(told, *wanted)) {
      ask_.passed("probe-seen-as", title, wanted->to_string());
      ask_.sightings.seen_as = wanted->to_string();
      return;
    }
    std::erase_if(told, is_own);
    if (told.empty()) {
      ask_.skipped(
          "probe-seen-as", title,
          repeats ? fmt::format("it may only repeat what EHLO said, {}", seen.said) : "it does not tell whom it sees");
      return;
    }
    const auto as = fmt::format("it sees {}", told.back().to_string());
    const bool is_this_hosts = is_own_address(ask_, told.back());
    if (at_home() && is_this_hosts) {
      ask_.failed(
          "probe-seen-as", title, as + ", this host's own: the mail did not take the tunnel",
          mend(fmt::format("`smtp-egress disable {}`, `{}`, and report it", profile().name, enable_command(profile()))),
          at(Place::kTable));
    } else if (at_home() || !wanted) {
      ask_.skipped("probe-seen-as", title,
                   wanted ? fmt::format("{}; the tunnel's far end is {}: right where the VPS has both and the mail "
                                        "leaves as the first",
                                        as, wanted->to_string())
                          : as + "; which address it ought to be is not known here");
    } else if (is_this_hosts) {
      ask_.skipped("probe-seen-as", title,
                   as + ", another of this host's own: a translation of others' (a masquerade) gives it to what this "
                        "host itself sends. The mail meets ours first");
    } else {
      ask_.failed("probe-seen-as", title, fmt::format("{}, not {}", as, wanted->to_string()),
                  mend(fmt::format("{}, if that is the VPS's; else its provider gives what leaves another address",
                                   command_to_leave_as(profile(), told.back()))));
    }
  }

  const Inquiry& ask_;
  const ProbeRequest& request_;
  const ProbeReport& report_;
  bool took_the_tunnel_;  ///< what was answered
  std::string cause_;     ///< the id of what failed first; empty: nothing yet
};

}  // namespace

void check_probe(const Inquiry& ask, Prober& prober, const std::vector<MailServer>& servers,
                 std::chrono::milliseconds patience) {
  const auto [request, left_out] = probe_request(ask, servers, patience);
  if (request.senders.empty()) {
    ask.skipped("probe", "SMTP through the tunnel", "there is nobody to send as: no address that the mail leaves as");
    return;
  }
  auto report = prober.probe(request);
  Judge(ask, request, report).judge();
  if (left_out != 0) {
    ask.skipped("probe", "SMTP as further senders",
                fmt::format("of more than {} senders the others are not asked ({})", request.senders.size(), left_out));
  }
  if (answered_past_tunnel(ask, report) != nullptr) {
    report.sightings.clear();  // of what does not come through this host its routes and rules tell nothing
  }
  check_leak(ask, request, report);
}

}  // namespace smtpegress
