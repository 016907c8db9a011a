// Rules of our own making, of any content: what the encoder takes reads the same. The input is what the rule is made
// of.
#include <fuzzer/FuzzedDataProvider.h>

#include "fuzz/nft_messages.hpp"

using namespace smtpegress;

namespace {

using Source = FuzzedDataProvider;

nft::Sense any_sense(Source& source) {
  return source.ConsumeBool() ? nft::Sense::kIs : nft::Sense::kIsNot;
}
nft::Side any_side(Source& source) {
  return source.ConsumeBool() ? nft::Side::kSource : nft::Side::kDestination;
}
IpFamily any_family(Source& source) {
  return source.ConsumeBool() ? IpFamily::kV4 : IpFamily::kV6;
}
Mark any_mark(Source& source) {
  return {source.ConsumeIntegral<std::uint32_t>(),
          source.ConsumeBool() ? 0xffffffff : source.ConsumeIntegral<std::uint32_t>()};
}

IpAddress any_address(Source& source, IpFamily family) {
  IpAddress address{.family = family};
  source.ConsumeData(address.bytes.data(), address.size());
  return address;
}

/// Without host bits, as every Prefix is.
Prefix any_prefix(Source& source, IpFamily family) {
  Prefix prefix{.address = any_address(source, family), .length = 0};
  prefix.length = source.ConsumeIntegralInRange<std::uint8_t>(0, static_cast<std::uint8_t>(prefix.address.size() * 8));
  for (std::size_t bit = prefix.length; bit < prefix.address.size() * 8; ++bit) {
    auto& byte = prefix.address.bytes.at(bit / 8);
    byte = static_cast<std::uint8_t>(byte & ~(0x80U >> bit % 8));
  }
  return prefix;
}

PortRange any_ports(Source& source) {
  const auto first = source.ConsumeIntegral<std::uint16_t>();
  return {first, source.ConsumeBool() ? first : source.ConsumeIntegralInRange<std::uint16_t>(first, UINT16_MAX)};
}

nft::Match any_match(Source& source) {
  switch (source.ConsumeIntegralInRange<int>(0, 11)) {
    case 0:
      return nft::MatchInterface{.way = source.ConsumeBool() ? nft::Way::kIn : nft::Way::kOut,
                                 .name = source.ConsumeRandomLengthString(17),
                                 .wildcard = source.ConsumeBool(),
                                 .sense = any_sense(source)};
    case 1:
      return nft::MatchNfProto{any_family(source)};
    case 2:
      return nft::MatchAddress{any_side(source), any_prefix(source, any_family(source)), any_sense(source)};
    case 3:
      return nft::MatchL4Proto{source.ConsumeIntegral<std::uint8_t>(), any_sense(source)};
    case 4:
      return nft::MatchPort{any_side(source), any_ports(source), any_sense(source)};
    case 5:
      return nft::MatchTcpFlags{source.ConsumeIntegral<std::uint8_t>(), source.ConsumeIntegral<std::uint8_t>(),
                                any_sense(source)};
    case 6:
      return nft::MatchMark{any_mark(source), any_sense(source)};
    case 7:
      return nft::MatchCtState{source.ConsumeIntegral<std::uint32_t>()};
    case 8:
      return nft::MatchCtDnat{any_sense(source)};
    case 9:
      return nft::MatchReversePath{source.ConsumeBool(), any_sense(source)};
    case 10:
      return nft::MatchSkuid{source.ConsumeIntegral<std::uint32_t>(), any_sense(source)};
    default:
      return nft::MatchCtDirection{source.ConsumeBool() ? nft::CtDirection::kOriginal : nft::CtDirection::kReply};
  }
}

nft::Statement any_statement(Source& source) {
  switch (source.ConsumeIntegralInRange<int>(0, 7)) {
    case 0:
      return nft::Counter{};
    case 1:
      return nft::Verdict{static_cast<nft::VerdictCode>(source.ConsumeIntegralInRange<int>(0, 6)),
                          source.ConsumeRandomLengthString(20)};
    case 2:
      return nft::SetMark{any_mark(source)};
    case 3:
      return nft::ClampMss{};
    case 4:
      return source.ConsumeBool() ? nft::Snat{any_address(source, any_family(source))} : nft::Snat{};
    case 5:
      return nft::Masquerade{};
    case 6:
      return nft::SetNetwork{any_side(source), any_prefix(source, any_family(source))};
    default:
      return nft::Reject{};
  }
}

nft::Rule any_rule(Source& source) {
  nft::Rule rule;
  for (auto left = source.ConsumeIntegralInRange<int>(0, 12); left > 0; --left) {
    rule.matches.push_back(any_match(source));
  }
  for (auto left = source.ConsumeIntegralInRange<int>(0, 6); left > 0; --left) {
    rule.statements.push_back(any_statement(source));
  }
  rule.comment = source.ConsumeRandomLengthString(140);
  return rule;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Source source(data, size);
  const auto family = source.PickValueInArray(
      {nft::Family::kInet, nft::Family::kIp, nft::Family::kIp6, nft::Family::kBridge, nft::Family::kNetdev});
  const nft::ChainKey chain{{family, "smtp-egress-fuzz"}, "forward"};
  const auto rule = any_rule(source);
  const auto written = fuzz::payload_of_step(nft::AppendRule{chain, rule});
  if (!written) {
    fuzz::must(written.error().kind == ErrorKind::kUsage, "a rule that is refused is a mistake in it");
    fuzz::must_be_readable(written.error());
    return 0;
  }
  const auto again = netlink::decode_nft_rule(fuzz::Message(*written).header());
  fuzz::must(again && again->first == chain, "a rule's chain is written and reads the same");
  fuzz::must_be_same(rule, again->second.rule);
  return 0;
}
