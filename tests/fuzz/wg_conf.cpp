// A wg-quick configuration, whatever is in it.
#include "setup/wg_conf.hpp"

#include <algorithm>

#include "fuzz/fuzz.hpp"

using namespace smtpegress;

namespace {

/// What is told of a file that others may have written: never a line of it, but numbers and what was asked for.
void must_be_sound(const setup::WgConf& conf, std::string_view text) {
  const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  for (const auto line : conf.odd_lines) {
    fuzz::must(line >= 1 && line <= lines, "an odd line is one of the file's");
  }
  for (const auto& peer : conf.peers) {
    fuzz::must(peer.line >= 1 && peer.line <= lines, "a peer stands in the file");
    for (const auto& network : peer.allowed_ips) {
      const auto again = Prefix::parse(network.to_string());
      fuzz::must(again && *again == network, "an allowed IP is a network without host bits");
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of({data, size});
  const auto conf = setup::parse_wg_conf(text);
  must_be_sound(conf, text);
  for (const auto side : {Side::kHome, Side::kVps}) {
    const setup::WgConfWants wants{
        .side = side, .tunnel = "wg0", .instance = "x", .peer_key = {}, .through = {Prefix::everything(IpFamily::kV4)}};
    for (const auto& mistake : setup::check_wg_conf(conf, wants)) {
      fuzz::must(!mistake.mend.empty(), "a mistake has a mend");
      fuzz::must_be_readable({.kind = ErrorKind::kUsage,
                              .operation = mistake.what,
                              .object = mistake.mend,
                              .errnum = 0,
                              .kernel_text = {},
                              .hint = {}});
      for (const char c : mistake.what + mistake.mend) {
        fuzz::must(c != '\n' && c != '\x1b', "a mistake is a line that does nothing to a terminal");
      }
    }
  }
  return 0;
}
