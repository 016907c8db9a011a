// The inner tunnel's own packets, which carry the mail over its link: their way, and the firewalls on it.
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "engine/verify/checks.hpp"
#include "model/families.hpp"
#include "model/inner.hpp"
#include "model/ownership.hpp"
#include "model/packet_walk.hpp"

namespace smtpegress {
namespace {

using nft::Hook;

std::string words_for(const OuterProtocol& outer) {
  return outer.udp_port != 0 ? fmt::format("udp/{}", outer.udp_port) : fmt::format("IP protocol {}", outer.number);
}

void check_way(const Inquiry& ask, const OuterProtocol& outer) {
  const auto& profile = ask.view.profile;
  const auto& inner = *profile.inner;
  const auto title =
      fmt::format("the inner tunnel's packets reach {} by {}", inner.remote.to_string(), inner.link.str());
  const auto answer = ask.kernel.look_up_route(
      {.destination = inner.remote,
       .source = {},
       .incoming = {},
       .mark = profile.side == Side::kHome && outer.udp_port != 0 ? profile.mark.value : 0,  // VXLAN routes by it
       .ip_protocol = outer.number,
       .source_port = outer.udp_port,
       .destination_port = outer.udp_port});
  const auto mend = fmt::format("`{} route get {}` shows the way they take; bring up {}, or correct key inner.remote",
                                traits_of(inner.remote.family).ip, inner.remote.to_string(), inner.link.str());
  if (!answer) {
    ask.failed("inner", title, answer.error().message(), mend);
  } else if (answer->errnum != 0) {
    ask.failed("inner", title, fmt::format("the kernel answers: {}", ::strerrordesc_np(answer->errnum)), mend);
  } else if (answer->interface != inner.link) {
    ask.failed("inner", title, fmt::format("the way leads by {}: refused there", answer->interface.str()), mend);
  } else {
    ask.passed("inner", title, fmt::format("dev {} table {}", answer->interface.str(), to_string(answer->table)));
  }
}

/// At `hook` on this host. The mail is begun at home, so that what comes in there answers what went out.
PacketFacts outer_packet(const EnabledView& view, const OuterProtocol& outer, Hook hook) {
  const auto& profile = view.profile;
  const auto& inner = *profile.inner;
  const bool begins = (profile.side == Side::kHome) == (hook == Hook::kOutput);
  PacketFacts facts{.family = inner.remote.family,
                    .in = hook == Hook::kInput ? inner.link : IfName{},
                    .out = hook == Hook::kOutput ? inner.link : IfName{},
                    .source = {},
                    .destination = {},
                    .source_port = {},
                    .destination_port = {},
                    .protocol = outer.number,
                    .ct_states = begins ? nft::kCtNew | nft::kCtEstablished : std::uint32_t{nft::kCtEstablished},
                    .direction = begins ? nft::CtDirection::kOriginal : nft::CtDirection::kReply,
                    .mark = {},
                    .tcp_flags_never = {}};
  (hook == Hook::kInput ? facts.source : facts.destination) = Prefix::of(inner.remote);
  if (const auto& here = view.seen.host.inner) {
    (hook == Hook::kInput ? facts.destination : facts.source) = Prefix::of(here->local);
  }
  if (outer.udp_port != 0) {
    facts.source_port = facts.destination_port = PortRange{outer.udp_port, outer.udp_port};
  }
  return facts;
}

void check_firewall(const Inquiry& ask, const OuterProtocol& outer, Hook hook) {
  const auto& inner = *ask.view.profile.inner;
  const bool in = hook == Hook::kInput;
  const auto title = fmt::format("no firewall drops the inner tunnel's packets ({}) as they {}", words_for(outer),
                                 in ? "come in" : "go out");
  const auto& ruleset = ask.view.seen.observed.ruleset;
  const auto packet = outer_packet(ask.view, outer, hook);
  std::string perhaps;
  for (const auto& chain : ruleset.chains) {
    const bool passes = chain.hook && !chain.dormant && chain.hook->hook == hook &&
                        chain.hook->type == nft::ChainType::kFilter && !is_own_table(chain.key.table) &&
                        sees(chain.key.table.family, packet.family);
    const auto obstacle = passes ? find_obstacle(ruleset, chain, packet) : std::nullopt;
    if (!obstacle) {
      continue;
    }
    const auto text = fmt::format("{}: {}", nft::to_string(obstacle->chain), obstacle->rule);
    if (obstacle->certain) {
      const auto port = outer.udp_port != 0 ? fmt::format(" to any port {} proto udp", outer.udp_port) : std::string();
      ask.failed("inner-firewall", title, "are dropped by " + text,
                 fmt::format("let {} {} {} by {} there; with ufw: `ufw allow {} on {} {} {}{}`", words_for(outer),
                             in ? "from" : "to", inner.remote.to_string(), inner.link.str(), in ? "in" : "out",
                             inner.link.str(), in ? "from" : "to", inner.remote.to_string(),
                             in                    ? port
                             : outer.udp_port != 0 ? fmt::format(" port {} proto udp", outer.udp_port)
                                                   : ""));
      return;
    }
    perhaps = perhaps.empty() ? text : perhaps;
  }
  ask.passed("inner-firewall", title, perhaps.empty() ? "" : "but for what is not known here: " + perhaps);
}

}  // namespace

void check_inner(const Inquiry& ask) {
  if (!ask.view.profile.inner) {
    return;
  }
  const auto protocols = outer_protocols(ask.view.profile);
  check_way(ask, protocols.front());
  for (const auto& outer : protocols) {
    check_firewall(ask, outer, Hook::kOutput);
    check_firewall(ask, outer, Hook::kInput);
  }
}

}  // namespace smtpegress
