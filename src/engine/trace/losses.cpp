// Why a packet did not come from one of nf_tables' hooks to the next, or not through one: told from lookups.
#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include "engine/trace/judge.hpp"
#include "engine/verify/lookups.hpp"
#include "model/families.hpp"
#include "model/packet_walk.hpp"
#include "smtpegress/state.hpp"

namespace smtpegress {
namespace {

/// In bytes, all headers from IP's on. IPv6's own counts only what follows it.
std::uint32_t size_of(const TracedPacket& packet) {
  constexpr std::uint32_t kIp6Header = 40;  // bytes; RFC 8200, section 3
  return packet.length + (packet.source.family == IpFamily::kV6 ? kIp6Header : 0);
}

class LossFinder {
 public:
  LossFinder(const Inquiry& ask, const Trail& trail, RuleTexts& texts)
      : ask_(ask), trail_(trail), in_(texts.interface(trail.in)), out_(texts.interface(trail.out)) {}

  Loss find() {
    switch (trail_.reached) {
      case Checkpoint::kPreroutingEnd:
      case Checkpoint::kOutputEnd:
        return at_routing();
      case Checkpoint::kForwardEnd:
        return {fmt::format("lost behind the forward hook, on its way out by {}", out_.str()), verify()};
      case Checkpoint::kPrerouting:
      case Checkpoint::kInput:
      case Checkpoint::kForward:
      case Checkpoint::kOutput:
      case Checkpoint::kPostrouting:
        return inside_hook();
      case Checkpoint::kInputEnd:
      case Checkpoint::kPostroutingEnd:
        break;  // it has ended well, then
    }
    return {"lost", verify()};
  }

 private:
  [[nodiscard]] std::string verify() const {
    return fmt::format("`smtp-egress verify {}` looks at the rest of its way", ask_.view.profile.name);
  }
  [[nodiscard]] IpFamily family() const { return trail_.first.source.family; }
  [[nodiscard]] bool is_mail() const { return trail_.direction == Journey::Direction::kMail; }

  Loss at_routing() {
    const auto& profile = ask_.view.profile;
    if (!in_.empty() && trail_.last.hops_left <= 1) {
      return {"not routed on: its hop limit (TTL) ran out here", "look for a routing loop: `traceroute`"};
    }
    const RouteQuery query{.destination = trail_.last.destination,
                           .source = trail_.last.source,
                           .incoming = in_,
                           .mark = trail_.mark,
                           .ip_protocol = trail_.last.protocol,
                           .source_port = trail_.last.source_port,
                           .destination_port = trail_.last.destination_port};
    const auto answer = ask_.kernel.look_up_route(query);
    if (!answer) {
      return {fmt::format("not routed on: {}", answer.error().message()), verify()};
    }
    if (answer->errnum != 0 && may_be_filtered(ask_, *answer, query) && is_filtered(*answer)) {
      return {
          fmt::format("not routed on: reverse-path filtering on {0} (rp_filter) drops it, as the way back to {1} is "
                      "not by {0}",
                      in_.str(), trail_.last.source.to_string()),
          mend_wrong_route(ask_, *answer, query)};
    }
    if (answer->errnum == EINVAL || answer->errnum == EACCES) {
      return {fmt::format("not routed on: a {} rule or route of the kernel's refuses it",
                          answer->errnum == EINVAL ? "blackhole" : "prohibit"),
              mend_refusal()};
    }
    if (auto loss = answer->errnum != 0 && !in_.empty() ? not_forwarding() : std::nullopt) {
      return *std::move(loss);
    }
    const auto* tunnel = ask_.view.seen.observed.link(profile.tunnel);
    if (answer->errnum != 0 && is_mail() && profile.side == Side::kHome && (tunnel == nullptr || !tunnel->up)) {
      return {
          fmt::format("not routed on: the tunnel {} is {}, and our unreachable route in table {} keeps the mail from "
                      "any other way",
                      profile.tunnel.str(), tunnel == nullptr ? "not there" : "down", profile.table.value),
          fmt::format("bring the tunnel up (`wg-quick up {}`), then `{}`", profile.tunnel.str(),
                      enable_command(profile))};
    }
    if (answer->errnum != 0) {
      const auto mend = profile.side == Side::kVps ? mend_stray(ask_, *answer, query, verify())
                                                   : mend_wrong_route(ask_, *answer, query);
      return {fmt::format("not routed on: {}", answer_text(ask_, *answer, query)), mend};
    }
    return routed(*answer);
  }

  /// EINVAL is a blackhole too, on kernels that have not EXDEV for this. Then the way back tells.
  bool is_filtered(const RouteAnswer& answer) {
    constexpr long kStrict = 1;
    if (answer.errnum == EXDEV) {
      return true;
    }
    const auto back = ask_.kernel.look_up_route({.destination = trail_.last.source,
                                                 .source = {},
                                                 .incoming = {},
                                                 .mark = 0,
                                                 .ip_protocol = trail_.last.protocol,
                                                 .source_port = trail_.last.destination_port,
                                                 .destination_port = trail_.last.source_port});
    return back && (back->errnum != 0 || (back->interface != in_ && effective_rp_filter(ask_, in_.str()) == kStrict));
  }

  [[nodiscard]] std::string mend_refusal() const {
    return fmt::format("`{0} rule` and `{0} route show table all` show it; remove it, or let it spare this flow",
                       traits_of(family()).ip);
  }

  /// Nothing where no sysctl keeps the kernel from it. IPv6 asks no single interface, but each can be without IPv6.
  [[nodiscard]] std::optional<Loss> not_forwarding() const {
    const auto& traits = traits_of(family());
    const auto because = [&](std::string_view why) {
      return fmt::format("not routed on: this host does not forward what comes in by {} ({})", in_.str(), why);
    };
    const std::string everywhere(traits.forwarding);
    if (const auto on = ask_.kernel.read_sysctl(everywhere); !on || *on != "1") {
      return Loss{because(sysctl_name(everywhere) + " is off"),
                  fmt::format("`{}` switches it on; look for what switched it off", enable_command(ask_.view.profile))};
    }
    const bool by_interface = family() == IpFamily::kV4;
    const std::string_view wrong = by_interface ? "0" : "1";
    const auto own = fmt::format("{}{}/{}", traits.conf, in_.str(), by_interface ? "forwarding" : "disable_ipv6");
    if (const auto value = ask_.kernel.read_sysctl(own); value && *value == wrong) {
      return Loss{because(fmt::format("{} is {}", sysctl_name(own), wrong)),
                  fmt::format("`sysctl {}={}`", sysctl_name(own), by_interface ? "1" : "0")};
    }
    return std::nullopt;
  }

  /// The lookup finds a way now: what else the kernel looks at between routing and the next hook.
  Loss routed(const RouteAnswer& answer) {
    const auto* link = ask_.view.seen.observed.link(answer.interface);
    const auto size = size_of(trail_.last);
    if (link != nullptr && link->mtu != 0 && size > link->mtu) {
      return {fmt::format("not forwarded: its {} bytes are more than {} takes ({})", size, answer.interface.str(),
                          link->mtu),
              "its sender has to be told so: let ICMP through (\"fragmentation needed\", \"packet too big\")"};
    }
    return {fmt::format("lost between routing and the next hook; a lookup finds a way, by {}", answer.interface.str()),
            verify()};
  }

  /// Between our chain at its beginning and the one at its end: what is no chain of nf_tables'.
  Loss inside_hook() {
    constexpr std::array kNames{"prerouting", "input", "forward", "output", "postrouting"};
    const auto hook = hook_of(trail_.reached);
    const auto name = kNames.at(static_cast<std::size_t>(hook));
    const auto tables = ask_.kernel.legacy_tables();
    if (tables) {
      for (const auto& chain : tables->chains) {
        if (!chain.hook || chain.hook->hook != hook || !sees(chain.key.table.family, family())) {
          continue;
        }
        if (const auto obstacle = find_obstacle(*tables, chain, facts())) {
          return {
              fmt::format("dropped by iptables-legacy, which nf_tables does not show: {}: {}",
                          nft::to_string(obstacle->chain), obstacle->rule),
              "`iptables-legacy-save` (`ip6tables-legacy-save`) lists its rules; remove that one, or let it spare the "
              "mail"};
        }
      }
    }
    const bool tracks = hook == nft::Hook::kPrerouting || hook == nft::Hook::kOutput || hook == nft::Hook::kPostrouting;
    return {
        fmt::format("lost within the {} hook, by what is no rule of nf_tables'{}", name,
                    tracks ? ": connection tracking (a full table?), or an eBPF program" : ""),
        tracks ? "`conntrack -S` and `sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max` show more"
               : verify()};
  }

  [[nodiscard]] PacketFacts facts() const {
    const auto& packet = trail_.last;
    const bool sent = in_.empty();
    const bool received = trail_.reached == Checkpoint::kInput;
    return {.family = family(),
            .in = in_,
            .out = out_,
            .source = Prefix::of(packet.source),
            .destination = Prefix::of(packet.destination),
            .source_port = PortRange{packet.source_port, packet.source_port},
            .destination_port = PortRange{packet.destination_port, packet.destination_port},
            .protocol = packet.protocol,
            .ct_states = 0,
            .direction = is_mail() ? nft::CtDirection::kOriginal : nft::CtDirection::kReply,
            .mark = trail_.mark,
            .tcp_flags_never = {},
            .passage = sent       ? Passage::kSent
                       : received ? Passage::kReceived
                                  : Passage::kForwarded};
  }

  const Inquiry& ask_;
  const Trail& trail_;
  IfName in_;
  IfName out_;
};

}  // namespace

Loss explain_loss(const Inquiry& ask, const Trail& trail, RuleTexts& texts) {
  return LossFinder(ask, trail, texts).find();
}

}  // namespace smtpegress
