// RuleReader's loads: expressions that put something into a register.
#include "netlink/nft_rule_reader.hpp"

#include <linux/netfilter/nf_tables.h>

#include <array>
#include <utility>

namespace smtpegress::netlink {
namespace {

// enum nft_meta_keys and nft_ct_keys, in nft's words; for messages only.
constexpr std::array<std::string_view, 21> kMetaNames{
    "length",  "protocol", "priority", "mark",    "iif",     "oif",     "iifname",
    "oifname", "iiftype",  "oiftype",  "skuid",   "skgid",   "nftrace", "rtclassid",
    "secmark", "nfproto",  "l4proto",  "ibrname", "obrname", "pkttype", "cpu"};
constexpr std::array<std::string_view, 14> kConntrackNames{"state",      "direction", "status",    "mark",  "secmark",
                                                           "expiration", "helper",    "l3proto",   "saddr", "daddr",
                                                           "protocol",   "proto-src", "proto-dst", "label"};

template <std::size_t N>
std::string name_of_key(std::string_view expression, const std::array<std::string_view, N>& names, std::uint32_t key) {
  return std::string(expression) + " " + (key < N ? std::string(names.at(key)) : std::to_string(key));
}

/// Bytes that a meta key fills; nothing for keys that are not matched on here.
std::optional<std::size_t> meta_length(std::uint32_t key) {
  switch (key) {
    case NFT_META_IIFNAME:
    case NFT_META_OIFNAME:
      return 16;  // IFNAMSIZ, linux/if.h
    case NFT_META_MARK:
    case NFT_META_SKUID:
      return 4;
    case NFT_META_PROTOCOL:
      return 2;
    case NFT_META_NFPROTO:
    case NFT_META_L4PROTO:
      return 1;
    default:
      return std::nullopt;
  }
}

std::optional<std::size_t> conntrack_length(std::uint32_t key) {
  switch (key) {
    case NFT_CT_STATE:
    case NFT_CT_STATUS:
      return 4;
    case NFT_CT_DIRECTION:
      return 1;
    default:
      return std::nullopt;
  }
}

}  // namespace

std::string Loaded::what() const {
  if (expression == "meta") {
    return meta_name(key);
  }
  return expression == "ct" ? conntrack_name(key) : std::string(expression);
}

std::string meta_name(std::uint32_t key) {
  return name_of_key("meta", kMetaNames, key);
}
std::string conntrack_name(std::uint32_t key) {
  return name_of_key("ct", kConntrackNames, key);
}

void RuleReader::meta(const Expression& e) {
  const std::uint32_t key = e.data.be32(NFTA_META_KEY).value_or(UINT32_MAX);
  if (e.data.has(NFTA_META_SREG)) {
    set_mark(e);
    return;
  }
  const auto number = e.data.be32(NFTA_META_DREG);
  const auto length = meta_length(key);
  if (!number || !length || !e.data.only({NFTA_META_KEY, NFTA_META_DREG})) {
    load_unmeasured(e, NFTA_META_DREG, key);
    return;
  }
  load(*number, Loaded{.source = Loaded::Source::kMeta, .expression = e.name, .key = key, .length = *length}, e.raw);
}

void RuleReader::payload(const Expression& e) {
  if (e.data.has(NFTA_PAYLOAD_SREG)) {
    set_payload(e);
    return;
  }
  const auto number = e.data.be32(NFTA_PAYLOAD_DREG);
  const auto base = e.data.be32(NFTA_PAYLOAD_BASE);
  const auto offset = e.data.be32(NFTA_PAYLOAD_OFFSET);
  const auto length = e.data.be32(NFTA_PAYLOAD_LEN);
  const bool plain = e.data.only({NFTA_PAYLOAD_DREG, NFTA_PAYLOAD_BASE, NFTA_PAYLOAD_OFFSET, NFTA_PAYLOAD_LEN}) &&
                     number && base && offset && length && *length >= 1 && *length <= NFT_REG_SIZE;
  if (!plain) {
    load_unmeasured(e, NFTA_PAYLOAD_DREG);
    return;
  }
  load(*number,
       Loaded{.source = Loaded::Source::kPayload,
              .expression = e.name,
              .field = Field{*base, *offset, *length},
              .length = *length},
       e.raw);
}

void RuleReader::conntrack(const Expression& e) {
  const std::uint32_t key = e.data.be32(NFTA_CT_KEY).value_or(UINT32_MAX);
  if (e.data.has(NFTA_CT_SREG)) {
    opaque_effect(e, conntrack_name(key) + " set");
    return;
  }
  const auto number = e.data.be32(NFTA_CT_DREG);
  const auto length = conntrack_length(key);
  if (!number || !length || !e.data.only({NFTA_CT_KEY, NFTA_CT_DREG})) {
    load_unmeasured(e, NFTA_CT_DREG, key);
    return;
  }
  load(*number, Loaded{.source = Loaded::Source::kConntrack, .expression = e.name, .key = key, .length = *length},
       e.raw);
}

void RuleReader::route(const Expression& e) {
  const auto number = e.data.be32(NFTA_RT_DREG);
  if (!number || e.data.be32(NFTA_RT_KEY) != NFT_RT_TCPMSS || !e.data.only({NFTA_RT_KEY, NFTA_RT_DREG})) {
    load_unmeasured(e, NFTA_RT_DREG);
    return;
  }
  load(*number, Loaded{.source = Loaded::Source::kRouteMss, .expression = "rt mtu", .length = kMssOption.length},
       e.raw);
}

void RuleReader::immediate(const Expression& e) {
  const auto number = e.data.be32(NFTA_IMMEDIATE_DREG);
  if (number == NFT_REG_VERDICT) {
    verdict(e);
    return;
  }
  const Bytes value = data_value(e.data, NFTA_IMMEDIATE_DATA);
  if (!number || value.empty() || !e.data.only({NFTA_IMMEDIATE_DREG, NFTA_IMMEDIATE_DATA})) {
    load_unmeasured(e, NFTA_IMMEDIATE_DREG);
    return;
  }
  load(*number,
       Loaded{.source = Loaded::Source::kImmediate, .expression = e.name, .immediate = value, .length = value.size()},
       e.raw);
}

void RuleReader::bitwise(const Expression& e) {
  const auto target = e.data.be32(NFTA_BITWISE_DREG);
  const Bytes mask = data_value(e.data, NFTA_BITWISE_MASK);
  const Bytes flip = data_value(e.data, NFTA_BITWISE_XOR);
  Loaded* from = source(e, NFTA_BITWISE_SREG, mask.size());
  const bool plain =
      e.data.only({NFTA_BITWISE_SREG, NFTA_BITWISE_DREG, NFTA_BITWISE_LEN, NFTA_BITWISE_MASK, NFTA_BITWISE_XOR},
                  {NFTA_BITWISE_OP}) &&
      (!e.data.has(NFTA_BITWISE_OP) || e.data.be32(NFTA_BITWISE_OP) == NFT_BITWISE_MASK_XOR) && target &&
      !mask.empty() && flip.size() == mask.size() && e.data.be32(NFTA_BITWISE_LEN) == mask.size() && from != nullptr &&
      from->length == mask.size() && from->mask.empty() && !from->at_least && !from->swapped;
  if (!plain) {
    derive_unmeasured(e, NFTA_BITWISE_SREG, NFTA_BITWISE_DREG);
    return;
  }
  from->used = true;
  Loaded masked = *from;
  masked.used = false;
  masked.mask = mask;
  masked.flip = flip;
  load(*target, std::move(masked), e.raw);
}

void RuleReader::byteorder(const Expression& e) {
  const auto target = e.data.be32(NFTA_BYTEORDER_DREG);
  Loaded* from = source(e, NFTA_BYTEORDER_SREG, kMssOption.length);
  const bool plain = e.data.only({NFTA_BYTEORDER_SREG, NFTA_BYTEORDER_DREG, NFTA_BYTEORDER_OP, NFTA_BYTEORDER_LEN,
                                  NFTA_BYTEORDER_SIZE}) &&
                     target && e.data.be32(NFTA_BYTEORDER_OP) == NFT_BYTEORDER_HTON &&
                     e.data.be32(NFTA_BYTEORDER_LEN) == kMssOption.length &&
                     e.data.be32(NFTA_BYTEORDER_SIZE) == kMssOption.length && from != nullptr &&
                     from->source == Loaded::Source::kRouteMss && from->mask.empty() && !from->swapped;
  if (!plain) {
    derive_unmeasured(e, NFTA_BYTEORDER_SREG, NFTA_BYTEORDER_DREG);
    return;
  }
  from->used = true;
  Loaded swapped = *from;
  swapped.used = false;
  swapped.swapped = true;
  load(*target, std::move(swapped), e.raw);
}

/// The way back by the interface that the packet came in by: whether there is one, or that interface's index.
void RuleReader::fib(const Expression& e) {
  constexpr std::uint32_t kNeeded = NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF;
  const auto number = e.data.be32(NFTA_FIB_DREG);
  const auto flags = e.data.be32(NFTA_FIB_FLAGS).value_or(0);
  const bool plain = e.data.only({NFTA_FIB_DREG, NFTA_FIB_RESULT, NFTA_FIB_FLAGS}) && number &&
                     e.data.be32(NFTA_FIB_RESULT) == NFT_FIB_RESULT_OIF && (flags & kNeeded) == kNeeded &&
                     (flags & ~(kNeeded | NFTA_FIB_F_MARK | NFTA_FIB_F_PRESENT)) == 0;
  if (!plain) {
    load_unmeasured(e, NFTA_FIB_DREG);
    return;
  }
  load(*number,
       Loaded{
           .source = Loaded::Source::kReversePath, .expression = e.name, .key = flags, .length = sizeof(std::uint32_t)},
       e.raw);
}

/// Loads whose register attribute differs from one expression to the next: none of them is read here.
void RuleReader::other_load(const Expression& e) {
  read_unknown(std::string(e.name), e.raw);
}

}  // namespace smtpegress::netlink
