#include "engine/trace/judge.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <tuple>

#include "model/host_senders.hpp"
#include "model/lower.hpp"
#include "model/ownership.hpp"
#include "model/private_networks.hpp"
#include "model/tenants.hpp"
#include "net/contains.hpp"

namespace smtpegress {
namespace {

using Judgement = Journey::Judgement;
using Direction = Journey::Direction;

/// One journey before one instance.
class Judge {
 public:
  Judge(const Inquiry& ask, const Trail& trail, bool stray, RuleTexts& texts, Journey& journey)
      : ask_(ask),
        profile_(ask.view.profile),
        host_(ask.view.seen.host),
        trail_(trail),
        stray_(stray),
        texts_(texts),
        journey_(journey) {}

  void decide() {
    if (trail_.end == JourneyEnd::kUnfinished) {
      aside("events of it were lost: how it ended is not known");
      return;
    }
    const bool is_mail = journey_.direction == Direction::kMail;
    const bool home = profile_.side == Side::kHome;
    if (is_mail ? is_not_our_mail() : !is_our_reply()) {
      return;
    }
    switch (trail_.end) {
      case JourneyEnd::kLeft:
        home ? (is_mail ? left_home() : came_back_home()) : (is_mail ? left_vps() : went_back_from_vps());
        break;
      case JourneyEnd::kDelivered:
        delivered();
        break;
      case JourneyEnd::kDropped:
        dropped();
        break;
      case JourneyEnd::kQueued:
        wrong(fmt::format("handed to a program by {}, which did not give it back", last_rule()),
              "see to the program that takes packets by nfqueue (an intrusion prevention system?)");
        break;
      case JourneyEnd::kLost: {
        auto [reason, mend] = explain_loss(ask_, trail_, texts_);
        wrong(std::move(reason), std::move(mend));
        break;
      }
      case JourneyEnd::kUnfinished:
        break;
    }
  }

 private:
  void aside(std::string reason) {
    journey_.judgement = Judgement::kAside;
    journey_.reason = std::move(reason);
  }
  void wrong(std::string reason, std::string mend) {
    journey_.judgement = Judgement::kWrong;
    journey_.reason = std::move(reason);
    journey_.mend = std::move(mend);
  }
  [[nodiscard]] std::string verify() const {
    return fmt::format("`smtp-egress verify {}` names what is wrong and the mend", profile_.name);
  }
  [[nodiscard]] std::string enable() const {
    return fmt::format("`{}` puts back what is missing", enable_command(profile_));
  }

  [[nodiscard]] const MailSource* source_of(const IpAddress& address) const {
    const auto found =
        std::ranges::find_if(sources_, [&](const MailSource& source) { return source.network.contains(address); });
    return found == sources_.end() ? nullptr : &*found;
  }
  [[nodiscard]] bool is_own(const IpAddress& address) const { return contains(own_addresses(profile_), address); }

  /// As our rules have it: add_stays_local() and output_chain() (lower_home.cpp).
  [[nodiscard]] bool stays_local(const IpAddress& to) const {
    if (profile_.side == Side::kVps) {
      return is_private(to);
    }
    const auto has = [&](const Prefix& network) { return network.contains(to); };
    const bool is_own_mail = trail_.in == 0 && steers_own_mail(profile_, host_, to.family);
    return std::ranges::any_of(local_networks(profile_, host_), has) ||
           (is_own_mail && std::ranges::any_of(kLinkNetworks, has));
  }

  /// Of no source, or to a network where it stays: judged by nobody.
  bool is_not_our_mail() {
    const auto& to = trail_.first.destination;
    if (profile_.side == Side::kVps && source_of(trail_.first.source) == nullptr) {
      aside(fmt::format("{} is of no source that the profile names: it gets no public address here",
                        trail_.first.source.to_string()));
      return true;
    }
    const bool to_itself = contains(ask_.view.seen.observed.addresses, to, &InterfaceAddress::local);
    if (to_itself || stays_local(to)) {
      aside(to_itself ? "it is for this host itself" : "its destination is in a local network: it keeps its own way");
      return true;
    }
    return false;
  }

  /// Replies to this host's own connections look the same until connection tracking has told them apart.
  bool is_our_reply() {
    const auto& to = trail_.first.destination;
    const auto is_snat = [&](const MailSource& source) { return source.snat_to == to; };
    const bool is_to_us = profile_.side == Side::kHome
                              ? source_of(to) != nullptr || is_own(to) || std::ranges::any_of(sources_, is_snat)
                              : std::ranges::any_of(sources_, is_snat);
    const bool went_in = trail_.reached == Checkpoint::kInput || trail_.reached == Checkpoint::kInputEnd;
    const bool is_this_hosts = went_in && !is_own(to) && (profile_.side == Side::kVps || source_of(to) == nullptr);
    if (!is_to_us || is_this_hosts) {
      aside(is_to_us ? "it answers a connection of this host itself" : "it is to no source of this profile");
      return false;
    }
    if (stray_) {
      aside("no connection of the mail's waits for it");
    }
    return !stray_;
  }

  [[nodiscard]] bool turned_elsewhere() {
    if (journey_.left_as->destination == trail_.first.destination) {
      return false;
    }
    wrong(fmt::format("turned to another destination, {}", journey_.left_as->destination.to_string()),
          "remove the rule that does it, or let it spare the mail stack; " + verify());
    return true;
  }
  void left_by_another(const std::string& right) {
    wrong(fmt::format("left by {}, not by {}", journey_.out.str(), right), verify());
  }

  void left_home() {
    if (journey_.out != profile_.tunnel) {
      wrong(fmt::format("left by {}, past the tunnel {}", journey_.out.str(), profile_.tunnel.str()), enable());
      return;
    }
    if (turned_elsewhere()) {
      return;
    }
    const auto& as = journey_.left_as->source;
    const auto& snat_to = host_.snat_to[as.family];
    const bool masquerades = profile_.nat == HomeNat::kMasquerade && source_of(trail_.first.source) != nullptr;
    if (masquerades ? snat_to && as != *snat_to : as != trail_.first.source) {
      wrong(fmt::format("entered the tunnel as {}, not as {}: the VPS takes it for no source's", as.to_string(),
                        (masquerades ? *snat_to : trail_.first.source).to_string()),
            verify());
    }
  }
  void came_back_home() {
    const auto& to = journey_.left_as->destination;
    if (journey_.out == profile_.tunnel) {
      wrong(fmt::format("went back into the tunnel {}", profile_.tunnel.str()), verify());
    } else if (source_of(to) == nullptr) {
      wrong(fmt::format("turned to {}, which is no source", to.to_string()), verify());
    } else if (has_one_link() && journey_.out != host_.source_links.front()) {
      left_by_another(host_.source_links.front().str());
    }
  }
  void left_vps() {
    const auto* source = source_of(trail_.first.source);
    const auto& as = journey_.left_as->source;
    if (journey_.out != host_.wan) {
      left_by_another(host_.wan.str());
    } else if (!turned_elsewhere() && source->snat_to && as != *source->snat_to) {
      wrong(fmt::format("left as {}, not as {}", as.to_string(), source->snat_to->to_string()),
            enable() + "; " + verify());
    }
  }
  void went_back_from_vps() {
    const auto* source = source_of(journey_.left_as->destination);
    if (source == nullptr) {
      aside("it answers a connection of no source");
    } else if (journey_.out != source->tunnel) {
      left_by_another(source->tunnel.str());
    }
  }
  void delivered() {
    if (journey_.direction == Direction::kReply) {
      return;  // to this host's own senders, or to a knock of its own
    }
    wrong("went to this host itself", "remove the rule or the route that turns it there; " + verify());
  }

  [[nodiscard]] std::string last_rule() const {
    if (journey_.steps.empty()) {
      return "a rule";
    }
    const auto& step = journey_.steps.back();
    return fmt::format("{}: {}", nft::to_string(step.chain), step.rule);
  }
  static bool refuses(const nft::Rule& rule) {
    return std::ranges::any_of(rule.statements, [](const nft::Statement& statement) {
      const auto* opaque = std::get_if<nft::StatementOpaque>(&statement);
      return std::holds_alternative<nft::Reject>(statement) ||
             (opaque != nullptr && (opaque->what == "reject" || opaque->what == "xt REJECT"));
    });
  }
  /// By which it should leave; empty where more than one would do.
  [[nodiscard]] IfName right_way_out() const {
    const bool is_mail = journey_.direction == Direction::kMail;
    if (is_mail) {
      return profile_.side == Side::kHome ? profile_.tunnel : host_.wan;
    }
    const auto* source = source_of(trail_.last.destination);
    if (profile_.side == Side::kVps) {
      return source != nullptr ? source->tunnel : IfName{};
    }
    return has_one_link() ? host_.source_links.front() : IfName{};
  }
  [[nodiscard]] bool has_one_link() const { return host_.source_links.size() == 1 && host_.source_networks.empty(); }
  void dropped() {
    if (journey_.steps.empty()) {
      wrong(fmt::format("dropped by {} that is not known here", last_rule()), verify());
      return;
    }
    const auto& step = journey_.steps.back();
    const auto* observed = texts_.find(step.chain, step.handle);
    const auto right = right_way_out();
    const bool astray = !journey_.out.empty() && !right.empty() && journey_.out != right;
    auto reason =
        astray ? fmt::format("routed to {}, not to {}, and ", journey_.out.str(), right.str()) : std::string();
    reason +=
        fmt::format("{} by {}; whose it is: {}", observed != nullptr && refuses(observed->rule) ? "refused" : "dropped",
                    last_rule(), step.owner);
    wrong(std::move(reason), astray ? verify() : mend_drop(step));
  }
  [[nodiscard]] std::string mend_drop(const TraceStep& step) const {
    if (is_own_table(step.chain.table)) {
      return verify();
    }
    const auto* chain = texts_.observed().ruleset.find(step.chain);
    if (chain != nullptr && chain->closed) {
      return open_by_hand(step.chain.table, profile_);
    }
    const bool ours_is_wanted = std::ranges::any_of(ask_.view.findings, [&](const Finding& finding) {
      const auto* rule = std::get_if<ForeignChainRule>(&finding.object);
      return rule != nullptr && rule->chain.table == step.chain.table && finding.presence != Presence::kPresent;
    });
    if (ours_is_wanted) {
      return fmt::format("`{}` puts our rule ahead of it", enable_command(profile_));
    }
    auto mend = std::string("remove or move that rule, or let it spare the mail: enable does not touch it");
    if (step.handle != 0) {
      mend += fmt::format("; `nft delete rule {} handle {}` removes it until its owner makes it again",
                          nft::to_string(step.chain), step.handle);
    }
    return mend;
  }

  const Inquiry& ask_;
  const Profile& profile_;
  const ResolvedHost& host_;
  std::vector<MailSource> sources_ = mail_sources(profile_, host_);
  const Trail& trail_;
  bool stray_;
  RuleTexts& texts_;
  Journey& journey_;
};

// Of a packet as it came.
bool asks(const TracedPacket& packet, const Flow& flow) {
  return std::tie(packet.source, packet.source_port, packet.destination, packet.destination_port) ==
         std::tie(flow.source, flow.source_port, flow.destination, flow.destination_port);
}
bool answers(const TracedPacket& packet, const Flow& flow) {
  return std::tie(packet.source, packet.source_port, packet.destination, packet.destination_port) ==
         std::tie(flow.reply_source, flow.reply_source_port, flow.reply_destination, flow.reply_destination_port);
}

/// A kernel that does not say it with the packet has the table of its connections: a packet of none that is there, if
/// it does not begin one, is invalid.
bool is_untracked(const Inquiry& ask, const Trail& trail) {
  if (trail.tracked) {
    return !*trail.tracked;
  }
  const auto& packet = trail.first;
  const bool begins = (packet.tcp_flags & (TH_SYN | TH_ACK)) == TH_SYN;
  if (begins || packet.protocol != IPPROTO_TCP) {
    return false;
  }
  const auto flows = ask.kernel.tcp_flows_to(packet.source.family, ask.view.profile.ports);
  return flows &&
         std::ranges::none_of(*flows, [&](const Flow& flow) { return asks(packet, flow) || answers(packet, flow); });
}

}  // namespace

bool is_stray(const Inquiry& ask, const Trail& trail) {
  const auto& packet = trail.first;
  const bool came_further = hook_of(trail.reached) != nft::Hook::kPrerouting;
  const bool is_translated = trail.last.destination != packet.destination;
  if (trail.direction != Direction::kReply || trail.end == JourneyEnd::kUnfinished || came_further || is_translated) {
    return false;
  }
  const auto& profile = ask.view.profile;
  const auto sources = mail_sources(profile, ask.view.seen.host);
  const auto is_the_mails = [&](const IpAddress& address) {
    const auto has = [&](const MailSource& source) { return source.network.contains(address); };
    return std::ranges::any_of(sources, has) || contains(own_addresses(profile), address);
  };
  const bool is_seen_as = contains(sources, std::optional(packet.destination), &MailSource::snat_to);
  if (!is_seen_as || is_the_mails(packet.destination)) {
    return false;
  }
  const auto waits = [&](const Flow& flow) { return answers(packet, flow) && is_the_mails(flow.source); };
  const auto flows = ask.kernel.tcp_flows_to(packet.source.family, profile.ports);
  return flows && std::ranges::none_of(*flows, waits);
}

void judge(const Inquiry& ask, const Trail& trail, bool stray, RuleTexts& texts, Journey& journey) {
  Judge(ask, trail, stray, texts, journey).decide();
  if (journey.judgement == Judgement::kWrong && is_untracked(ask, trail)) {
    journey.reason += "; connection tracking knows nothing of it: it is invalid, or untracked";
  }
}

}  // namespace smtpegress
