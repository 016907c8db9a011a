// Proof that nothing leaks, where somebody is there to send: each of the things that stand between the mail and the
// uplink is asked by itself, as if the others were not there. Nothing is sent for it. A SYN that is meant to be caught
// would be one by the home line where it is not; and none that a container or a socket can send gets past the policy
// rules to the guard behind them.
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>

#include "engine/exposed.hpp"
#include "engine/verify/lookups.hpp"
#include "engine/verify/probe_request.hpp"
#include "engine/verify/probe_words.hpp"
#include "model/families.hpp"
#include "model/ownership.hpp"
#include "model/packet_walk.hpp"

namespace smtpegress {
namespace {

/// Somebody at home who sends, and the interface that his packets come in by; empty: this host itself.
struct Mail {
  IpAddress from;
  IfName in{};
  std::optional<std::uint32_t> uid{};
  std::uint16_t port = 0;
};

/// Null where no network of this host's has the address.
const Link* link_of(const ObservedState& observed, const IpAddress& address) {
  const auto found = std::ranges::find_if(observed.addresses, [&](const InterfaceAddress& own) {
    return own.local != address && own.network().contains(address);
  });
  return found == observed.addresses.end() ? nullptr : observed.link(found->link);
}

class LeakCheck {
 public:
  explicit LeakCheck(const Inquiry& ask) : ask_(ask) {}

  /// Mail of a source, as it comes in or leaves its process: without the mark, and where another way than the tunnel is
  /// taken.
  void ask_for(const Mail& mail) const {
    const auto title = fmt::format("mail from {} has no way but the tunnel", mail.from.to_string());
    const auto without_mark = way_of(mail);
    if (!without_mark) {
      return;
    }
    if (!goes_by_tunnel_or_not_at_all(*without_mark)) {
      ask_.failed("probe-leak", title,
                  fmt::format("without its mark it leaves by {} (table {})", without_mark->interface.str(),
                              to_string(without_mark->table)),
                  mend());
      return;
    }
    const auto* uplink = ask_.view.seen.observed.default_route(mail.from.family);
    const bool has_other_way = uplink != nullptr && uplink->interface != ask_.view.profile.tunnel;
    if (has_other_way && !is_guarded(mail, uplink->interface)) {
      ask_.failed("probe-leak", title,
                  fmt::format("were it routed to {}, nothing of ours would refuse it there", uplink->interface.str()),
                  mend());
      return;
    }
    ask_.passed("probe-leak", title,
                fmt::format("without its mark {}{}",
                            without_mark->errnum == 0 ? "it takes " + without_mark->interface.str() : "it is refused",
                            has_other_way ? fmt::format("; by {} the guard refuses it ({} packets so far)",
                                                        uplink->interface.str(), refused_so_far())
                                          : "; there is no other way out"));
  }

  /// Is it surely refused by the uplink, or led into the tunnel with its mark and without?
  [[nodiscard]] bool is_held(const Mail& mail) const {
    const auto& profile = ask_.view.profile;
    const auto* uplink = ask_.view.seen.observed.default_route(mail.from.family);
    if (uplink != nullptr && uplink->interface != profile.tunnel && is_guarded(mail, uplink->interface)) {
      return true;
    }
    const auto is_kept = [&](std::uint32_t mark) {
      const auto way = ask_.kernel.look_up_route(query_of(mail, mark));
      return way && goes_by_tunnel_or_not_at_all(*way);
    };
    return is_kept(0) && (profile.steering != Steering::kMark || is_kept(profile.mark.value));
  }

  /// An address of a container's that no source has: is its mail held back?
  void ask_for_other(const IpAddress& from, const std::string& whose, std::uint16_t port) const {
    const PathScope at_sender{.place = Place::kSender, .way = {}, .shown = {}};  // the sources are short of it
    const auto title = fmt::format("{} sends no mail past the tunnel as {}", whose, from.to_string());
    const auto mend = fmt::format(
        "name its network among the sources, at home and on the VPS ({} in it); or take that "
        "network from the container",
        from.to_string());
    const auto* link = link_of(ask_.view.seen.observed, from);
    if (link == nullptr) {
      ask_.failed("probe-leak", title,
                  fmt::format("it would send over {} from there, which no source names, by a network that is none of "
                              "this host's",
                              traits_of(from.family).name),
                  mend, at_sender);
      return;
    }
    const Mail mail{.from = from, .in = link->name, .uid = {}, .port = port};
    const auto way = way_of(mail);
    if (!way) {
      return;
    }
    if (goes_by_tunnel_or_not_at_all(*way) || is_guarded(mail, way->interface)) {
      ask_.passed("probe-leak", title, "no source names it, and it is refused");
    } else {
      ask_.failed("probe-leak", title,
                  fmt::format("it would send over {} from there, which no source names: it leaves by {}",
                              traits_of(from.family).name, way->interface.str()),
                  mend, at_sender);
    }
  }

 private:
  [[nodiscard]] std::string mend() const {
    const auto earlier = std::ranges::find_if(ask_.checks, [](const Check& check) {
      return check.outcome == Outcome::kFailed && !check.id.starts_with("probe");
    });
    if (earlier != ask_.checks.end()) {
      return fmt::format("first what failed above (`{}`); then verify again", earlier->id);
    }
    return fmt::format("`{}`; `smtp-egress status {}` shows what is missing", enable_command(ask_.view.profile),
                       ask_.view.profile.name);
  }
  [[nodiscard]] bool goes_by_tunnel_or_not_at_all(const RouteAnswer& way) const {
    return way.errnum != 0 || way.interface == ask_.view.profile.tunnel;
  }
  [[nodiscard]] std::optional<RouteAnswer> way_of(const Mail& mail) const {
    return look_up(ask_, "probe-leak", fmt::format("mail from {} has no way but the tunnel", mail.from.to_string()),
                   query_of(mail, 0));
  }
  static RouteQuery query_of(const Mail& mail, std::uint32_t mark) {
    return {.destination = traits_of(mail.from.family).somewhere,
            .source = mail.from,
            .incoming = mail.in,
            .mark = mark,
            .ip_protocol = IPPROTO_TCP,
            .source_port = kEphemeral,
            .destination_port = mail.port,
            .uid = mail.uid};
  }
  /// Does a rule of our own surely refuse it, unmarked, by that interface?
  [[nodiscard]] bool is_guarded(const Mail& mail, const IfName& out) const {
    const auto& ruleset = ask_.view.seen.observed.ruleset;
    const bool own = mail.in.empty();
    const auto* chain = ruleset.find({own_table_key(ask_.view.profile.name), own ? "output" : "forward"});
    const PacketFacts packet{.family = mail.from.family,
                             .in = mail.in,
                             .out = out,
                             .source = Prefix::of(mail.from),
                             .destination = Prefix::of(traits_of(mail.from.family).somewhere),
                             .source_port = {},
                             .destination_port = PortRange{mail.port, mail.port},
                             .protocol = IPPROTO_TCP,
                             .ct_states = nft::kCtNew,
                             .direction = nft::CtDirection::kOriginal,
                             .mark = 0,
                             .tcp_flags_never = {},
                             .passage = own ? Passage::kSent : Passage::kForwarded,
                             .uid = mail.uid};
    const auto met = chain != nullptr && !chain->dormant ? find_obstacle(ruleset, *chain, packet) : std::nullopt;
    return met && met->certain;
  }
  [[nodiscard]] std::uint64_t refused_so_far() const {
    std::uint64_t packets = 0;
    for (const auto& finding : ask_.view.findings) {
      for (const auto& counter : finding.counters) {
        packets += counter.rule.comment.starts_with("guard") ? counter.packets : 0;
      }
    }
    return packets;
  }

  const Inquiry& ask_;
};

}  // namespace

bool is_exposed(const Inquiry& ask, const IpAddress& from) {
  const auto* link = link_of(ask.view.seen.observed, from);
  return link != nullptr &&
         !LeakCheck(ask).is_held(
             {.from = from, .in = link->name, .uid = {}, .port = ask.view.profile.ports.front().first});
}

Result<bool> is_exposed(Kernel& kernel, const StateStore& store, const DockerNetworks& docker, const std::string& name,
                        const std::optional<Profile>& fallback, const IpAddress& from) {
  const auto view = view_enabled(kernel, store, docker, name, fallback);
  if (!view) {
    return std::unexpected(view.error());
  }
  std::vector<Check> checks;
  Sightings sightings;
  return is_exposed({kernel, docker, *view, 0, checks, sightings}, from);
}

void check_leak(const Inquiry& ask, const ProbeRequest& request, const ProbeReport& report) {
  const auto& profile = ask.view.profile;
  if (profile.side != Side::kHome) {
    return;
  }
  const LeakCheck check(ask);
  const auto port = profile.ports.front().first;
  for (std::size_t i = 0; i < request.senders.size(); ++i) {
    const auto& sender = request.senders[i];
    if (!sender.source && sender.bound) {
      check.ask_for({.from = *sender.bound, .in = {}, .uid = sender.uid, .port = port});
    }
    const auto talked = std::ranges::find_if(report.sightings, [&](const ProbeSighting& seen) {
      return seen.sender == i && seen.sent_from && sender.source && sender.source->contains(*seen.sent_from);
    });
    const auto* link = talked == report.sightings.end() ? nullptr : link_of(ask.view.seen.observed, *talked->sent_from);
    if (link != nullptr && talked->manner == ProbeManner::kNamespace) {
      check.ask_for({.from = *talked->sent_from, .in = link->name, .uid = {}, .port = port});
    }
  }
  std::vector<IpAddress> told;
  for (const auto& egress : report.egress) {
    const bool is_source =
        std::ranges::any_of(profile.sources, [&](const Prefix& source) { return source.contains(egress.from); });
    if (!is_source && !stays_on_link(egress.from) && !std::ranges::count(told, egress.from)) {
      told.push_back(egress.from);
      check.ask_for_other(egress.from,
                          fmt::format("a container of {}", request.senders[egress.sender].source->to_string()), port);
    }
  }
}

}  // namespace smtpegress
