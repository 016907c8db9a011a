// RuleReader's statements: expressions with an effect.
#include "netlink/nft_rule_reader.hpp"

#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>

#include <algorithm>
#include <bit>
#include <utility>

namespace smtpegress::netlink {

std::optional<nft::Verdict> verdict_in(const Attributes& data) {
  const Attributes verdict(data.bytes(NFTA_DATA_VERDICT));
  const auto number = verdict.be32(NFTA_VERDICT_CODE);
  const auto chain = verdict.text(NFTA_VERDICT_CHAIN);
  const auto known = std::ranges::find_if(
      kVerdictNumbers, [&](const VerdictNumber& v) { return number == static_cast<std::uint32_t>(v.number); });
  const bool plain = data.only({NFTA_DATA_VERDICT}) && verdict.only({NFTA_VERDICT_CODE}, {NFTA_VERDICT_CHAIN}) &&
                     known != kVerdictNumbers.end();
  const bool to_chain = plain && (known->code == nft::VerdictCode::kJump || known->code == nft::VerdictCode::kGoto);
  if (!plain || to_chain != chain.has_value()) {
    return std::nullopt;
  }
  return nft::Verdict{known->code, std::string(chain.value_or(""))};
}

void RuleReader::counter(const Expression& e) {
  if (!e.data.only({}, {NFTA_COUNTER_BYTES, NFTA_COUNTER_PACKETS, NFTA_COUNTER_PAD})) {
    opaque_effect(e, "counter");
    return;
  }
  observed_.packets += e.data.be64(NFTA_COUNTER_PACKETS).value_or(0);
  observed_.bytes += e.data.be64(NFTA_COUNTER_BYTES).value_or(0);
  effect(nft::Counter{});
}

void RuleReader::verdict(const Expression& e) {
  const auto verdict = verdict_in(Attributes(e.data.bytes(NFTA_IMMEDIATE_DATA)));
  if (!verdict || !e.data.only({NFTA_IMMEDIATE_DREG, NFTA_IMMEDIATE_DATA})) {
    opaque_effect(e, "verdict");
    return;
  }
  effect(*verdict);
}

bool RuleReader::start_trace(const Expression& e) {
  Loaded* value = source(e, NFTA_META_SREG, kTraceOn.size());
  const bool plain = e.data.only({NFTA_META_KEY, NFTA_META_SREG}) && value != nullptr &&
                     value->source == Loaded::Source::kImmediate && value->mask.empty() &&
                     std::ranges::equal(value->immediate, kTraceOn);
  if (plain) {
    value->used = true;
    effect(nft::StartTrace{});
  }
  return plain;
}

void RuleReader::set_mark(const Expression& e) {
  const std::uint32_t key = e.data.be32(NFTA_META_KEY).value_or(UINT32_MAX);
  if (key == NFT_META_NFTRACE && start_trace(e)) {
    return;
  }
  Loaded* value = source(e, NFTA_META_SREG, sizeof(std::uint32_t));
  const bool plain = e.data.only({NFTA_META_KEY, NFTA_META_SREG}) && key == NFT_META_MARK && value != nullptr &&
                     value->length == sizeof(std::uint32_t);
  std::optional<Mark> mark;
  if (plain && value->source == Loaded::Source::kImmediate && value->mask.empty()) {
    mark = Mark{load_host32(value->immediate), kWholeMark};
  } else if (plain && value->source == Loaded::Source::kMeta && value->key == NFT_META_MARK && !value->mask.empty()) {
    mark = Mark{load_host32(value->flip), ~load_host32(value->mask)};
  }
  // Bits that are kept and then inverted are not "set to a value".
  if (!mark || mark->mask == 0 || (mark->value & ~mark->mask) != 0) {
    opaque_effect(e, meta_name(key) + " set");
    return;
  }
  value->used = true;
  effect(nft::SetMark{*mark});
}

/// An address whose network is replaced; any other piece of a packet stays opaque.
void RuleReader::set_payload(const Expression& e) {
  const Field field{e.data.be32(NFTA_PAYLOAD_BASE).value_or(0), e.data.be32(NFTA_PAYLOAD_OFFSET).value_or(0),
                    e.data.be32(NFTA_PAYLOAD_LEN).value_or(0)};
  Loaded* value = source(e, NFTA_PAYLOAD_SREG, field.length);
  const auto side =
      network_ && field == address_field(*network_, nft::Side::kSource) ? nft::Side::kSource : nft::Side::kDestination;
  const AddressChecksum checksum{e.data.be32(NFTA_PAYLOAD_CSUM_TYPE).value_or(0),
                                 e.data.be32(NFTA_PAYLOAD_CSUM_OFFSET).value_or(0),
                                 e.data.be32(NFTA_PAYLOAD_CSUM_FLAGS).value_or(0)};
  const bool plain = e.data.only({NFTA_PAYLOAD_SREG, NFTA_PAYLOAD_BASE, NFTA_PAYLOAD_OFFSET, NFTA_PAYLOAD_LEN,
                                  NFTA_PAYLOAD_CSUM_TYPE, NFTA_PAYLOAD_CSUM_OFFSET},
                                 {NFTA_PAYLOAD_CSUM_FLAGS}) &&
                     network_ && field == address_field(*network_, side) && checksum == address_checksum(*network_) &&
                     value != nullptr && value->source == Loaded::Source::kPayload && value->field == field &&
                     value->length == field.length && value->mask.size() == field.length;
  if (plain) {
    Prefix network{.address = {.family = *network_}};
    std::ranges::copy(value->flip, network.address.bytes.begin());
    for (const auto byte : value->mask) {
      network.length = static_cast<std::uint8_t>(network.length + std::countl_zero(byte));
    }
    // Only what keeps all bits behind the network's, and sets none of those, is a move to another network.
    const auto hosts = network.host_mask();
    const bool moves =
        std::ranges::equal(value->mask, Bytes(hosts.bytes).first(field.length)) && network.contains(network.address);
    if (moves) {
      value->used = true;
      effect(nft::SetNetwork{side, network});
      return;
    }
  }
  opaque_effect(e, "payload set");
}

void RuleReader::exthdr(const Expression& e) {
  if (!e.data.has(NFTA_EXTHDR_SREG)) {
    load_unmeasured(e, NFTA_EXTHDR_DREG);
    return;
  }
  Loaded* value = source(e, NFTA_EXTHDR_SREG, kMssOption.length);
  const bool plain =
      e.data.only({NFTA_EXTHDR_SREG, NFTA_EXTHDR_TYPE, NFTA_EXTHDR_OFFSET, NFTA_EXTHDR_LEN, NFTA_EXTHDR_OP},
                  {NFTA_EXTHDR_FLAGS}) &&
      e.data.be32(NFTA_EXTHDR_OP) == NFT_EXTHDR_OP_TCPOPT && e.data.u8(NFTA_EXTHDR_TYPE) == kMssOption.kind &&
      e.data.be32(NFTA_EXTHDR_OFFSET) == kMssOption.offset && e.data.be32(NFTA_EXTHDR_LEN) == kMssOption.length &&
      e.data.be32(NFTA_EXTHDR_FLAGS).value_or(0) == 0 && value != nullptr &&
      value->source == Loaded::Source::kRouteMss && value->swapped;
  if (!plain) {
    opaque_effect(e, "exthdr set");
    return;
  }
  value->used = true;
  effect(nft::ClampMss{});
}

void RuleReader::nat(const Expression& e) {
  const auto protocol = e.data.be32(NFTA_NAT_FAMILY);
  const IpFamily family = protocol == NFPROTO_IPV6 ? IpFamily::kV6 : IpFamily::kV4;
  const std::size_t length = address_field(family, nft::Side::kSource).length;
  Loaded* value = source(e, NFTA_NAT_REG_ADDR_MIN, length);
  const std::uint32_t flags = e.data.be32(NFTA_NAT_FLAGS).value_or(0);
  const bool plain =
      e.data.only({NFTA_NAT_TYPE, NFTA_NAT_FAMILY, NFTA_NAT_REG_ADDR_MIN}, {NFTA_NAT_REG_ADDR_MAX, NFTA_NAT_FLAGS}) &&
      e.data.be32(NFTA_NAT_TYPE) == NFT_NAT_SNAT && (protocol == NFPROTO_IPV4 || protocol == NFPROTO_IPV6) &&
      // The kernel adds NF_NAT_RANGE_MAP_IPS, and the upper end even where it is the lower one.
      (flags & ~std::uint32_t{NF_NAT_RANGE_MAP_IPS}) == 0 &&
      (!e.data.has(NFTA_NAT_REG_ADDR_MAX) ||
       e.data.be32(NFTA_NAT_REG_ADDR_MAX) == e.data.be32(NFTA_NAT_REG_ADDR_MIN)) &&
      value != nullptr && value->length == length && value->mask.empty();
  if (plain && value->source == Loaded::Source::kImmediate) {
    IpAddress to{.family = family};
    std::ranges::copy(value->immediate, to.bytes.begin());
    value->used = true;
    effect(nft::Snat{to});
  } else if (plain && value->source == Loaded::Source::kPayload && network_ == family &&
             value->field == address_field(family, nft::Side::kSource)) {
    value->used = true;
    effect(nft::Snat{});
  } else if (plain && value->source == Loaded::Source::kMapped && value->looked_up.family == family) {
    value->used = true;
    effect(nft::SnatByMap{std::string(value->map), value->looked_up});
  } else {
    opaque_effect(e, "nat");
  }
}

void RuleReader::masquerade(const Expression& e) {
  if (e.data.only({}, {NFTA_MASQ_FLAGS}) && e.data.be32(NFTA_MASQ_FLAGS).value_or(0) == 0) {
    effect(nft::Masquerade{});
  } else {
    opaque_effect(e, "masquerade");
  }
}

void RuleReader::reject(const Expression& e) {
  const RejectKind kind{e.data.be32(NFTA_REJECT_TYPE).value_or(UINT32_MAX),
                        e.data.u8(NFTA_REJECT_ICMP_CODE).value_or(0)};
  if (e.data.only({NFTA_REJECT_TYPE, NFTA_REJECT_ICMP_CODE}) && kind == admin_prohibited(family_)) {
    effect(nft::Reject{});
  } else {
    opaque_effect(e, "reject");
  }
}

void RuleReader::xt_target(const Expression& e) {
  const std::string_view name = e.data.text(NFTA_TARGET_NAME).value_or("");
  const auto revision = e.data.be32(NFTA_TARGET_REV);
  auto statement = e.data.only({NFTA_TARGET_NAME, NFTA_TARGET_REV, NFTA_TARGET_INFO}) && revision
                       ? statement_of_xt(name, *revision, e.data.bytes(NFTA_TARGET_INFO))
                       : std::nullopt;
  if (statement) {
    effect(std::move(*statement));
  } else {
    opaque_effect(e, "xt " + std::string(name));
  }
}

void RuleReader::dynset(const Expression& e) {
  // With an expression in its elements (a limit, say) it tests as well.
  if (e.data.has(NFTA_DYNSET_EXPR) || e.data.has(NFTA_DYNSET_EXPRESSIONS)) {
    opaque_test(e, "dynset");
  } else {
    opaque_effect(e, "dynset");
  }
}

void RuleReader::objref(const Expression& e) {
  const auto type = e.data.be32(NFTA_OBJREF_IMM_TYPE);
  const bool counts = type == NFT_OBJECT_COUNTER || type == NFT_OBJECT_CT_HELPER || type == NFT_OBJECT_CT_TIMEOUT ||
                      type == NFT_OBJECT_SECMARK || type == NFT_OBJECT_CT_EXPECT;
  if (counts) {
    opaque_effect(e, "objref");
  } else {
    opaque_test(e, "objref");  // a named limit or quota
  }
}

void RuleReader::other_statement(const Expression& e) {
  opaque_effect(e, std::string(e.name));
}

}  // namespace smtpegress::netlink
