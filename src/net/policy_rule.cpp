// A policy rule's selectors, read from the attributes that the decoder keeps as they came, and the rule in words.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

#include "smtpegress/route.hpp"

namespace smtpegress {
namespace {

// linux/fib_rules.h
constexpr std::uint16_t kDestination = 1;        // FRA_DST
constexpr std::uint16_t kSource = 2;             // FRA_SRC
constexpr std::uint16_t kIncoming = 3;           // FRA_IIFNAME
constexpr std::uint16_t kGoTo = 4;               // FRA_GOTO
constexpr std::uint16_t kFlow = 11;              // FRA_FLOW: a realm to write into the packet, no selector
constexpr std::uint16_t kSuppressLength = 14;    // FRA_SUPPRESS_PREFIXLEN
constexpr std::uint16_t kOutgoing = 17;          // FRA_OIFNAME
constexpr std::uint16_t kUsers = 20;             // FRA_UID_RANGE: struct fib_rule_uid_range
constexpr std::uint16_t kIpProtocol = 22;        // FRA_IP_PROTO
constexpr std::uint16_t kSourcePorts = 23;       // FRA_SPORT_RANGE
constexpr std::uint16_t kDestinationPorts = 24;  // FRA_DPORT_RANGE
// Offsets in fib_rule_hdr.
constexpr std::uint16_t kDestinationLength = kHeaderField + 1;
constexpr std::uint16_t kSourceLength = kHeaderField + 2;
constexpr std::uint16_t kFlags = kHeaderField + 8;
constexpr std::uint32_t kInvert = 2;  // FIB_RULE_INVERT

using Bytes = std::span<const std::uint8_t>;

/// In host byte order, as all numbers of a rule are; nothing where the size is another.
template <class T>
std::optional<T> number(Bytes bytes) {
  T value{};
  if (bytes.size() != sizeof value) {
    return std::nullopt;
  }
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

std::optional<Prefix> address(IpFamily family, Bytes bytes) {
  Prefix prefix{.address = {.family = family}, .length = 0};
  if (bytes.size() != prefix.address.size()) {
    return std::nullopt;
  }
  std::ranges::copy(bytes, prefix.address.bytes.begin());
  return prefix;
}

std::string text(Bytes bytes) {
  return {bytes.begin(), std::ranges::find(bytes, std::uint8_t{0})};
}

std::optional<PortRange> ports(Bytes bytes) {
  if (bytes.size() != 4) {
    return std::nullopt;
  }
  return PortRange{*number<std::uint16_t>(bytes.first(2)), *number<std::uint16_t>(bytes.last(2))};
}

std::optional<UidRange> users(Bytes bytes) {
  if (bytes.size() != 8) {
    return std::nullopt;
  }
  return UidRange{*number<std::uint32_t>(bytes.first(4)), *number<std::uint32_t>(bytes.last(4))};
}

/// Puts a value into its field; false where there is none.
template <class T, class U>
bool take(T& field, const std::optional<U>& value) {
  if (!value) {
    return false;
  }
  const U& found = *value;
  field = found;
  return true;
}

struct Lengths {
  std::uint8_t source = 0;  // bits
  std::uint8_t destination = 0;
};

bool read(RuleSelectors& selectors, Lengths& lengths, IpFamily family, std::uint16_t type, Bytes bytes) {
  switch (type) {
    case kDestination:
      return take(selectors.destination, address(family, bytes));
    case kSource:
      return take(selectors.source, address(family, bytes));
    case kDestinationLength:
      return take(lengths.destination, number<std::uint8_t>(bytes));
    case kSourceLength:
      return take(lengths.source, number<std::uint8_t>(bytes));
    case kIncoming:
      selectors.incoming = text(bytes);
      return !selectors.incoming.empty();
    case kOutgoing:
      selectors.outgoing = text(bytes);
      return !selectors.outgoing.empty();
    case kIpProtocol:
      return take(selectors.ip_protocol, number<std::uint8_t>(bytes));
    case kUsers:
      return take(selectors.users, users(bytes));
    case kSourcePorts:
      return take(selectors.source_ports, ports(bytes));
    case kDestinationPorts:
      return take(selectors.destination_ports, ports(bytes));
    case kSuppressLength:
      return take(selectors.suppress_length, number<std::uint32_t>(bytes));
    case kGoTo: {
      const auto target = number<std::uint32_t>(bytes);
      return take(selectors.go_to, target ? std::optional(RulePriority{*target}) : std::nullopt);
    }
    case kFlags: {
      const auto flags = number<std::uint32_t>(bytes);
      selectors.inverted = flags && (*flags & kInvert) != 0;
      return flags && (*flags & ~kInvert) == 0;
    }
    case kFlow:
      return true;
    default:
      return false;
  }
}

/// As the kernel has a range: both ends, in host byte order.
template <class Number>
std::vector<std::uint8_t> bytes_of(Number first, Number last) {
  const std::array<Number, 2> ends{first, last};
  std::vector<std::uint8_t> bytes(sizeof ends);
  std::memcpy(bytes.data(), ends.data(), sizeof ends);
  return bytes;
}

std::vector<std::uint8_t> bytes_of(const PortRange& range) {
  return bytes_of(range.first, range.last);
}

std::string action_text(const PolicyRule& rule, const RuleSelectors& selectors) {
  switch (rule.action) {
    case kLookUpTable:
      return "lookup " + to_string(rule.table);
    case kGoToRule:
      return selectors.go_to ? fmt::format("goto {}", selectors.go_to->value) : "goto";
    case 3:  // FR_ACT_NOP
      return "nop";
    case kFirstRefusal:
      return "blackhole";
    case kFirstRefusal + 1:
      return "unreachable";
    case kLastRefusal:
      return "prohibit";
    default:
      return fmt::format("action {}", rule.action);
  }
}

std::string selectors_text(const RuleSelectors& selectors, const std::optional<Mark>& mark) {
  auto text = fmt::format("from {}", selectors.source ? selectors.source->to_string() : "all");
  const auto add = [&text](std::string_view word, const std::string& value) {
    text += fmt::format(" {} {}", word, value);
  };
  if (selectors.destination) {
    add("to", selectors.destination->to_string());
  }
  if (mark) {
    add("fwmark", mark->to_string());
  }
  if (!selectors.incoming.empty()) {
    add("iif", selectors.incoming);
  }
  if (!selectors.outgoing.empty()) {
    add("oif", selectors.outgoing);
  }
  if (selectors.users) {
    add("uidrange", selectors.users->to_string());
  }
  if (selectors.ip_protocol != 0) {
    add("ipproto", selectors.ip_protocol == 6 ? "tcp" : fmt::format("{}", selectors.ip_protocol));
  }
  if (selectors.source_ports) {
    add("sport", selectors.source_ports->to_string());
  }
  if (selectors.destination_ports) {
    add("dport", selectors.destination_ports->to_string());
  }
  return text;
}

}  // namespace

RuleSelectors selectors_of(const PolicyRule& rule) {
  RuleSelectors selectors;
  Lengths lengths;
  for (const auto& [type, bytes] : rule.other) {
    if (!read(selectors, lengths, rule.family, type, bytes)) {
      selectors.further = true;
    }
  }
  for (const auto& [prefix, length] :
       {std::pair{&selectors.source, lengths.source}, std::pair{&selectors.destination, lengths.destination}}) {
    if (*prefix && length <= (*prefix)->address.size() * 8) {
      (*prefix)->length = length;
    } else if (*prefix || length != 0) {
      selectors.further = true;
    }
  }
  return selectors;
}

// Both by type, as the decoder sorts them.
std::vector<UnknownAttribute> selecting(const Prefix& source, std::uint8_t ip_protocol,
                                        const PortRange& destination_ports) {
  const auto address = std::span(source.address.bytes).first(source.address.size());
  return {{kSource, {address.begin(), address.end()}},
          {kIpProtocol, {ip_protocol}},
          {kDestinationPorts, bytes_of(destination_ports)},
          {kSourceLength, {source.length}}};
}

std::vector<UnknownAttribute> selecting(const IfName& incoming, std::uint8_t ip_protocol,
                                        const PortRange& destination_ports) {
  std::vector<std::uint8_t> name(incoming.str().begin(), incoming.str().end());
  name.push_back(0);
  return {{kIncoming, std::move(name)}, {kIpProtocol, {ip_protocol}}, {kDestinationPorts, bytes_of(destination_ports)}};
}

std::vector<UnknownAttribute> selecting(const UidRange& users, std::uint8_t ip_protocol,
                                        const PortRange& destination_ports) {
  return {{kIncoming, {'l', 'o', 0}},
          {kUsers, bytes_of(users.first, users.last)},
          {kIpProtocol, {ip_protocol}},
          {kDestinationPorts, bytes_of(destination_ports)}};
}

std::string to_string(const PolicyRule& rule) {
  const auto selectors = selectors_of(rule);
  auto text =
      fmt::format("{}{}: {}{} {}", rule.family == IpFamily::kV6 ? "IPv6 " : "", rule.priority.value,
                  selectors.inverted ? "not " : "", selectors_text(selectors, rule.mark), action_text(rule, selectors));
  if (selectors.suppress_length) {
    text += fmt::format(" suppress_prefixlength {}", *selectors.suppress_length);
  }
  if (rule.protocol.value != 0) {
    text += fmt::format(" proto {}", rule.protocol.value);
  }
  return selectors.further ? text + " (with further selectors)" : text;
}

}  // namespace smtpegress
