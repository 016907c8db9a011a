// Routes and the answers to look-ups, which are routes too.
#include <linux/rtnetlink.h>
#include <netlink/msg.h>

#include <array>

#include "fuzz/messages.hpp"
#include "fuzz/netlink_mutator.hpp"
#include "netlink/route_codec.hpp"

using namespace smtpegress;

const std::size_t fuzz::kHeaderSize = sizeof(rtmsg);

namespace {

const std::array<Link, 3>& links() {
  static const std::array<Link, 3> kLinks{
      Link{.index = 2, .name = IfName::parse("eth0").value(), .kind = {}},
      Link{.index = 7, .name = IfName::parse("wg0").value(), .kind = "wireguard"},
      Link{.index = 8, .name = {}, .kind = {}},  // a name that the kernel allowed and IfName refuses
  };
  return kLinks;
}

int index_of(const IfName& name) {
  const auto link = std::ranges::find(links(), name, &Link::name);
  return name.empty() || link == links().end() ? 0 : link->index;
}

void must_agree(const Route& route, const netlink::DecodedAnswer& answer) {
  fuzz::must(route.table == answer.table && route.type == answer.type, "both readers see the same table and type");
  const bool by_other_family =
      std::ranges::any_of(route.other, [](const UnknownAttribute& a) { return a.type == RTA_VIA; });
  fuzz::must(by_other_family || route.gateway == answer.gateway, "both readers see the same gateway");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Bytes input(data, size);
  const fuzz::Message message(input);
  const auto route = netlink::decode_route(message.header(), links());
  const auto answer = netlink::decode_route_answer(message.header());
  if (!answer) {
    fuzz::must_be_malformed(answer.error());
  }
  if (!route) {
    fuzz::must_be_malformed(route.error());
    return 0;
  }
  fuzz::must(!to_string(*route).empty(), "a route can be shown");
  fuzz::must(Prefix::parse(route->destination.to_string()).has_value(), "a destination is a network");
  fuzz::must(netlink::is_ip_message(message.header()), "a route that is read is one of IP");
  if (answer) {
    must_agree(*route, *answer);
  }

  const auto written = netlink::encode_route(RTM_NEWROUTE, 0, *route, index_of(route->interface));
  fuzz::must(written || size > 3500, "a route that was read can be written, if it fits a page");
  if (written) {
    const auto again = netlink::decode_route(nlmsg_hdr(written->get()), links());
    fuzz::must(again && *again == *route, "a route that is written reads the same");
  }

  const auto more = netlink::decode_route(fuzz::Message(fuzz::with_unknown(input)).header(), links());
  fuzz::must(more && *more != *route, "an attribute that nobody knows makes another route");
  return 0;
}
