// Policy rules (linux/fib_rules.h). What the kernel sends and when: fib_nl_fill_rule in net/core/fib_rules.c.
#include <linux/fib_rules.h>

#include <cstddef>

#include "netlink/route_codec.hpp"
#include "netlink/route_message.hpp"

namespace smtpegress::netlink {
namespace {

// What the kernel reports about a rule's interfaces and goto target, not what the rule says.
constexpr std::uint32_t kStateFlags = FIB_RULE_UNRESOLVED | FIB_RULE_IIF_DETACHED | FIB_RULE_OIF_DETACHED;
constexpr std::uint32_t kNoSuppression = 0xffffffff;  // -1, net/core/fib_rules.c
constexpr std::uint32_t kWholeMark = 0xffffffff;
// Attributes of Linux 6.15, newer than Debian 12's headers. With a single port the kernel sends the mask of all its
// bits.
constexpr std::uint16_t kSourcePortMask = 28;       // FRA_SPORT_MASK
constexpr std::uint16_t kDestinationPortMask = 29;  // FRA_DPORT_MASK
constexpr std::uint16_t kWholePort = 0xffff;

bool is_default(const Attribute& attribute) {
  switch (attribute.type) {
    case FRA_PAD:
      return true;
    case FRA_SUPPRESS_PREFIXLEN:
    case FRA_SUPPRESS_IFGROUP:
      return value_of<std::uint32_t>(attribute.payload) == kNoSuppression;
    case kSourcePortMask:
    case kDestinationPortMask:
      return value_of<std::uint16_t>(attribute.payload) == kWholePort;
    case FRA_L3MDEV:
    case FRA_IP_PROTO:
    case FRA_TUN_ID:
    case FRA_FLOW:
    case FRA_SPORT_RANGE:
    case FRA_DPORT_RANGE:
      return !attribute.payload.empty() && all_zero(attribute.payload);
    default:
      return false;
  }
}

void keep_header(PolicyRule& rule, const fib_rule_hdr& header) {
  if (header.dst_len != 0) {
    keep_header_field(rule.other, offsetof(fib_rule_hdr, dst_len), header.dst_len);
  }
  if (header.src_len != 0) {
    keep_header_field(rule.other, offsetof(fib_rule_hdr, src_len), header.src_len);
  }
  if (header.tos != 0) {
    keep_header_field(rule.other, offsetof(fib_rule_hdr, tos), header.tos);
  }
  if (const std::uint32_t flags = header.flags & ~kStateFlags; flags != 0) {
    keep_header_field(rule.other, offsetof(fib_rule_hdr, flags), flags);
  }
}

struct MarkParts {
  std::optional<std::uint32_t> value;
  std::optional<std::uint32_t> mask;
};

/// A value without a mask means all bits; a mask without a value asks for those bits to be zero, which is a selector as
/// well; a zero mask without a value selects nothing.
std::optional<Mark> mark_of(const MarkParts& parts) {
  const std::uint32_t value = parts.value.value_or(0);
  const std::uint32_t mask = parts.mask.value_or(value != 0 ? kWholeMark : 0);
  if (value == 0 && mask == 0) {
    return std::nullopt;
  }
  return Mark{.value = value, .mask = mask};
}

bool read_known(PolicyRule& rule, MarkParts& mark, const Attribute& attribute) {
  switch (attribute.type) {
    case FRA_TABLE:
      return read_into(rule.table.value, attribute.payload);
    case FRA_PRIORITY:
      return read_into(rule.priority.value, attribute.payload);
    case FRA_PROTOCOL:
      return read_into(rule.protocol.value, attribute.payload);
    case FRA_FWMARK:
      return read_into(mark.value, attribute.payload);
    case FRA_FWMASK:
      return read_into(mark.mask, attribute.payload);
    default:
      return is_default(attribute);
  }
}

}  // namespace

Result<PolicyRule> decode_rule(const nlmsghdr* message) {
  const Bytes payload = payload_of(message);
  const auto header = header_of<fib_rule_hdr>(payload);
  const auto family = header ? family_from(header->family) : std::nullopt;
  if (!family) {
    return malformed("policy rules");
  }
  PolicyRule rule;
  rule.family = *family;
  rule.action = header->action;
  rule.table = {header->table};
  keep_header(rule, *header);
  MarkParts mark;
  const bool whole = for_each_attribute(attributes_after<fib_rule_hdr>(payload), [&](const Attribute& attribute) {
    if (!read_known(rule, mark, attribute)) {
      keep(rule.other, attribute.type, attribute.payload);
    }
  });
  if (!whole) {
    return malformed("policy rules");
  }
  rule.mark = mark_of(mark);
  std::ranges::sort(rule.other);
  return rule;
}

Result<NlMessage> encode_rule(std::uint16_t type, int flags, const PolicyRule& rule) {
  fib_rule_hdr header{};
  header.family = family_to(rule.family);
  header.table = header_table(rule.table);
  header.action = rule.action;
  MessageBuilder builder(type, flags);
  bool fits = restore_header_fields(header, rule.other);
  builder.header(header).u32(FRA_PRIORITY, rule.priority.value);
  if (rule.mark) {
    builder.u32(FRA_FWMARK, rule.mark->value).u32(FRA_FWMASK, rule.mark->mask);
  }
  builder.u32(FRA_TABLE, rule.table.value).u8(FRA_PROTOCOL, rule.protocol.value).attributes(rule.other);
  NlMessage message = builder.take();
  fits = fits && message != nullptr;
  if (!fits) {
    return system_error("write policy rule", to_string(rule), EINVAL);
  }
  return message;
}

}  // namespace smtpegress::netlink
