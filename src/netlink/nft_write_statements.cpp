// RuleWriter's statements.
#include "netlink/nft_rule_writer.hpp"

#include <linux/netfilter/nf_tables.h>

namespace smtpegress::netlink {

Result<void> RuleWriter::operator()(const nft::Counter&) {
  add("counter");
  return {};
}

Result<void> RuleWriter::operator()(const nft::Verdict& s) {
  const bool to_chain = s.code == nft::VerdictCode::kJump || s.code == nft::VerdictCode::kGoto;
  if (to_chain == s.chain.empty()) {
    return refused("verdict", "jump and goto name a chain, other verdicts do not");
  }
  if (s.chain.find('\0') != std::string::npos) {
    return refused("verdict", "a chain's name ends where its first NUL stands");
  }
  auto* e = add("immediate");
  set(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
  set(e, NFTNL_EXPR_IMM_VERDICT, static_cast<std::uint32_t>(kernel_verdict(s.code)));
  if (to_chain && e != nullptr && nftnl_expr_set_str(e, NFTNL_EXPR_IMM_CHAIN, s.chain.c_str()) != 0) {
    complete_ = false;
  }
  return {};
}

Result<void> RuleWriter::operator()(const nft::SetMark& s) {
  if ((s.mark.value & ~s.mark.mask) != 0 || s.mark.mask == 0) {
    return refused("meta mark set", "the value has to lie within a mask that is not zero");
  }
  if (s.mark.mask == kWholeMark) {
    load_immediate(host_bytes(s.mark.value));
  } else {
    load_meta(NFT_META_MARK);
    bitwise(host_bytes(~s.mark.mask), host_bytes(s.mark.value));
  }
  auto* e = add("meta");
  set(e, NFTNL_EXPR_META_KEY, NFT_META_MARK);
  set(e, NFTNL_EXPR_META_SREG, NFT_REG_1);
  return {};
}

Result<void> RuleWriter::operator()(const nft::ClampMss&) {
  auto* route = add("rt");
  set(route, NFTNL_EXPR_RT_KEY, NFT_RT_TCPMSS);
  set(route, NFTNL_EXPR_RT_DREG, NFT_REG_1);
  auto* swap = add("byteorder");
  set(swap, NFTNL_EXPR_BYTEORDER_SREG, NFT_REG_1);
  set(swap, NFTNL_EXPR_BYTEORDER_DREG, NFT_REG_1);
  set(swap, NFTNL_EXPR_BYTEORDER_OP, NFT_BYTEORDER_HTON);
  set(swap, NFTNL_EXPR_BYTEORDER_LEN, kMssOption.length);
  set(swap, NFTNL_EXPR_BYTEORDER_SIZE, kMssOption.length);
  auto* option = add("exthdr");
  if (option != nullptr) {
    nftnl_expr_set_u8(option, NFTNL_EXPR_EXTHDR_TYPE, kMssOption.kind);
  }
  set(option, NFTNL_EXPR_EXTHDR_SREG, NFT_REG_1);
  set(option, NFTNL_EXPR_EXTHDR_OFFSET, kMssOption.offset);
  set(option, NFTNL_EXPR_EXTHDR_LEN, kMssOption.length);
  set(option, NFTNL_EXPR_EXTHDR_OP, NFT_EXTHDR_OP_TCPOPT);
  return {};
}

Result<void> RuleWriter::operator()(const nft::Snat& s) {
  const auto family = s.to ? std::optional(s.to->family) : network_;
  if (!family) {
    return refused("snat to ip saddr", "the rule has to match the address family first");
  }
  if (s.to) {
    load_immediate(Data(s.to->bytes).first(s.to->size()));
  } else {
    load_payload(address_field(*family, nft::Side::kSource));
  }
  auto* e = add("nat");
  set(e, NFTNL_EXPR_NAT_TYPE, NFT_NAT_SNAT);
  set(e, NFTNL_EXPR_NAT_FAMILY, *family == IpFamily::kV4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
  set(e, NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1);
  return {};
}

Result<void> RuleWriter::operator()(const nft::Masquerade&) {
  add("masq");
  return {};
}

Result<void> RuleWriter::operator()(const nft::Reject&) {
  const auto how = admin_prohibited(chain_.table.family);
  if (!how) {
    return refused("reject", "it is for tables of family inet, ip and ip6");
  }
  auto* e = add("reject");
  set(e, NFTNL_EXPR_REJECT_TYPE, how->type);
  if (e != nullptr) {
    nftnl_expr_set_u8(e, NFTNL_EXPR_REJECT_CODE, how->code);
  }
  return {};
}

Result<void> RuleWriter::operator()(const nft::SetNetwork& s) {
  const auto family = s.network.address.family;
  if (network_ != family) {
    return refused(nft::to_string(nft::Rule{{}, {s}, {}}), "the rule has to match this address family first");
  }
  const auto field = address_field(family, s.side);
  load_payload(field);
  const auto hosts = s.network.host_mask();
  bitwise(Data(hosts.bytes).first(hosts.size()), Data(s.network.address.bytes).first(hosts.size()));
  const auto checksum = address_checksum(family);
  auto* e = add("payload");
  set(e, NFTNL_EXPR_PAYLOAD_SREG, NFT_REG_1);
  set(e, NFTNL_EXPR_PAYLOAD_BASE, field.base);
  set(e, NFTNL_EXPR_PAYLOAD_OFFSET, field.offset);
  set(e, NFTNL_EXPR_PAYLOAD_LEN, field.length);
  set(e, NFTNL_EXPR_PAYLOAD_CSUM_TYPE, checksum.type);
  set(e, NFTNL_EXPR_PAYLOAD_CSUM_OFFSET, checksum.offset);
  set(e, NFTNL_EXPR_PAYLOAD_FLAGS, checksum.flags);
  return {};
}

Result<void> RuleWriter::operator()(const nft::StartTrace&) {
  load_immediate(kTraceOn);
  auto* e = add("meta");
  set(e, NFTNL_EXPR_META_KEY, NFT_META_NFTRACE);
  set(e, NFTNL_EXPR_META_SREG, NFT_REG_1);
  return {};
}

}  // namespace smtpegress::netlink
