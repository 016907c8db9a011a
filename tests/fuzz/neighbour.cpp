// Entries of neighbour tables.
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "fuzz/messages.hpp"
#include "fuzz/netlink_mutator.hpp"
#include "netlink/tunnel_codec.hpp"

using namespace smtpegress;

const std::size_t fuzz::kHeaderSize = sizeof(ndmsg);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr int kLink = 7;
  const auto neighbour = netlink::decode_neighbour(fuzz::Message(fuzz::Bytes(data, size)).header(), kLink);
  if (!neighbour) {
    fuzz::must_be_malformed(neighbour.error());
  } else if (*neighbour) {
    fuzz::must(IpAddress::parse((*neighbour)->address.to_string()).value() == (*neighbour)->address,
               "a neighbour's address is one");
  }
  return 0;
}
