// The kernel's WireGuard: what it says reads the same in the words of a userspace WireGuard.
#include <linux/genetlink.h>

#include "fuzz/messages.hpp"
#include "fuzz/netlink_mutator.hpp"
#include "fuzz/uapi_text.hpp"
#include "netlink/wireguard.hpp"
#include "netlink/wireguard_codec.hpp"

using namespace smtpegress;

const std::size_t fuzz::kHeaderSize = sizeof(genlmsghdr);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Message message(fuzz::Bytes(data, size));
  (void)netlink::decode_family(message.header());
  WireGuardDevice device{.name = IfName::parse("wg0").value(), .peers = {}};
  if (const auto read = netlink::decode_device(device, message.header()); !read) {
    fuzz::must_be_malformed(read.error());
    return 0;
  }
  const auto again = netlink::parse_uapi(device.name, fuzz::uapi_text(device));
  fuzz::must(again && fuzz::same(*again, device), "both WireGuards' readers see the same peers");
  return 0;
}
