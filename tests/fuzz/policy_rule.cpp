// Policy rules: read, written and read again; what nobody knows is kept.
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>

#include "fuzz/messages.hpp"
#include "fuzz/netlink_mutator.hpp"
#include "netlink/route_codec.hpp"

using namespace smtpegress;

const std::size_t fuzz::kHeaderSize = sizeof(fib_rule_hdr);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Bytes input(data, size);
  const auto rule = netlink::decode_rule(fuzz::Message(input).header());
  if (!rule) {
    fuzz::must_be_malformed(rule.error());
    return 0;
  }
  fuzz::must(!to_string(*rule).empty(), "a rule can be shown");

  const auto written = netlink::encode_rule(RTM_NEWRULE, 0, *rule);
  fuzz::must(written || size > 3500, "a rule that was read can be written, if it fits a page");
  if (written) {
    const auto again = netlink::decode_rule(nlmsg_hdr(written->get()));
    fuzz::must(again && *again == *rule, "a rule that is written reads the same");
  }

  const auto more = netlink::decode_rule(fuzz::Message(fuzz::with_unknown(input)).header());
  fuzz::must(more && *more != *rule, "an attribute that nobody knows makes another rule");
  return 0;
}
