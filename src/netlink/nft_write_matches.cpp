// RuleWriter's expressions and matches.
#include "netlink/nft_rule_writer.hpp"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <net/if.h>

#include <algorithm>
#include <cstring>

#include "netlink/attributes.hpp"

namespace smtpegress::netlink {

std::array<std::uint8_t, 4> host_bytes(std::uint32_t value) {
  std::array<std::uint8_t, 4> bytes{};
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

nftnl_expr* RuleWriter::add(const char* name) {
  nftnl_expr* expression = nftnl_expr_alloc(name);
  if (expression == nullptr) {
    complete_ = false;
    return nullptr;
  }
  nftnl_rule_add_expr(rule_, expression);  // the rule owns it now
  return expression;
}

void RuleWriter::load_meta(std::uint32_t key) {
  auto* e = add("meta");
  set(e, NFTNL_EXPR_META_KEY, key);
  set(e, NFTNL_EXPR_META_DREG, NFT_REG_1);
}

void RuleWriter::load_payload(Field field, std::uint32_t number) {
  auto* e = add("payload");
  set(e, NFTNL_EXPR_PAYLOAD_DREG, number);
  set(e, NFTNL_EXPR_PAYLOAD_BASE, field.base);
  set(e, NFTNL_EXPR_PAYLOAD_OFFSET, field.offset);
  set(e, NFTNL_EXPR_PAYLOAD_LEN, field.length);
}

void RuleWriter::load_ct(std::uint32_t key) {
  auto* e = add("ct");
  set(e, NFTNL_EXPR_CT_KEY, key);
  set(e, NFTNL_EXPR_CT_DREG, NFT_REG_1);
}

void RuleWriter::load_immediate(Data data) {
  auto* e = add("immediate");
  set(e, NFTNL_EXPR_IMM_DREG, NFT_REG_1);
  set(e, NFTNL_EXPR_IMM_DATA, data);
}

void RuleWriter::bitwise(Data mask, Data flip, std::uint32_t number) {
  auto* e = add("bitwise");
  set(e, NFTNL_EXPR_BITWISE_SREG, number);
  set(e, NFTNL_EXPR_BITWISE_DREG, number);
  set(e, NFTNL_EXPR_BITWISE_LEN, static_cast<std::uint32_t>(mask.size()));
  set(e, NFTNL_EXPR_BITWISE_MASK, mask);
  set(e, NFTNL_EXPR_BITWISE_XOR, flip);
}

void RuleWriter::compare(std::uint32_t op, Data data) {
  auto* e = add("cmp");
  set(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
  set(e, NFTNL_EXPR_CMP_OP, op);
  set(e, NFTNL_EXPR_CMP_DATA, data);
}

Result<void> RuleWriter::operator()(const nft::MatchInterface& m) {
  if (m.name.empty() || m.name.size() >= IFNAMSIZ || m.name.find('\0') != std::string::npos) {
    return refused(m.name, "an interface name has 1 to 15 bytes");
  }
  load_meta(m.way == nft::Way::kIn ? NFT_META_IIFNAME : NFT_META_OIFNAME);
  std::array<std::uint8_t, IFNAMSIZ> name{};
  std::ranges::copy(m.name, name.begin());
  // A name compares with its padding; the beginning of one without even its NUL, so that any end will do.
  compare(m.sense, Data(name).first(m.wildcard ? m.name.size() : name.size()));
  return {};
}

Result<void> RuleWriter::operator()(const nft::MatchNfProto& m) {
  network_ = m.family;
  load_meta(NFT_META_NFPROTO);
  const std::array<std::uint8_t, 1> family{m.family == IpFamily::kV4 ? std::uint8_t{NFPROTO_IPV4}
                                                                     : std::uint8_t{NFPROTO_IPV6}};
  compare(nft::Sense::kIs, family);
  return {};
}

Result<void> RuleWriter::operator()(const nft::MatchAddress& m) {
  const auto& [address, bits] = m.prefix;
  if (bits > address.size() * 8) {
    return refused(m.prefix.to_string(), "the prefix is longer than the address");
  }
  if (network_ != address.family) {
    return refused(m.prefix.to_string(), "the rule has to match this address family before the address");
  }
  Field field = address_field(address.family, m.side);
  // Whole bytes are compared as they are; nft and iptables do the same, and read nothing else as a prefix of that
  // length.
  const bool by_bytes = bits != 0 && bits % 8 == 0;
  const std::size_t length = by_bytes ? bits / 8U : address.size();
  field.length = static_cast<std::uint32_t>(length);
  load_payload(field);
  if (!by_bytes) {
    const auto mask = prefix_mask(bits);
    bitwise(Data(mask).first(length), Data(kZeros).first(length));
  }
  compare(m.sense, Data(address.bytes).first(length));
  return {};
}

Result<void> RuleWriter::operator()(const nft::MatchL4Proto& m) {
  load_meta(NFT_META_L4PROTO);
  compare(m.sense, std::array{m.protocol});
  return {};
}

Result<void> RuleWriter::operator()(const nft::MatchPort& m) {
  if (m.ports.first > m.ports.last) {
    return refused(m.ports.to_string(), "a port range goes from its lower to its higher end");
  }
  load_payload(m.side == nft::Side::kSource ? kSourcePort : kDestinationPort);
  const auto first = be16_bytes(m.ports.first);
  const auto last = be16_bytes(m.ports.last);
  if (m.ports.first == m.ports.last) {
    compare(m.sense, first);
  } else if (m.sense == nft::Sense::kIs) {
    compare(NFT_CMP_GTE, first);
    compare(NFT_CMP_LTE, last);
  } else {
    auto* e = add("range");
    set(e, NFTNL_EXPR_RANGE_SREG, NFT_REG_1);
    set(e, NFTNL_EXPR_RANGE_OP, NFT_RANGE_NEQ);
    set(e, NFTNL_EXPR_RANGE_FROM_DATA, first);
    set(e, NFTNL_EXPR_RANGE_TO_DATA, last);
  }
  return {};
}

Result<void> RuleWriter::operator()(const nft::MatchTcpFlags& m) {
  if ((m.value & ~m.mask) != 0 || m.mask == 0) {
    return refused("tcp flags", "the value has to lie within a mask that is not zero");
  }
  load_payload(kTcpFlags);
  bitwise(std::array{m.mask}, Data(kZeros).first(1));
  compare(m.sense, std::array{m.value});
  return {};
}

Result<void> RuleWriter::operator()(const nft::MatchMark& m) {
  if ((m.mark.value & ~m.mark.mask) != 0 || m.mark.mask == 0) {
    return refused("meta mark", "the value has to lie within a mask that is not zero");
  }
  load_meta(NFT_META_MARK);
  if (m.mark.mask != kWholeMark) {
    bitwise(host_bytes(m.mark.mask), Data(kZeros).first(4));
  }
  compare(m.sense, host_bytes(m.mark.value));
  return {};
}

Result<void> RuleWriter::operator()(const nft::MatchSkuid& m) {
  load_meta(NFT_META_SKUID);
  compare(m.sense, host_bytes(m.uid));
  return {};
}

Result<void> RuleWriter::operator()(const nft::MatchCtState& m) {
  load_ct(NFT_CT_STATE);
  bitwise(host_bytes(m.states), Data(kZeros).first(4));
  compare(nft::Sense::kIsNot, Data(kZeros).first(4));
  return {};
}

Result<void> RuleWriter::operator()(const nft::MatchCtDirection& m) {
  load_ct(NFT_CT_DIRECTION);
  compare(nft::Sense::kIs, std::array{static_cast<std::uint8_t>(m.direction)});
  return {};
}

Result<void> RuleWriter::operator()(const nft::MatchCtDnat& m) {
  load_ct(NFT_CT_STATUS);
  bitwise(host_bytes(IPS_DST_NAT), Data(kZeros).first(4));
  compare(nft::opposite(m.sense), Data(kZeros).first(4));
  return {};
}

Result<void> RuleWriter::operator()(const nft::MatchReversePath& m) {
  auto* e = add("fib");
  set(e, NFTNL_EXPR_FIB_DREG, NFT_REG_1);
  set(e, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_OIF);
  set(e, NFTNL_EXPR_FIB_FLAGS,
      NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF | NFTA_FIB_F_PRESENT | (m.by_mark ? std::uint32_t{NFTA_FIB_F_MARK} : 0U));
  compare(m.sense, host_bytes(1));
  return {};
}

}  // namespace smtpegress::netlink
