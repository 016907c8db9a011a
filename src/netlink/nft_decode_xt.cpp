// xt matches and targets, which iptables-nft writes where nf_tables has no expression that it knows. Their structures
// are in host byte order and padded to eight bytes.
#include "netlink/nft_rule_reader.hpp"

#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/xt_TCPMSS.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ipt_REJECT.h>

#include <algorithm>
#include <cstring>

namespace smtpegress::netlink {
namespace {

using Matches = std::optional<std::vector<nft::Match>>;
using Answer = std::optional<nft::Statement>;

/// The structure at the head of `info`; nothing where it is too short, or where what follows is more than padding.
template <class T>
std::optional<T> info_as(Bytes info) {
  constexpr std::size_t kPadding = 8;  // bytes; XT_ALIGN, linux/netfilter/x_tables.h
  if (info.size() < sizeof(T) || info.size() >= sizeof(T) + kPadding) {
    return std::nullopt;
  }
  T value{};
  std::memcpy(&value, info.data(), sizeof value);
  return value;
}

nft::Sense sense_of(std::uint8_t inverted, unsigned bit) {
  return (inverted & bit) != 0 ? nft::Sense::kIsNot : nft::Sense::kIs;
}

constexpr PortRange kAnyPort{0, UINT16_MAX};

Matches tcp(Bytes info) {
  const auto tcp = info_as<xt_tcp>(info);
  if (!tcp || tcp->option != 0 || (tcp->invflags & ~(XT_TCP_INV_SRCPT | XT_TCP_INV_DSTPT | XT_TCP_INV_FLAGS)) != 0) {
    return std::nullopt;
  }
  std::vector<nft::Match> matches;
  for (const auto side : {nft::Side::kSource, nft::Side::kDestination}) {
    const bool is_source = side == nft::Side::kSource;
    const PortRange ports = is_source ? PortRange{tcp->spts[0], tcp->spts[1]} : PortRange{tcp->dpts[0], tcp->dpts[1]};
    const auto sense = sense_of(tcp->invflags, is_source ? XT_TCP_INV_SRCPT : XT_TCP_INV_DSTPT);
    if (ports.first > ports.last || (ports == kAnyPort && sense == nft::Sense::kIsNot)) {
      return std::nullopt;  // never holds
    }
    if (ports != kAnyPort) {
      matches.emplace_back(nft::MatchPort{.side = side, .ports = ports, .sense = sense});
    }
  }
  const auto sense = sense_of(tcp->invflags, XT_TCP_INV_FLAGS);
  if (tcp->flg_mask != 0 && (tcp->flg_cmp & ~tcp->flg_mask) == 0) {
    matches.emplace_back(nft::MatchTcpFlags{.mask = tcp->flg_mask, .value = tcp->flg_cmp, .sense = sense});
  } else if (tcp->flg_mask != 0 || tcp->flg_cmp != 0 || sense == nft::Sense::kIsNot) {
    return std::nullopt;
  }
  return matches;
}

Matches mark_match(Bytes info) {
  const auto mark = info_as<xt_mark_mtinfo1>(info);
  if (!mark || mark->mask == 0 || (mark->mark & ~mark->mask) != 0 || mark->invert > 1) {
    return std::nullopt;
  }
  return std::vector<nft::Match>{
      nft::MatchMark{.mark = Mark{mark->mark, mark->mask}, .sense = sense_of(mark->invert, 1)}};
}

Matches conntrack(Bytes info) {
  const auto ct = info_as<xt_conntrack_mtinfo3>(info);
  constexpr unsigned kStateOnly = XT_CONNTRACK_STATE | XT_CONNTRACK_STATE_ALIAS;  // the alias is how `-m state` says it
  if (!ct || (ct->match_flags & XT_CONNTRACK_STATE) == 0 || (ct->match_flags & ~kStateOnly) != 0 ||
      ct->invert_flags != 0) {
    return std::nullopt;
  }
  // The four lower bits agree with nft's; xt's next are "was NATed", which is not a state.
  constexpr std::uint32_t kSameBits = nft::kCtInvalid | nft::kCtEstablished | nft::kCtRelated | nft::kCtNew;
  constexpr std::uint32_t kUntracked = XT_CONNTRACK_STATE_UNTRACKED;
  if ((ct->state_mask & ~(kSameBits | kUntracked)) != 0 || ct->state_mask == 0) {
    return std::nullopt;
  }
  const std::uint32_t states =
      (ct->state_mask & kSameBits) | ((ct->state_mask & kUntracked) != 0 ? nft::kCtUntracked : 0U);
  return std::vector<nft::Match>{nft::MatchCtState{states}};
}

Answer mark_target(Bytes info) {
  const auto mark = info_as<xt_mark_tginfo2>(info);
  // The kernel does mark = (mark & ~mask) ^ value, so a value outside the mask inverts bits and sets none.
  if (!mark || mark->mask == 0 || (mark->mark & ~mark->mask) != 0) {
    return std::nullopt;
  }
  return nft::SetMark{Mark{mark->mark, mark->mask}};
}

Answer tcpmss(Bytes info) {
  const auto mss = info_as<xt_tcpmss_info>(info);
  return mss && mss->mss == XT_TCPMSS_CLAMP_PMTU ? Answer(nft::ClampMss{}) : std::nullopt;
}

/// Revision 0 of SNAT and MASQUERADE: one IPv4 range, without ports and flags that would change the mapping.
std::optional<nf_nat_ipv4_range> plain_range(Bytes info, unsigned flags) {
  const auto ranges = info_as<nf_nat_ipv4_multi_range_compat>(info);
  if (!ranges || ranges->rangesize != 1 || ranges->range[0].flags != flags) {
    return std::nullopt;
  }
  return ranges->range[0];
}

Answer snat_to(IpFamily family, Bytes first, Bytes last) {
  if (!std::ranges::equal(first, last)) {
    return std::nullopt;
  }
  IpAddress to{.family = family};
  std::ranges::copy(first, to.bytes.begin());
  return nft::Snat{to};
}

Answer snat0(Bytes info) {
  const auto range = plain_range(info, NF_NAT_RANGE_MAP_IPS);
  if (!range) {
    return std::nullopt;
  }
  constexpr std::size_t kMinimum =
      offsetof(nf_nat_ipv4_multi_range_compat, range) + offsetof(nf_nat_ipv4_range, min_ip);
  constexpr std::size_t kMaximum =
      offsetof(nf_nat_ipv4_multi_range_compat, range) + offsetof(nf_nat_ipv4_range, max_ip);
  return snat_to(IpFamily::kV4, info.subspan(kMinimum, 4), info.subspan(kMaximum, 4));
}

Answer reject(Bytes info) {
  static_assert(sizeof(ipt_reject_info) == sizeof(std::uint32_t));
  const auto with = info_as<std::uint32_t>(info);  // not as its enum, which need not have the number
  // IPT_ICMP_ECHOREPLY is no refusal; the kernel has stopped taking it.
  return with && *with <= IPT_ICMP_ADMIN_PROHIBITED && *with != IPT_ICMP_ECHOREPLY ? Answer(nft::Reject{})
                                                                                   : std::nullopt;
}

}  // namespace

Matches matches_of_xt(std::string_view name, std::uint32_t revision, Bytes info) {
  if (name == "tcp" && revision == 0) {
    return tcp(info);
  }
  if (name == "mark" && revision == 1) {
    return mark_match(info);
  }
  if (name == "conntrack" && revision == 3) {
    return conntrack(info);
  }
  return std::nullopt;
}

Answer statement_of_xt(std::string_view name, std::uint32_t revision, Bytes info) {
  if (name == "MARK" && revision == 2) {
    return mark_target(info);
  }
  if (name == "TCPMSS" && revision == 0) {
    return tcpmss(info);
  }
  if (name == "SNAT" && revision == 0) {
    return snat0(info);
  }
  if (name == "MASQUERADE" && revision == 0) {
    return plain_range(info, 0) ? Answer(nft::Masquerade{}) : std::nullopt;
  }
  if (name == "REJECT" && revision == 0) {
    return reject(info);
  }
  return std::nullopt;
}

}  // namespace smtpegress::netlink
