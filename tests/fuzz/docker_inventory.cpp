// Docker's lists of networks and containers: which of the two and an HTTP status in the first byte; then the body.
#include "docker/inventory.hpp"

#include "fuzz/fuzz.hpp"
#include "setup/mail_stacks.hpp"

using namespace smtpegress;

namespace {

template <class List>
void must_be_told(const List& list) {
  if (!list) {
    fuzz::must(list.error().kind == ErrorKind::kUsage, "an answer that is none is told to the person");
    fuzz::must_be_readable(list.error());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::string body(data + 1, data + size);
  const unsigned status = data[0] < 128 ? 200 : 2U * data[0];
  docker::Inventory inventory;
  if (data[0] % 2 == 0) {
    auto networks = docker::networks_in_answer(status, body);
    must_be_told(networks);
    inventory.networks = networks ? *networks : inventory.networks;
  } else {
    auto containers = docker::containers_in_answer(status, body);
    must_be_told(containers);
    inventory.containers = containers ? *containers : inventory.containers;
  }
  for (const auto& network : setup::mail_networks(inventory)) {
    fuzz::must(!network.stack.empty() && !network.network.subnets.empty(), "a mail stack's network has subnets");
  }
  return 0;
}
