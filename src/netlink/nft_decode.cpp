// Messages of nf_tables dumps.
#include "netlink/nft_codec.hpp"

#include <libnftnl/udata.h>
#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "netlink/attributes.hpp"
#include "netlink/nft_rule_reader.hpp"

namespace smtpegress::netlink {
namespace {

std::unexpected<Error> malformed(const char* what) {
  return system_error("read ruleset", what, EBADMSG, {},
                      "the kernel sent a message without what every message of its kind has");
}

/// The family, as the kernel says it: a value that nft::Family has no name for stays what it is.
nft::Family family_of(const nlmsghdr* message) {
  nfgenmsg header{};
  const Bytes body = message_payload(message, 0);
  if (body.size() >= sizeof header) {
    std::memcpy(&header, body.data(), sizeof header);
  }
  // NOLINTNEXTLINE(clang-analyzer-optin.core.EnumCastOutOfRange): a family of the future is to be kept
  return static_cast<nft::Family>(header.nfgen_family);
}

Attributes attributes_of(const nlmsghdr* message) {
  return Attributes(message_payload(message, sizeof(nfgenmsg)));
}

nft::ChainType chain_type_of(std::string_view type) {
  if (type == "nat") {
    return nft::ChainType::kNat;
  }
  return type == "route" ? nft::ChainType::kRoute : nft::ChainType::kFilter;  // the kernel has no fourth
}

std::optional<nft::BaseHook> base_hook_of(nft::Family family, const Attributes& chain) {
  if (!chain.has(NFTA_CHAIN_HOOK)) {
    return std::nullopt;
  }
  const Attributes hook(chain.bytes(NFTA_CHAIN_HOOK));
  nft::BaseHook base;
  // A hook of the future stays one, however large its number.
  const std::uint32_t number = std::min<std::uint32_t>(hook.be32(NFTA_HOOK_HOOKNUM).value_or(0), UINT8_MAX);
  base.hook = static_cast<nft::Hook>(number);
  if (family == nft::Family::kNetdev) {
    base.hook = number == NF_NETDEV_INGRESS ? nft::Hook::kIngress : nft::Hook::kEgress;
  }
  base.priority = static_cast<std::int32_t>(hook.be32(NFTA_HOOK_PRIORITY).value_or(0));
  base.policy = chain.be32(NFTA_CHAIN_POLICY) == static_cast<std::uint32_t>(nft::Policy::kDrop) ? nft::Policy::kDrop
                                                                                                : nft::Policy::kAccept;
  base.type = chain_type_of(chain.text(NFTA_CHAIN_TYPE).value_or(""));
  return base;
}

/// NFTA_DEVICE_PREFIX of Linux 6.16, after NFTA_DEVICE_NAME: the beginning of a name.
constexpr std::uint16_t kDevicePrefix = 2;

/// One interface, or a list of them.
std::vector<nft::MatchInterface> devices_of(const Attributes& chain) {
  std::vector<nft::MatchInterface> devices;
  const Attributes hook(chain.bytes(NFTA_CHAIN_HOOK));
  const auto add = [&](Bytes name, bool wildcard) {
    devices.push_back({.way = nft::Way::kIn, .name = text_until_nul(name), .wildcard = wildcard});
  };
  Bytes list = hook.bytes(NFTA_HOOK_DEVS);
  while (const auto device = next_attribute(list)) {
    add(device->payload, device->type == kDevicePrefix);
  }
  if (devices.empty() && hook.has(NFTA_HOOK_DEV)) {
    add(hook.bytes(NFTA_HOOK_DEV), false);
  }
  return devices;
}

/// From user data: TLVs with one byte of type and one of length.
std::string comment_of(Bytes userdata) {
  constexpr std::size_t kHeader = 2;  // bytes; libnftnl/udata.h
  while (userdata.size() >= kHeader) {
    const std::size_t length = userdata[1];
    if (length > userdata.size() - kHeader) {
      break;
    }
    if (userdata[0] == NFTNL_UDATA_RULE_COMMENT) {
      return text_until_nul(userdata.subspan(kHeader, length));
    }
    userdata = userdata.subspan(kHeader + length);
  }
  return {};
}

void read_expressions(RuleReader& reader, Bytes list) {
  while (const auto element = next_attribute(list)) {
    reader.read(*element);
  }
  if (!list.empty()) {
    reader.read_unknown("expression", list);
  }
}

}  // namespace

Result<std::pair<nft::ChainKey, nft::ObservedRule>> decode_nft_rule(const nlmsghdr* message) {
  const nft::Family family = family_of(message);
  const Attributes rule = attributes_of(message);
  const auto table = rule.text(NFTA_RULE_TABLE);
  const auto chain = rule.text(NFTA_RULE_CHAIN);
  const auto handle = rule.be64(NFTA_RULE_HANDLE);
  if (!table || !chain) {
    return malformed("a rule");
  }
  const nft::TableKey owner{family, std::string(*table)};
  RuleReader reader(owner, comment_of(rule.bytes(NFTA_RULE_USERDATA)));
  read_expressions(reader, rule.bytes(NFTA_RULE_EXPRESSIONS));
  if (!rule.only({NFTA_RULE_TABLE, NFTA_RULE_CHAIN},
                 {NFTA_RULE_HANDLE, NFTA_RULE_EXPRESSIONS, NFTA_RULE_POSITION, NFTA_RULE_USERDATA, NFTA_RULE_PAD,
                  NFTA_RULE_COMPAT, NFTA_RULE_ID, NFTA_RULE_POSITION_ID, NFTA_RULE_CHAIN_ID})) {
    reader.read_unknown("rule attribute", message_payload(message, sizeof(nfgenmsg)));
  }
  auto observed = reader.finish();
  observed.handle = handle.value_or(0);
  return std::pair{nft::ChainKey{owner, std::string(*chain)}, std::move(observed)};
}

Result<nft::ObservedChain> decode_chain(const nlmsghdr* message) {
  const nft::Family family = family_of(message);
  const Attributes chain = attributes_of(message);
  const auto table = chain.text(NFTA_CHAIN_TABLE);
  const auto name = chain.text(NFTA_CHAIN_NAME);
  if (!table || !name) {
    return malformed("a chain");
  }
  return nft::ObservedChain{.key = {{family, std::string(*table)}, std::string(*name)},
                            .handle = chain.be64(NFTA_CHAIN_HANDLE).value_or(0),
                            .hook = base_hook_of(family, chain),
                            .rules = {},
                            .devices = devices_of(chain)};
}

Result<DecodedTable> decode_table(const nlmsghdr* message) {
  const auto table = attributes_of(message);
  const auto name = table.text(NFTA_TABLE_NAME);
  if (!name) {
    return malformed("a table");
  }
  const auto flags = table.be32(NFTA_TABLE_FLAGS).value_or(0);
  return DecodedTable{
      {family_of(message), std::string(*name)}, (flags & NFT_TABLE_F_DORMANT) != 0, (flags & NFT_TABLE_F_OWNER) != 0};
}

}  // namespace smtpegress::netlink
