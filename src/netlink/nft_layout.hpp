// Where things are in a packet and what the kernel calls them: the constants that the encoder writes and the decoder
// expects. One place, so that the two cannot drift apart.
#pragma once

// Before linux/*, whose netfilter headers define the same structures where libc has not.
#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <array>
#include <cstdint>
#include <optional>

#include "smtpegress/nft.hpp"

namespace smtpegress::netlink {

/// A piece of a packet, in bytes from the start of a header.
struct Field {
  std::uint32_t base = NFT_PAYLOAD_NETWORK_HEADER;
  std::uint32_t offset = 0;
  std::uint32_t length = 0;
  bool operator==(const Field&) const = default;
};

inline constexpr Field kIp4Protocol{NFT_PAYLOAD_NETWORK_HEADER, 9, 1};   // RFC 791
inline constexpr Field kSourcePort{NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2};  // RFC 9293 and 768
inline constexpr Field kDestinationPort{NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2};
inline constexpr Field kTcpFlags{NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1};  // RFC 9293

constexpr Field address_field(IpFamily family, nft::Side side) {
  if (family == IpFamily::kV4) {
    return {NFT_PAYLOAD_NETWORK_HEADER, side == nft::Side::kSource ? 12U : 16U, 4};  // RFC 791
  }
  return {NFT_PAYLOAD_NETWORK_HEADER, side == nft::Side::kSource ? 8U : 24U, 16};  // RFC 8200
}

/// How writing to an address mends the checksums: the IPv4 header has one of its own, at this offset (RFC 791); TCP's
/// and UDP's count the addresses in.
struct AddressChecksum {
  std::uint32_t type = NFT_PAYLOAD_CSUM_NONE;
  std::uint32_t offset = 0;
  std::uint32_t flags = NFT_PAYLOAD_L4CSUM_PSEUDOHDR;
  bool operator==(const AddressChecksum&) const = default;
};
constexpr AddressChecksum address_checksum(IpFamily family) {
  return family == IpFamily::kV4 ? AddressChecksum{.type = NFT_PAYLOAD_CSUM_INET, .offset = 10} : AddressChecksum{};
}

/// The size field of TCP's maximum segment size option, RFC 9293.
struct TcpOption {
  std::uint8_t kind = 0;
  std::uint32_t offset = 0;  ///< bytes from the option's kind
  std::uint32_t length = 0;  ///< bytes
};
inline constexpr TcpOption kMssOption{2, 2, 2};

inline constexpr std::array<std::uint8_t, 1> kTraceOn{1};  ///< what `meta nftrace` is set to
inline constexpr std::uint32_t kWholeMark = 0xffffffff;
inline constexpr std::array<std::uint8_t, 16> kZeros{};

/// `bits` ones, then zeros.
constexpr std::array<std::uint8_t, 16> prefix_mask(unsigned bits) {
  std::array<std::uint8_t, 16> mask{};
  for (unsigned i = 0; i < bits && i < 128; ++i) {
    mask.at(i / 8) = static_cast<std::uint8_t>(mask.at(i / 8) | (0x80U >> (i % 8)));
  }
  return mask;
}

struct VerdictNumber {
  nft::VerdictCode code;
  std::int32_t number;
};
// linux/netfilter.h and enum nft_verdicts, linux/netfilter/nf_tables.h
inline constexpr std::array kVerdictNumbers{
    VerdictNumber{nft::VerdictCode::kAccept, NF_ACCEPT},  VerdictNumber{nft::VerdictCode::kDrop, NF_DROP},
    VerdictNumber{nft::VerdictCode::kReturn, NFT_RETURN}, VerdictNumber{nft::VerdictCode::kContinue, NFT_CONTINUE},
    VerdictNumber{nft::VerdictCode::kJump, NFT_JUMP},     VerdictNumber{nft::VerdictCode::kGoto, NFT_GOTO},
    VerdictNumber{nft::VerdictCode::kQueue, NF_QUEUE},
};

constexpr std::int32_t kernel_verdict(nft::VerdictCode code) {
  for (const auto& entry : kVerdictNumbers) {
    if (entry.code == code) {
      return entry.number;
    }
  }
  return NF_DROP;  // unreachable while the table has every code
}

struct RejectKind {
  std::uint32_t type = 0;  ///< enum nft_reject_types
  std::uint8_t code = 0;   ///< of ICMP, ICMPv6 or enum nft_reject_inet_code, by type
  bool operator==(const RejectKind&) const = default;
};

/// "Administratively prohibited" as each family says it; nothing for families without a reject of that kind.
constexpr std::optional<RejectKind> admin_prohibited(nft::Family family) {
  switch (family) {
    case nft::Family::kInet:
      return RejectKind{NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_ADMIN_PROHIBITED};
    case nft::Family::kIp:
      return RejectKind{NFT_REJECT_ICMP_UNREACH, 13};  // ICMP_PKT_FILTERED, linux/icmp.h
    case nft::Family::kIp6:
      return RejectKind{NFT_REJECT_ICMP_UNREACH, 1};  // ICMPV6_ADM_PROHIBITED, linux/icmpv6.h
    case nft::Family::kArp:
    case nft::Family::kNetdev:
    case nft::Family::kBridge:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace smtpegress::netlink
