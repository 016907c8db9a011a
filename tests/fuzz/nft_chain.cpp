// Tables and chains of nf_tables.
#include "fuzz/netlink_mutator.hpp"
#include "fuzz/nft_messages.hpp"

using namespace smtpegress;

const std::size_t fuzz::kHeaderSize = sizeof(nfgenmsg);

namespace {

void check_table(const nlmsghdr* message) {
  const auto table = netlink::decode_table(message);
  if (!table) {
    fuzz::must_be_malformed(table.error());
    return;
  }
  const auto written = fuzz::payload_of_step(nft::AddTable{table->key, table->dormant});
  fuzz::must(written.has_value() == fuzz::name_fits(table->key.name), "a table that was read can be written");
  if (written) {
    const auto again = netlink::decode_table(fuzz::Message(*written).header());
    fuzz::must(again && again->key == table->key && again->dormant == table->dormant,
               "a table that is written reads the same");
  }
}

void check_chain(const nlmsghdr* message) {
  const auto chain = netlink::decode_chain(message);
  if (!chain) {
    fuzz::must_be_malformed(chain.error());
    return;
  }
  if (!chain->hook || chain->key.table.family == nft::Family::kNetdev) {
    return;  // no step makes a chain without a hook, or one of devices
  }
  const auto written = fuzz::payload_of_step(nft::AddChain{chain->key, *chain->hook});
  fuzz::must(written.has_value() == fuzz::name_fits(chain->key), "a chain that was read can be written");
  if (written) {
    const auto again = netlink::decode_chain(fuzz::Message(*written).header());
    fuzz::must(again && again->key == chain->key && again->hook == chain->hook,
               "a chain that is written reads the same");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Message message({data, size});
  check_table(message.header());
  check_chain(message.header());
  return 0;
}
