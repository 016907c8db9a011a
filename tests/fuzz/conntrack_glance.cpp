// The kernel's list of flows as text: whatever else stands in it, a tcp flow to the port is never missed.
#include "kernel/conntrack_glance.hpp"

#include <sstream>

#include "fuzz/fuzz.hpp"

using namespace smtpegress;

namespace {

bool lists(const std::string& list, PortRange ports) {
  std::istringstream stream(list);
  return lists_tcp_to(stream, IpFamily::kV4, {ports});
}

std::string flow_to(std::uint16_t port) {
  return "ipv4     2 tcp      6 86399 ESTABLISHED src=192.168.203.2 dst=198.51.100.7 sport=40000 dport=" +
         std::to_string(port) + " src=198.51.100.7 dst=10.0.1.2 sport=" + std::to_string(port) +
         " dport=40000 [ASSURED] mark=25 zone=0 use=2\n";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) {
    return 0;
  }
  const auto port = static_cast<std::uint16_t>(data[0] << 8U | data[1]);
  const std::string list(fuzz::text_of({data + 2, size - 2}));
  const bool listed = lists(list, {25, 25});
  fuzz::must(!listed || list.find(" tcp ") != std::string::npos, "without tcp there is no flow to the port");
  fuzz::must(listed == lists("\n" + list, {25, 25}), "an empty line makes no difference");

  fuzz::must(lists(list + "\n" + flow_to(25), {25, 25}), "a flow to the port is seen behind anything");
  fuzz::must(lists(flow_to(25) + list, {25, 25}), "a flow to the port is seen before anything");
  fuzz::must(lists(flow_to(port), {25, 26}) == (port == 25 || port == 26), "a flow's port is the original one's");
  return 0;
}
