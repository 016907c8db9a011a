// RuleWriter's look-ups in sets and maps.
#include "netlink/nft_rule_writer.hpp"

#include <linux/netfilter/nf_tables.h>

namespace smtpegress::netlink {

Result<void> RuleWriter::load_masked(const nft::MaskedAddress& address, std::uint32_t number) {
  const auto field = address_field(address.family, address.side);
  if (network_ != address.family) {
    return refused("look-up of an address", "the rule has to match this address family first");
  }
  if (address.length == 0 || address.length > field.length * 8) {
    return refused("look-up of an address", "of an address at least one bit is looked up, and at most all");
  }
  load_payload(field, number);
  if (address.length < field.length * 8) {
    const auto mask = prefix_mask(address.length);
    bitwise(Data(mask).first(field.length), Data(kZeros).first(field.length), number);
  }
  return {};
}

void RuleWriter::look_up(const std::string& name, std::uint32_t flags, std::optional<std::uint32_t> target) {
  auto* e = add("lookup");
  set(e, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
  if (e != nullptr && nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, name.c_str()) != 0) {
    complete_ = false;
  }
  if (target) {
    set(e, NFTNL_EXPR_LOOKUP_DREG, *target);
  }
  if (flags != 0) {
    set(e, NFTNL_EXPR_LOOKUP_FLAGS, flags);
  }
}

Result<void> RuleWriter::operator()(const nft::MatchSet& m) {
  if (!m.interface && !m.address) {
    return refused("@" + m.set, "a look-up is of an interface, an address, or both");
  }
  if (m.interface) {
    load_meta(*m.interface == nft::Way::kIn ? NFT_META_IIFNAME : NFT_META_OIFNAME);
  }
  if (m.address) {
    if (auto loaded = load_masked(*m.address, m.interface ? NFT_REG_2 : NFT_REG_1); !loaded) {
      return loaded;
    }
  }
  look_up(m.set, m.sense == nft::Sense::kIs ? 0 : std::uint32_t{NFT_LOOKUP_F_INV}, std::nullopt);
  return {};
}

Result<void> RuleWriter::operator()(const nft::SnatByMap& s) {
  if (auto loaded = load_masked(s.address, NFT_REG_1); !loaded) {
    return loaded;
  }
  look_up(s.map, 0, NFT_REG_1);
  auto* e = add("nat");
  set(e, NFTNL_EXPR_NAT_TYPE, NFT_NAT_SNAT);
  set(e, NFTNL_EXPR_NAT_FAMILY, s.address.family == IpFamily::kV4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
  set(e, NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1);
  return {};
}

}  // namespace smtpegress::netlink
