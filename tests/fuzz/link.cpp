// Links.
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "fuzz/messages.hpp"
#include "fuzz/netlink_mutator.hpp"
#include "netlink/route_codec.hpp"

using namespace smtpegress;

const std::size_t fuzz::kHeaderSize = sizeof(ifinfomsg);

namespace {

/// As the kernel would send it.
fuzz::Octets written(const Link& link) {
  ifinfomsg header{};
  header.ifi_index = link.index;
  header.ifi_flags = link.up ? 1U : 0U;  // IFF_UP, linux/if.h
  return fuzz::joined(
      {fuzz::octets(header), fuzz::attribute(IFLA_IFNAME, fuzz::octets(link.name.str() + '\0')),
       fuzz::attribute(IFLA_MTU, fuzz::octets(link.mtu)),
       fuzz::attribute(IFLA_LINKINFO, fuzz::attribute(IFLA_INFO_KIND, fuzz::octets(link.kind + '\0')))});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto link = netlink::decode_link(fuzz::Message(fuzz::Bytes(data, size)).header());
  if (!link) {
    fuzz::must_be_malformed(link.error());
    return 0;
  }
  fuzz::must(!link->half_made || (link->alias.empty() && link->encapsulation),
             "half made is only a tunnel without an alias");
  if (link->name.empty()) {
    return 0;  // nothing that could be written
  }
  fuzz::must(IfName::parse(link->name.str()).has_value(), "a link's name is one");
  const auto again = netlink::decode_link(fuzz::Message(written(*link)).header());
  fuzz::must(again && again->index == link->index && again->name == link->name && again->kind == link->kind &&
                 again->up == link->up && again->mtu == link->mtu,
             "a link that is written reads the same");
  return 0;
}
