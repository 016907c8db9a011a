// What a comparison with a register's content means, in the field's terms.
#include "netlink/nft_rule_reader.hpp"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <bit>

namespace smtpegress::netlink {
namespace {

using Answer = std::optional<nft::Match>;

std::optional<nft::Sense> sense_of(std::uint32_t op) {
  switch (op) {
    case NFT_CMP_EQ:
      return nft::Sense::kIs;
    case NFT_CMP_NEQ:
      return nft::Sense::kIsNot;
    default:
      return std::nullopt;
  }
}

bool all_zero(Bytes bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; });
}

bool is_masked(const Loaded& value) {
  return !value.mask.empty();
}

/// A mask that keeps some bits and inverts none, compared with a value inside it: a comparison that can hold.
bool is_plain_mask(const Loaded& value, Bytes data) {
  if (!all_zero(value.flip) || all_zero(value.mask) || data.size() != value.mask.size()) {
    return false;
  }
  for (std::size_t i = 0; i < data.size(); ++i) {
    if ((data[i] & ~value.mask[i]) != 0) {
      return false;
    }
  }
  return true;
}

Answer interface(const Loaded& value, nft::Sense sense, Bytes data) {
  const auto nul = std::ranges::find(data, std::uint8_t{0});
  const bool wildcard = nul == data.end();  // not even the name's NUL is compared: any end will do
  const bool whole_name = nul != data.begin() && all_zero(Bytes(nul, data.end()));
  if (is_masked(value) || (wildcard ? data.size() >= value.length : !whole_name)) {
    return std::nullopt;
  }
  return nft::MatchInterface{.way = value.key == NFT_META_IIFNAME ? nft::Way::kIn : nft::Way::kOut,
                             .name = {data.begin(), nul},
                             .wildcard = wildcard,
                             .sense = sense};
}

Answer nf_proto(nft::Sense sense, Bytes data) {
  if (sense != nft::Sense::kIs || (data[0] != NFPROTO_IPV4 && data[0] != NFPROTO_IPV6)) {
    return std::nullopt;
  }
  return nft::MatchNfProto{data[0] == NFPROTO_IPV4 ? IpFamily::kV4 : IpFamily::kV6};
}

Answer mark(const Loaded& value, nft::Sense sense, Bytes data) {
  if (is_masked(value) && !is_plain_mask(value, data)) {
    return std::nullopt;
  }
  const std::uint32_t mask = is_masked(value) ? load_host32(value.mask) : kWholeMark;
  return nft::MatchMark{.mark = Mark{load_host32(data), mask}, .sense = sense};
}

Answer meta(const Loaded& value, nft::Sense sense, Bytes data) {
  switch (value.key) {
    case NFT_META_IIFNAME:
    case NFT_META_OIFNAME:
      return interface(value, sense, data);
    case NFT_META_MARK:
      return data.size() == value.length ? mark(value, sense, data) : std::nullopt;
    case NFT_META_SKUID:
      return is_masked(value) || data.size() != value.length
                 ? std::nullopt
                 : Answer(nft::MatchSkuid{.uid = load_host32(data), .sense = sense});
    case NFT_META_NFPROTO:
      return is_masked(value) ? std::nullopt : nf_proto(sense, data);
    case NFT_META_L4PROTO:
      return is_masked(value) ? std::nullopt : Answer(nft::MatchL4Proto{.protocol = data[0], .sense = sense});
    default:
      return std::nullopt;
  }
}

Answer address(const Loaded& value, nft::Sense sense, Bytes data, IpFamily family) {
  for (const auto side : {nft::Side::kSource, nft::Side::kDestination}) {
    const Field whole = address_field(family, side);
    if (value.field.offset != whole.offset || value.field.length > whole.length) {
      continue;
    }
    std::optional<std::uint8_t> length = static_cast<std::uint8_t>(8 * value.field.length);  // bits
    if (is_masked(value)) {
      length = prefix_length(value.mask);
      // A mask of zeros is the prefix of length 0, so is_plain_mask() has no say there.
      if (length && (*length == 0 ? !all_zero(value.flip) || !all_zero(data) : !is_plain_mask(value, data))) {
        return std::nullopt;
      }
    }
    if (!length) {
      return std::nullopt;
    }
    nft::MatchAddress match{.side = side, .prefix = {IpAddress{.family = family}, *length}, .sense = sense};
    std::ranges::copy(data, match.prefix.address.bytes.begin());
    return match;
  }
  return std::nullopt;
}

Answer network_header(const Loaded& value, nft::Sense sense, Bytes data, std::optional<IpFamily> family) {
  if (!family) {
    return std::nullopt;  // the same bytes mean one thing in IPv4 and another in IPv6
  }
  if (family == IpFamily::kV4 && value.field == kIp4Protocol && !is_masked(value)) {
    return nft::MatchL4Proto{.protocol = data[0], .sense = sense};
  }
  return address(value, sense, data, *family);
}

Answer port(const Loaded& value, std::uint32_t op, Bytes data) {
  nft::MatchPort match{.side = value.field == kSourcePort ? nft::Side::kSource : nft::Side::kDestination, .ports = {}};
  match.ports.last = load_be16(data);
  if (value.at_least) {
    match.ports.first = *value.at_least;
    return op == NFT_CMP_LTE && match.ports.first <= match.ports.last ? Answer(match) : std::nullopt;
  }
  match.ports.first = match.ports.last;
  const auto sense = sense_of(op);
  match.sense = sense.value_or(nft::Sense::kIs);
  return sense ? Answer(match) : std::nullopt;
}

Answer tcp_flags(const Loaded& value, nft::Sense sense, Bytes data) {
  if (is_masked(value) && !is_plain_mask(value, data)) {
    return std::nullopt;
  }
  const std::uint8_t mask = is_masked(value) ? value.mask[0] : std::uint8_t{0xff};
  return nft::MatchTcpFlags{.mask = mask, .value = data[0], .sense = sense};
}

Answer payload(const Loaded& value, std::uint32_t op, Bytes data, std::optional<IpFamily> family) {
  if (data.size() != value.length) {
    return std::nullopt;
  }
  if ((value.field == kSourcePort || value.field == kDestinationPort) && !is_masked(value)) {
    return port(value, op, data);
  }
  const auto sense = sense_of(op);
  if (!sense) {
    return std::nullopt;
  }
  if (value.field == kTcpFlags) {
    return tcp_flags(value, *sense, data);
  }
  return value.field.base == NFT_PAYLOAD_NETWORK_HEADER ? network_header(value, *sense, data, family) : std::nullopt;
}

Answer conntrack(const Loaded& value, nft::Sense sense, Bytes data) {
  if (data.size() != value.length) {
    return std::nullopt;
  }
  if (value.key == NFT_CT_STATE && is_masked(value) && all_zero(value.flip) && all_zero(data) &&
      sense == nft::Sense::kIsNot) {
    return nft::MatchCtState{load_host32(value.mask)};
  }
  const bool tests_dnat = value.key == NFT_CT_STATUS && is_masked(value) && load_host32(value.mask) == IPS_DST_NAT;
  if (tests_dnat && all_zero(value.flip) && all_zero(data)) {
    return nft::MatchCtDnat{nft::opposite(sense)};
  }
  if (value.key == NFT_CT_DIRECTION && !is_masked(value) && sense == nft::Sense::kIs && data[0] <= 1) {
    return nft::MatchCtDirection{data[0] == 0 ? nft::CtDirection::kOriginal : nft::CtDirection::kReply};
  }
  return std::nullopt;
}

/// Compared with "none" (0), or where it is asked for no more than that, with "there is one" (1).
Answer reverse_path(const Loaded& value, nft::Sense sense, Bytes data) {
  if (is_masked(value) || data.size() != value.length) {
    return std::nullopt;
  }
  const auto number = load_host32(data);
  if (number > ((value.key & NFTA_FIB_F_PRESENT) != 0 ? 1U : 0U)) {
    return std::nullopt;
  }
  const bool exists = (sense == nft::Sense::kIs) == (number == 1);
  return nft::MatchReversePath{(value.key & NFTA_FIB_F_MARK) != 0, exists ? nft::Sense::kIs : nft::Sense::kIsNot};
}

}  // namespace

std::optional<std::uint8_t> prefix_length(Bytes mask) {
  unsigned bits = 0;
  for (const auto byte : mask) {
    bits += static_cast<unsigned>(std::popcount(byte));
  }
  const auto expected = prefix_mask(bits);
  return std::ranges::equal(mask, Bytes(expected).first(mask.size())) ? std::optional(static_cast<std::uint8_t>(bits))
                                                                      : std::nullopt;
}

std::optional<nft::Match> match_of_compare(const Loaded& value, std::uint32_t op, Bytes data,
                                           std::optional<IpFamily> network) {
  if (value.source == Loaded::Source::kPayload) {
    return payload(value, op, data, network);
  }
  const auto sense = sense_of(op);
  if (!sense) {
    return std::nullopt;
  }
  switch (value.source) {
    case Loaded::Source::kMeta:
      return meta(value, *sense, data);
    case Loaded::Source::kConntrack:
      return conntrack(value, *sense, data);
    case Loaded::Source::kReversePath:
      return reverse_path(value, *sense, data);
    case Loaded::Source::kPayload:
    case Loaded::Source::kRouteMss:
    case Loaded::Source::kImmediate:
    case Loaded::Source::kMapped:
    case Loaded::Source::kOther:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace smtpegress::netlink
