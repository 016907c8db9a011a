// Docker's answer about a network: an HTTP status in the first byte, times two; then the body.
#include "docker/networks.hpp"
#include "fuzz/fuzz.hpp"

using namespace smtpegress;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::string body(data + 1, data + size);
  const auto subnets = docker::subnets_in_answer("mailu_default", 2U * data[0], body);
  if (!subnets) {
    fuzz::must(subnets.error().kind == ErrorKind::kUsage, "an answer that is none is told to the person");
    fuzz::must_be_readable(subnets.error());
    return 0;
  }
  fuzz::must(2U * data[0] == 200 && !subnets->empty(), "only a good answer names subnets");
  for (const auto& subnet : *subnets) {
    const auto again = Prefix::parse(subnet.to_string());
    fuzz::must(again && *again == subnet, "a subnet is a network");
  }
  return 0;
}
