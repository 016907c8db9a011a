// The answer of a userspace WireGuard: written again it reads the same, and cut short it is no answer.
#include "fuzz/fuzz.hpp"
#include "fuzz/uapi_text.hpp"
#include "netlink/wireguard.hpp"

using namespace smtpegress;

namespace {

/// Where the answer's last line begins. Precondition: it has one.
std::size_t verdict_in(std::string_view answer) {
  constexpr std::string_view kVerdict = "errno=";
  return answer.starts_with(kVerdict) ? 0 : answer.find("\n" + std::string(kVerdict)) + 1;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto answer = fuzz::text_of({data, size});
  const auto name = IfName::parse("wg0").value();
  const auto device = netlink::parse_uapi(name, answer);
  if (!device) {
    fuzz::must(device.error().errnum > 0, "an error has a number");
    fuzz::must_be_readable(device.error());
    return 0;
  }
  const auto again = netlink::parse_uapi(name, fuzz::uapi_text(*device));
  fuzz::must(again && fuzz::same(*again, *device), "a device that is written reads the same");

  const auto end = answer.find('\n', verdict_in(answer));
  fuzz::must(!netlink::parse_uapi(name, answer.substr(0, end)), "an answer without its end is an error");
  fuzz::must(netlink::parse_uapi(name, answer.substr(0, end + 1)).has_value(), "nothing behind the end is read");
  return 0;
}
