// RuleReader's look-ups in the named sets and maps of our own tables.
#include "netlink/nft_rule_reader.hpp"

#include <linux/netfilter/nf_tables.h>

#include <algorithm>

namespace smtpegress::netlink {
namespace {

bool is_name_of_interface(const Loaded& value) {
  return value.source == Loaded::Source::kMeta && value.mask.empty() &&
         (value.key == NFT_META_IIFNAME || value.key == NFT_META_OIFNAME);
}

}  // namespace

std::optional<nft::MaskedAddress> RuleReader::masked_address(const Loaded& value) const {
  if (!network_ || value.source != Loaded::Source::kPayload || value.at_least || value.swapped) {
    return std::nullopt;
  }
  for (const auto side : {nft::Side::kSource, nft::Side::kDestination}) {
    const auto field = address_field(*network_, side);
    if (value.field != field) {
      continue;
    }
    const auto length =
        value.mask.empty() ? std::optional(static_cast<std::uint8_t>(field.length * 8)) : prefix_length(value.mask);
    const bool keeps = length && *length != 0 && std::ranges::all_of(value.flip, [](auto byte) { return byte == 0; });
    return keeps ? std::optional(nft::MaskedAddress{side, *network_, *length}) : std::nullopt;
  }
  return std::nullopt;
}

bool RuleReader::own_lookup(const Expression& e) {
  const auto number = e.data.be32(NFTA_LOOKUP_SREG);
  const auto set = e.data.text(NFTA_LOOKUP_SET);
  const auto flags = e.data.be32(NFTA_LOOKUP_FLAGS).value_or(0);
  Loaded* first = source(e, NFTA_LOOKUP_SREG, 0);
  const bool plain =
      number && set && first != nullptr && !first->used && (flags & ~std::uint32_t{NFT_LOOKUP_F_INV}) == 0 &&
      e.data.only({NFTA_LOOKUP_SET, NFTA_LOOKUP_SREG}, {NFTA_LOOKUP_SET_ID, NFTA_LOOKUP_FLAGS, NFTA_LOOKUP_DREG});
  if (!plain) {
    return false;
  }
  if (const auto target = e.data.be32(NFTA_LOOKUP_DREG)) {
    const auto address = masked_address(*first);
    if (!address || flags != 0 || *target == NFT_REG_VERDICT) {
      return false;
    }
    first->used = true;
    Loaded mapped{.source = Loaded::Source::kMapped,
                  .expression = e.name,
                  .length = first->field.length,
                  .map = *set,
                  .looked_up = *address,
                  .pieces = first->pieces};
    load(*target, std::move(mapped), e.raw);
    return true;
  }
  nft::MatchSet match{.set = std::string(*set),
                      .interface = {},
                      .address = {},
                      .sense = flags == 0 ? nft::Sense::kIs : nft::Sense::kIsNot};
  Loaded* second = nullptr;
  if (is_name_of_interface(*first)) {
    match.interface = first->key == NFT_META_IIFNAME ? nft::Way::kIn : nft::Way::kOut;
    // A key's parts lie behind one another, in words of four bytes.
    const auto next = NFT_REG32_00 + *Registers::word_of(*number) + first->length / NFT_REG32_SIZE;
    second = registers_.find(static_cast<std::uint32_t>(next), 0);
    second = second != nullptr && !second->used ? second : nullptr;
  }
  const Loaded* address = match.interface ? second : first;
  match.address = address != nullptr ? masked_address(*address) : std::nullopt;
  const bool is_key = address != nullptr ? match.address.has_value() : match.interface.has_value();
  if (!is_key || !add_match(std::move(match))) {
    return false;
  }
  first->used = true;
  if (second != nullptr) {
    second->used = true;
  }
  return true;
}

}  // namespace smtpegress::netlink
