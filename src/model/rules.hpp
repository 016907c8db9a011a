// Short words for building nft rules, so that a lowering reads like the ruleset it makes.
#pragma once

#include <netinet/in.h>

#include <string>
#include <utility>
#include <vector>

#include "smtpegress/nft.hpp"

namespace smtpegress::rules {

// Priorities of the hooks, linux/netfilter_ipv4.h.
inline constexpr std::int32_t kRawPriority = -300;  // NF_IP_PRI_RAW
inline constexpr std::int32_t kBeforeRawPriority = kRawPriority - 10;
inline constexpr std::int32_t kAfterRawPriority = kRawPriority + 10;  // still ahead of connection tracking (-200)
inline constexpr std::int32_t kManglePriority = -150;                 // NF_IP_PRI_MANGLE
inline constexpr std::int32_t kAfterDnatPriority = -100 + 10;         // NF_IP_PRI_NAT_DST + 10
inline constexpr std::int32_t kBeforeSnatPriority = 100 - 1;  // NF_IP_PRI_NAT_SRC - 1: outranks every usual nat chain

// TCP header flags, RFC 9293.
inline constexpr std::uint8_t kFin = 0x01;
inline constexpr std::uint8_t kSyn = 0x02;
inline constexpr std::uint8_t kRst = 0x04;
inline constexpr std::uint8_t kAck = 0x10;

inline nft::Match in(const IfName& name, nft::Sense sense = nft::Sense::kIs) {
  return nft::MatchInterface{nft::Way::kIn, name.str(), false, sense};
}
inline nft::Match out(const IfName& name, nft::Sense sense = nft::Sense::kIs) {
  return nft::MatchInterface{nft::Way::kOut, name.str(), false, sense};
}
inline nft::Match is(IpFamily family) {
  return nft::MatchNfProto{family};
}
/// Says of which family the address in the next match is.
inline nft::Match like(const Prefix& prefix) {
  return is(prefix.address.family);
}
inline nft::Match from(const Prefix& prefix) {
  return nft::MatchAddress{nft::Side::kSource, prefix, nft::Sense::kIs};
}
inline nft::Match to(const Prefix& prefix) {
  return nft::MatchAddress{nft::Side::kDestination, prefix, nft::Sense::kIs};
}
inline nft::Match protocol(std::uint8_t number) {
  return nft::MatchL4Proto{number, nft::Sense::kIs};
}
inline nft::Match tcp() {
  return protocol(IPPROTO_TCP);
}
inline nft::Match from_port(const PortRange& ports) {
  return nft::MatchPort{nft::Side::kSource, ports, nft::Sense::kIs};
}
inline nft::Match to_port(const PortRange& ports) {
  return nft::MatchPort{nft::Side::kDestination, ports, nft::Sense::kIs};
}
inline nft::Match state(std::uint32_t states) {
  return nft::MatchCtState{states};
}
inline nft::Match reply() {
  return nft::MatchCtDirection{nft::CtDirection::kReply};
}
inline nft::Match not_translated() {
  return nft::MatchCtDnat{nft::Sense::kIsNot};
}
inline nft::Match marked(const Mark& mark) {
  return nft::MatchMark{mark, nft::Sense::kIs};
}
/// Sent by a process of that user.
inline nft::Match by_user(std::uint32_t uid) {
  return nft::MatchSkuid{uid, nft::Sense::kIs};
}
inline nft::Match flags(std::uint8_t mask, std::uint8_t value, nft::Sense sense = nft::Sense::kIs) {
  return nft::MatchTcpFlags{mask, value, sense};
}
/// A reply: anything but the SYN that opens a connection. Only replies may pass where nothing is tracked yet (FACTS
/// 25).
inline nft::Match no_syn() {
  return flags(kFin | kSyn | kRst | kAck, kSyn, nft::Sense::kIsNot);
}
inline nft::Statement accept() {
  return nft::Verdict{nft::VerdictCode::kAccept, {}};
}
inline nft::Statement drop() {
  return nft::Verdict{nft::VerdictCode::kDrop, {}};
}
inline nft::Statement leave_chain() {
  return nft::Verdict{nft::VerdictCode::kReturn, {}};
}

/// Counts, then does `action`.
inline nft::Rule rule(std::vector<nft::Match> matches, nft::Statement action, std::string comment) {
  return {std::move(matches), {nft::Counter{}, std::move(action)}, std::move(comment)};
}

}  // namespace smtpegress::rules
