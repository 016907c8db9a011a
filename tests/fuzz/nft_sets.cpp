// Named sets, and elements of every type: what is read of them is written, and reads the same; nothing else is read.
#include "fuzz/netlink_mutator.hpp"
#include "fuzz/nft_messages.hpp"
#include "netlink/nft_set_codec.hpp"

using namespace smtpegress;

const std::size_t fuzz::kHeaderSize = sizeof(nfgenmsg);

namespace {

void try_set(const nlmsghdr* message) {
  const auto set = netlink::decode_set(message);
  if (!set || !set->type || set->key.table.name.empty() || set->key.name.empty() || set->key.table.name.size() > 255 ||
      set->key.name.size() > 255) {
    return;
  }
  const auto written = fuzz::payload_of_step(nft::AddSet{set->key, *set->type});
  fuzz::must(written.has_value(), "a set that is read can be made");
  const auto again = netlink::decode_set(fuzz::Message(*written).header());
  fuzz::must(again && again->key == set->key && again->type == set->type, "a set that is written reads the same");
}

void try_elements(const nlmsghdr* message, const nft::SetType& type) {
  auto elements = netlink::decode_elements(message, type);
  if (!elements || elements->empty() || elements->size() > nft::kElementsInStep) {
    return;
  }
  for (auto& element : *elements) {
    if (*netlink::wrong_with(element, type) != '\0') {
      return;  // an interface without a name
    }
    element.altered = false;  // what makes it so is not written
  }
  const auto written = fuzz::payload_of_step(nft::AddElements{{{nft::Family::kInet, "t"}, "s"}, type, *elements});
  fuzz::must(written.has_value(), "elements that are read can be made");
  const auto again = netlink::decode_elements(fuzz::Message(*written).header(), type);
  fuzz::must(again && *again == *elements, "elements that are written read the same");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Message message({data, size});
  try_set(message.header());
  for (const bool by_interface : {false, true}) {
    for (const auto family : kBothFamilies) {
      try_elements(message.header(), {.by_interface = by_interface, .by_address = family, .to = {}});
      try_elements(message.header(), {.by_interface = by_interface, .by_address = family, .to = family});
    }
  }
  try_elements(message.header(), {.by_interface = true, .by_address = {}, .to = {}});
  return 0;
}
