#include "plan/purpose.hpp"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "model/families.hpp"
#include "net/contains.hpp"

namespace smtpegress {
namespace {

/// It does most at home, where its rules vary with the profile.
std::string_view purpose_of_forward(const OwnChain& chain) {
  if (contains(chain.rules, "guard", &nft::Rule::comment)) {
    return "guard: refuses the sources' mail any way but the tunnel; and admits replies";
  }
  if (contains(chain.rules, "other tenants", &nft::Rule::comment)) {
    return "tells each tenant's mail and its replies apart from the rest, and fits segments to the tunnels; drops what "
           "goes to a tenant's network out of a tenants' tunnel, tcp of the mail's ports from another tenant's "
           "address, and replies to the wrong tunnel";
  }
  if (contains(chain.rules, "mss clamp", &nft::Rule::comment)) {
    return "tells the mail and its replies apart from the rest, and fits segments to the tunnel";
  }
  return "lets replies be told apart";
}

struct Purpose {
  std::string operator()(const OwnTable&) const { return "holds all rules of ours"; }
  std::string operator()(const OwnSet& set) const {
    return set.key.name == "tunnels"                ? "the tunnels that tenants are behind"
           : set.key.name.starts_with("senders-")   ? "which networks may send, and out of which tunnel"
           : set.key.name.starts_with("addresses-") ? "as which public address each tenant's mail leaves"
                                                    : "all tenants' networks: none may use or reach another's";
  }
  std::string operator()(const OwnChain& chain) const {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kByName{{
        {"mark-mail", "marks the sources' mail so that the policy rule finds it"},
        {"mark-replies", "marks replies over IPv6, so that a firewall's reverse-path filter sees their way back"},
        {"keep-address", "keeps Docker's masquerade off, so that the VPS sees the sources' own addresses"},
        {"tunnel-address",
         "the mail leaves as the tunnel's address: Docker lets replies to that in, and is not touched"},
        {"output", "guard: refuses mail of this host's own any way but the tunnel"},
        {"outer-output", "guard: the wrapped mail leaves by the inner tunnel's own link, or not at all"},
        {"outer-input", "takes wrapped packets from the far end alone, and by that link alone"},
        {"sidestep", "replies bear another address while they pass Docker's raw drop"},
        {"step-back", "and get their own again"},
        {"public-address", "gives the mail the VPS's address, ahead of any masquerade"},
    }};
    for (const auto& [name, purpose] : kByName) {
      if (chain.key.name != name) {
        continue;
      }
      const bool is_own = chain.key.name == "keep-address" && !contains(chain.rules, "nat bypass", &nft::Rule::comment);
      return is_own ? "keeps any masquerade off, so that the VPS sees the address that it knows" : std::string(purpose);
    }
    return chain.key.name == "forward" ? std::string(purpose_of_forward(chain)) : "";
  }
  std::string operator()(const ForeignChainRule& rule) const {
    return rule.chain.table.name == "raw" ? "lets replies out of the tunnel past Docker's raw drop"
                                          : "lets the mail and its replies through this firewall";
  }
  std::string operator()(const LinkSpec& link) const {
    return fmt::format("carries the mail over {}, which itself lets nothing but the two ends' own packets through",
                       link.lower.str());
  }
  std::string operator()(const Route& route) const {
    if (route.table == kMainTable) {
      return "sends replies back into the tunnel";
    }
    switch (route.type) {
      case RouteType::kUnicast:
        return "sends the mail into the tunnel";
      case RouteType::kThrow:
        return "what is sent there never takes the tunnel for mail: it is no part of the internet";
      default:
        return "while the tunnel is down, mail waits instead of leaving by the uplink";
    }
  }
  std::string operator()(const SysctlSpec& sysctl) const {
    return sysctl.key == kIpv4Traits.forwarding || sysctl.key == kIpv6Traits.forwarding ? "this host passes the mail on"
           : sysctl.key.ends_with("/accept_ra") && sysctl.value == "2"
               ? "goes on learning its own default route from the router while it forwards"
           : sysctl.key.ends_with("rp_filter") ? "replies come by another interface than the main table would use"
                                               : "as it was before enable";
  }
  std::string operator()(const PolicyRule& rule) const {
    const auto selectors = selectors_of(rule);
    if (selectors.users || selectors.incoming == "lo") {
      return "sends this host's own mail to the egress table, and so chooses the address that it is from";
    }
    if (const auto& link = selectors.incoming; !link.empty()) {
      return fmt::format("keeps mail of {} that is from no source off the uplink, should the firewall be flushed",
                         link);
    }
    return rule.mark ? "sends marked mail to the egress table"
                     : "sends mail there by its source, should the firewall's mark and guard be flushed";
  }
};

}  // namespace

std::string reason_for(const Finding& finding) {
  const auto purpose = std::visit(Purpose{}, finding.object);
  return finding.detail.empty() ? purpose : finding.detail + "; " + purpose;
}

}  // namespace smtpegress
