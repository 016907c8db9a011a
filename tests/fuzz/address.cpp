// Interfaces' addresses.
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "fuzz/messages.hpp"
#include "fuzz/netlink_mutator.hpp"
#include "netlink/route_codec.hpp"

using namespace smtpegress;

const std::size_t fuzz::kHeaderSize = sizeof(ifaddrmsg);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto address = netlink::decode_address(fuzz::Message(fuzz::Bytes(data, size)).header());
  if (!address) {
    fuzz::must_be_malformed(address.error());
    return 0;
  }
  const auto network = address->network();
  fuzz::must(network.contains(address->local), "an address lies in its network");
  fuzz::must(Prefix::parse(network.to_string()).has_value(), "an address has a network");
  return 0;
}
