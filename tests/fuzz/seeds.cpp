// fuzz-seeds DIRECTORY SOURCE_TREE
#include "fuzz/seeds.hpp"

#include <fmt/format.h>

#include <fstream>

namespace smtpegress::fuzz {

void Seeds::add(const std::string& fuzzer, Bytes input) {
  add(fuzzer, text_of(input));
}

void Seeds::add(const std::string& fuzzer, std::string_view input) {
  std::filesystem::create_directories(directory_ / fuzzer);
  std::ofstream(directory_ / fuzzer / fmt::format("{:03}", ++count_), std::ios::binary) << input;
}

}  // namespace smtpegress::fuzz

int main(int argc, char** argv) {
  using namespace smtpegress::fuzz;
  must(argc == 3, "usage: fuzz-seeds DIRECTORY SOURCE_TREE");
  Seeds seeds(argv[1]);
  add_nft_seeds(seeds);
  add_legacy_seeds(seeds);
  add_route_seeds(seeds);
  add_other_netlink_seeds(seeds);
  add_text_seeds(seeds, argv[2]);
  add_dns_seeds(seeds);
  return 0;
}
