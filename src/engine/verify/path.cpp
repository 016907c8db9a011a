// Each rule in force and not pre-empted: the flow's packets are walked through every foreign base chain on their way.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <functional>

#include "engine/verify/checks.hpp"
#include "model/docker.hpp"
#include "model/lower.hpp"
#include "model/mail_flow.hpp"
#include "model/ownership.hpp"
#include "model/rules.hpp"
#include "model/tenants.hpp"

namespace smtpegress {
namespace {

using nft::ChainType;
using nft::Hook;

bool is_on_the_way(const nft::ObservedChain& chain, Hook hook, ChainType type) {
  return chain.hook && !chain.dormant && chain.hook->hook == hook && chain.hook->type == type &&
         !is_own_table(chain.key.table);
}

bool hangs_on(const nft::ObservedChain& chain, const IfName& device) {
  return std::ranges::any_of(chain.devices, [&](const nft::MatchInterface& d) {
    return d.wildcard ? device.str().starts_with(d.name) : device.str() == d.name;
  });
}

struct Met {
  std::string packet;  ///< its title
  MailWay way;
  Obstacle obstacle;
};

/// Of the packets here only replies never open a connection.
MailWay way_of(const PacketFacts& packet) {
  return packet.tcp_flags_never ? MailWay::kBack : MailWay::kOut;
}

/// Looks for obstacles in one ruleset, on one profile's way.
class Path {
 public:
  Path(const EnabledView& view, const nft::Ruleset& ruleset)
      : view_(view), sample_(sample_of(view.profile, view.seen.host, ruleset)), ruleset_(ruleset) {}

  [[nodiscard]] std::vector<Met> as_replies_arrive() const {
    return drops(Hook::kPrerouting, [this](const Profile& profile, const ResolvedHost& host, std::int32_t priority) {
      auto packets = arriving_replies_at(profile, host, priority);
      for (auto& [title, facts] : packets) {
        facts.returns = returns_by(facts.family, facts.in);
        const bool marked =
            profile.side == Side::kHome && facts.family == IpFamily::kV6 && priority > rules::kAfterDnatPriority;
        facts.returns_by_mark = marked ? std::optional(true) : facts.returns;
      }
      return packets;
    });
  }
  [[nodiscard]] std::vector<Met> as_mail_enters() const { return drops(Hook::kPrerouting, entering_mail_at); }
  [[nodiscard]] std::vector<Met> forwarded() const {
    return drops(Hook::kForward, [](const Profile& profile, const ResolvedHost& host, std::int32_t) {
      return forwarded_packets(profile, host);
    });
  }
  /// This host's own mail, as it leaves its process, and its replies.
  [[nodiscard]] std::vector<Met> sent() const {
    auto met = drops(Hook::kOutput, own_mail);
    each(Hook::kOutput, ChainType::kRoute, own_mail, drop, met);
    return met;
  }
  [[nodiscard]] std::vector<Met> received() const {
    return drops(Hook::kInput, [](const Profile& profile, const ResolvedHost&, std::int32_t) {
      return received_replies_at(profile, INT32_MAX);
    });
  }
  /// In postrouting, then in the egress chains of the interfaces.
  [[nodiscard]] std::vector<Met> as_they_leave() const;
  /// In the ingress chains of the interfaces that the mail and its replies come in by.
  [[nodiscard]] std::vector<Met> at_ingress() const;
  /// Another destination for the mail. nat chains see a flow's first packet alone, so the replies are out of it.
  [[nodiscard]] std::vector<Met> diverted() const {
    std::vector<Met> met;
    each(Hook::kPrerouting, ChainType::kNat, entering_mail_at, find_rewrite, met);
    each(Hook::kOutput, ChainType::kNat, own_mail, find_rewrite, met);
    return met;
  }
  /// Another source address before ours gives it one, or keeps the one it has.
  [[nodiscard]] std::vector<Met> readdressed() const {
    std::vector<Met> met;
    const auto before_ours = [](const nft::Ruleset& ruleset, const nft::ObservedChain& chain,
                                const PacketFacts& packet) {
      return chain.hook->priority < rules::kBeforeSnatPriority ? find_rewrite(ruleset, chain, packet) : std::nullopt;
    };
    const auto mail = [](const Profile& profile, const ResolvedHost& host, std::int32_t) {
      auto packets = outgoing_packets(profile, host);
      const auto own = sent_packets(profile);
      packets.insert(packets.end(), own.begin(), own.end());
      return packets;
    };
    each(Hook::kPostrouting, ChainType::kNat, mail, before_ours, met);
    return met;
  }

 private:
  using PacketsAt = std::function<std::vector<FlowPacket>(const Profile&, const ResolvedHost&, std::int32_t)>;
  using Find =
      std::function<std::optional<Obstacle>(const nft::Ruleset&, const nft::ObservedChain&, const PacketFacts&)>;

  static std::vector<FlowPacket> own_mail(const Profile& profile, const ResolvedHost& /*unused*/, std::int32_t) {
    return sent_packets(profile);
  }
  static std::optional<Obstacle> drop(const nft::Ruleset& ruleset, const nft::ObservedChain& chain,
                                      const PacketFacts& packet) {
    return find_obstacle(ruleset, chain, packet);
  }
  void each(Hook hook, ChainType type, const PacketsAt& packets_at, const Find& find, std::vector<Met>& met) const {
    for (const auto& chain : ruleset_.chains) {
      if (!is_on_the_way(chain, hook, type)) {
        continue;
      }
      for (const auto& packet :
           seen_by(chain.key.table.family, packets_at(sample_.profile, sample_.host, chain.hook->priority))) {
        if (auto obstacle = find(ruleset_, chain, packet.facts)) {
          met.push_back({packet.title, way_of(packet.facts), *std::move(obstacle)});
        }
      }
    }
  }
  [[nodiscard]] std::vector<Met> drops(Hook hook, const PacketsAt& packets_at) const {
    std::vector<Met> met;
    each(hook, ChainType::kFilter, packets_at, drop, met);
    return met;
  }
  /// Does the way to the internet lead by this interface? Nothing where the main table has not the one way that says
  /// it.
  [[nodiscard]] std::optional<bool> returns_by(IpFamily family, const IfName& interface) const {
    const auto& observed = view_.seen.observed;
    const bool in_parts = std::ranges::any_of(observed.routes, [&](const Route& route) {
      return route.family == family && route.table == kMainTable && route.destination.is_internet() &&
             !route.destination.is_default();
    });
    const auto* way = observed.default_route(family);
    return in_parts || way == nullptr ? std::nullopt : std::optional(way->interface == interface);
  }
  /// The chains that hang on one interface, and what passes it.
  void on_device(Hook hook, const IfName& device, const std::vector<FlowPacket>& packets, std::vector<Met>& met) const {
    for (const auto& chain : ruleset_.chains) {
      if (!is_on_the_way(chain, hook, ChainType::kFilter) || !hangs_on(chain, device)) {
        continue;
      }
      for (auto& packet : seen_by(chain.key.table.family, packets)) {
        auto& by = hook == Hook::kIngress ? packet.facts.in : packet.facts.out;
        if (!by.empty() && by != device) {
          continue;  // another tenant's
        }
        by = device;
        if (auto obstacle = find_obstacle(ruleset_, chain, packet.facts)) {
          met.push_back(
              {fmt::format("{} on {}", packet.title, device.str()), way_of(packet.facts), *std::move(obstacle)});
        }
      }
    }
  }
  [[nodiscard]] std::vector<IfName> inner() const {
    return sample_.profile.side == Side::kHome ? sample_.host.source_links : tunnels_of(sample_.profile);
  }
  [[nodiscard]] IfName outer() const {
    return sample_.profile.side == Side::kHome ? sample_.profile.tunnel : sample_.host.wan;
  }

  const EnabledView& view_;
  Sample sample_;  ///< of many tenants, one for each way in which these rules may treat them
  const nft::Ruleset& ruleset_;
};

constexpr std::int32_t kFirst = INT32_MIN;  // of a hook's priorities: before connection tracking
constexpr std::int32_t kLast = INT32_MAX;

std::vector<Met> Path::at_ingress() const {
  std::vector<Met> met;
  on_device(Hook::kIngress, outer(), arriving_replies_at(sample_.profile, sample_.host, kFirst), met);
  for (const auto& link : inner()) {
    on_device(Hook::kIngress, link, entering_mail_at(sample_.profile, sample_.host, kFirst), met);
  }
  return met;
}

std::vector<Met> Path::as_they_leave() const {
  auto met = drops(Hook::kPostrouting, leaving_packets_at);
  auto packets = leaving_packets_at(sample_.profile, sample_.host, kLast);
  const auto replies = std::ranges::stable_partition(
      packets, [](const FlowPacket& packet) { return packet.facts.direction == nft::CtDirection::kOriginal; });
  on_device(Hook::kEgress, outer(), {packets.begin(), replies.begin()}, met);
  for (const auto& link : inner()) {
    on_device(Hook::kEgress, link, {replies.begin(), replies.end()}, met);
  }
  return met;
}

/// Is a rule of ours wanted in that chain, and not there or not ahead? Then enable puts it at the head.
bool enable_mends(const Inquiry& ask, const nft::ChainKey& chain) {
  return std::ranges::any_of(ask.view.findings, [&](const Finding& finding) {
    const auto* rule = std::get_if<ForeignChainRule>(&finding.object);
    return rule != nullptr && rule->chain == chain && finding.presence != Presence::kPresent;
  });
}

/// What a check is called, and what its obstacles do.
struct Wording {
  std::string id;
  std::string title;
  std::string does;
  std::string mend;            ///< where enable does not mend it
  bool enable_reaches = true;  ///< are these chains that enable could put a rule into?
  std::string seen{};          ///< what there was to be looked at, where that is not evident
};

std::string mend_for(const Inquiry& ask, const Wording& words, const Obstacle& obstacle) {
  const auto& chain = obstacle.chain;
  const auto* observed = ask.view.seen.observed.ruleset.find(chain);
  if (words.enable_reaches && observed != nullptr && observed->closed) {
    return open_by_hand(chain.table, ask.view.profile);
  }
  if (words.enable_reaches && enable_mends(ask, chain)) {
    return fmt::format("`{}` puts our rule at that chain's head", enable_command(ask.view.profile));
  }
  return obstacle.handle == 0 ? words.mend
                              : fmt::format(
                                    "{}; `nft delete rule {} handle {}` removes it until its owner makes it "
                                    "again",
                                    words.mend, nft::to_string(chain), obstacle.handle);
}

/// A certain obstacle fails the check; one that depends on what is not known here (a ban list's set, say) is told.
void judge(const Inquiry& ask, const Wording& words, const std::vector<Met>& met) {
  std::string perhaps;
  bool certain = false;
  for (const auto& [packet, way, obstacle] : met) {
    const auto text = fmt::format("{} {} by {}: {}", packet, words.does, nft::to_string(obstacle.chain), obstacle.rule);
    if (obstacle.certain) {
      certain = true;
      ask.failed(words.id, words.title, text, mend_for(ask, words, obstacle), {.place = {}, .way = way, .shown = {}});
    } else if (perhaps.empty()) {
      perhaps = text;
    }
  }
  if (!certain) {
    ask.passed(words.id, words.title, perhaps.empty() ? words.seen : "but for what depends on the peer: " + perhaps);
  }
}

/// The same way through iptables-legacy's tables. What they rewrite in postrouting comes after ours, and is skipped.
void check_legacy_tables(const Inquiry& ask) {
  Wording words{.id = "legacy-iptables",
                .title = "iptables-legacy does not stop the mail or its replies",
                .does = "are dropped or turned elsewhere",
                .mend =
                    "nft does not show these rules and enable does not reach them: `iptables-legacy-save` lists "
                    "them. Remove that one, or move all to iptables-nft (`iptables-legacy-save | "
                    "iptables-nft-restore -n`), then empty them there (`iptables-legacy -F`, `-P FORWARD ACCEPT`) "
                    "and enable again; for IPv6 the same with ip6tables",
                .enable_reaches = false};
  const auto tables = ask.kernel.legacy_tables();
  if (!tables) {
    ask.failed(words.id, words.title, tables.error().message(), "run verify as root");
    return;
  }
  for (const auto& table : tables->tables) {
    words.seen += (words.seen.empty() ? "its tables: " : ", ") + to_string(table);
  }
  const Path path(ask.view, *tables);
  std::vector<Met> met;
  for (const auto& part : {path.as_replies_arrive(), path.as_mail_enters(), path.diverted(), path.forwarded(),
                           path.sent(), path.received(), path.as_they_leave()}) {
    met.insert(met.end(), part.begin(), part.end());
  }
  judge(ask, words, met);
}

bool keeps_address(const Profile& profile) {
  return profile.side == Side::kHome && (profile.nat == HomeNat::kPreserve || profile.sources.empty());
}

constexpr const char* kDropped = "are dropped";
constexpr const char* kRemove = "remove or move that rule, or let it spare the mail: enable does not touch it";

/// What this host's firewalls do to its own mail. Enable puts no rule into these: what they let out and in is the
/// administrator's.
void check_own_way(const Inquiry& ask, const Path& path) {
  const auto& profile = ask.view.profile;
  if (profile.host_senders.empty()) {
    return;
  }
  const auto& tunnel = profile.tunnel.str();
  const auto ports = profile.ports.front().to_string();
  judge(
      ask,
      {"sent", "no firewall drops the mail that this host itself sends", kDropped,
       fmt::format("let it out ahead of that rule: `oifname \"{0}\" tcp dport {1} accept` (ufw: `ufw allow out on {0} "
                   "to any port {1} proto tcp`); enable does not touch it",
                   tunnel, ports)},
      path.sent());
  judge(
      ask,
      {"received", "no firewall drops its replies", kDropped,
       fmt::format("let them in ahead of that rule: `iifname \"{}\" tcp sport {} ct state established accept`; enable "
                   "does not touch it",
                   tunnel, ports)},
      path.received());
}

}  // namespace

void check_path(const Inquiry& ask) {
  if (ask.view.profile.side == Side::kHome) {
    ask.passed("docker", "replies get past Docker's drop of strangers",
               explain_bypass(ask.view.profile, ask.view.seen.host));
  }
  const Path path(ask.view, ask.view.seen.observed.ruleset);
  judge(ask, {"ingress", "no interface's own chain drops the mail or its replies", kDropped, kRemove},
        path.at_ingress());
  judge(ask, {"replies-arrive", "no firewall drops replies on arrival", kDropped, kRemove}, path.as_replies_arrive());
  const bool forwards = !ask.view.profile.sources.empty();
  if (forwards) {
    judge(ask, {"enters", "no firewall drops the mail as it comes in", kDropped, kRemove}, path.as_mail_enters());
  }
  judge(ask,
        {"destination", "no other rule turns the mail to another destination", "are turned elsewhere",
         "remove that rule, or let it spare the mail stack"},
        path.diverted());
  if (forwards) {
    judge(ask, {"forwarded", "no forward firewall drops the mail or its replies", kDropped, kRemove}, path.forwarded());
  }
  check_own_way(ask, path);
  judge(ask, {"leaves", "no firewall drops the mail or its replies as they leave", kDropped, kRemove},
        path.as_they_leave());
  judge(ask,
        {"address",
         keeps_address(ask.view.profile) ? "the mail keeps its address into the tunnel"
                                         : "no other rule gives the mail an address first",
         "are given another address", "move that chain to priority srcnat (100) or later"},
        path.readdressed());
  check_legacy_tables(ask);
}

}  // namespace smtpegress
