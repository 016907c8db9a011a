#include "netlink/trace_codec.hpp"

// libc's structures before linux/*, see nft_layout.hpp.
#include <netinet/in.h>

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <cerrno>

#include "netlink/attribute_view.hpp"
#include "netlink/nft_layout.hpp"

namespace smtpegress::netlink {
namespace {

// enum nft_trace_attributes of Linux 6.16; older headers have not these.
constexpr std::uint16_t kTraceCtState = 21;

std::unexpected<Error> malformed() {
  return system_error("read", "a trace event", EBADMSG, {}, "a message was cut short");
}

/// Ports and flags, where the header is long enough for them.
void read_transport(Bytes header, TracedPacket& packet) {
  constexpr std::size_t kPorts = 4;   // bytes
  constexpr std::size_t kFlags = 13;  // offset; RFC 9293
  if (header.size() >= kPorts) {
    packet.source_port = load_be16(header);
    packet.destination_port = load_be16(header.subspan(2));
  }
  if (header.size() > kFlags && packet.protocol == IPPROTO_TCP) {
    packet.tcp_flags = header[kFlags];
  }
}

IpAddress address_at(Bytes header, Field field, IpFamily family) {
  IpAddress address{.family = family};
  std::ranges::copy(header.subspan(field.offset, field.length), address.bytes.begin());
  return address;
}

/// The kernel gives a header whole (TRACE_... in net/netfilter/nf_tables_trace.c), IPv4's without its options.
std::optional<TracedPacket> read_packet(Bytes network, Bytes transport) {
  constexpr std::size_t kIp4Header = 20;  // bytes, RFC 791
  constexpr std::size_t kIp6Header = 40;  // bytes, RFC 8200
  const unsigned version = network.empty() ? 0 : network.front() >> 4U;
  const bool v4 = version == 4 && network.size() >= kIp4Header;
  if (!v4 && (version != 6 || network.size() < kIp6Header)) {
    return std::nullopt;
  }
  const auto family = v4 ? IpFamily::kV4 : IpFamily::kV6;
  TracedPacket packet;
  packet.source = address_at(network, address_field(family, nft::Side::kSource), family);
  packet.destination = address_at(network, address_field(family, nft::Side::kDestination), family);
  packet.length = load_be16(network.subspan(v4 ? 2 : 4));
  packet.hops_left = network[v4 ? 8 : 7];
  // Behind IPv6's extension headers the protocol is another; the mail's packets have none.
  packet.protocol = network[v4 ? 9 : 6];
  read_transport(transport, packet);
  return packet;
}

/// nf_tables' own verdicts are -1 to -5. Of netfilter's, only the lowest byte is the verdict: of NF_QUEUE the upper
/// half is the queue's number, its highest bit the sign.
std::optional<nft::Verdict> verdict_of(std::optional<std::uint32_t> code, std::optional<std::string_view> chain) {
  if (!code) {
    return std::nullopt;
  }
  const auto number = static_cast<std::int32_t>(*code);
  const bool is_nf_tables = number >= NFT_RETURN && number <= NFT_CONTINUE;
  const auto plain = is_nf_tables ? number : number & NF_VERDICT_MASK;
  const auto* known = std::ranges::find(kVerdictNumbers, plain, &VerdictNumber::number);
  if (known == kVerdictNumbers.end()) {
    return std::nullopt;
  }
  return nft::Verdict{known->code, std::string(chain.value_or(""))};
}

std::optional<nft::Verdict> verdict_of(const Attributes& event) {
  if (event.has(NFTA_TRACE_POLICY)) {
    return verdict_of(event.be32(NFTA_TRACE_POLICY), std::nullopt);
  }
  const Attributes verdict(event.bytes(NFTA_TRACE_VERDICT));
  return verdict_of(verdict.be32(NFTA_VERDICT_CODE), verdict.text(NFTA_VERDICT_CHAIN));
}

int index_of(const Attributes& event, std::uint16_t type) {
  constexpr std::uint32_t kLargest = 0x7fffffff;
  const auto index = event.be32(type).value_or(0);
  return index <= kLargest ? static_cast<int>(index) : 0;
}

/// One of nft::kCt…, which are the bits that the kernel gives here.
std::uint32_t ct_states_of(const Attributes& event) {
  constexpr std::uint32_t kKnown =
      nft::kCtInvalid | nft::kCtEstablished | nft::kCtRelated | nft::kCtNew | nft::kCtUntracked;
  return event.be32(kTraceCtState).value_or(0) & kKnown;
}

}  // namespace

Result<std::optional<TraceEvent>> decode_trace(const nlmsghdr* message) {
  const Bytes payload = payload_of(message);
  const auto header = header_of<nfgenmsg>(payload);
  if (!header) {
    return malformed();
  }
  if (message->nlmsg_type != ((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_TRACE)) {
    return std::nullopt;
  }
  const Attributes attributes(attributes_after<nfgenmsg>(payload));
  const auto id = attributes.be32(NFTA_TRACE_ID);
  const auto type = attributes.be32(NFTA_TRACE_TYPE);
  const auto table = attributes.text(NFTA_TRACE_TABLE);
  const auto chain = attributes.text(NFTA_TRACE_CHAIN);
  if (!attributes.well_formed() || !id || !type || !table || !chain) {
    return malformed();
  }
  if (*type < NFT_TRACETYPE_POLICY || *type > NFT_TRACETYPE_RULE) {
    return std::nullopt;  // a kind that this program does not know of
  }
  TraceEvent event;
  event.id = *id;
  event.kind = static_cast<TraceEvent::Kind>(*type);
  event.chain = {{static_cast<nft::Family>(header->nfgen_family), std::string(*table)}, std::string(*chain)};
  event.handle = attributes.be64(NFTA_TRACE_RULE_HANDLE).value_or(0);
  event.verdict = verdict_of(attributes);
  event.in = index_of(attributes, NFTA_TRACE_IIF);
  event.out = index_of(attributes, NFTA_TRACE_OIF);
  event.mark = attributes.be32(NFTA_TRACE_MARK).value_or(0);
  event.ct_states = ct_states_of(attributes);
  event.packet =
      read_packet(attributes.bytes(NFTA_TRACE_NETWORK_HEADER), attributes.bytes(NFTA_TRACE_TRANSPORT_HEADER));
  return event;
}

}  // namespace smtpegress::netlink
