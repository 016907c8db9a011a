// The fuzzers' first inputs: real values, made by the encoders and by hand where there is no encoder.
#pragma once

#include <filesystem>
#include <string>

#include "fuzz/fuzz.hpp"

namespace smtpegress::fuzz {

/// Writes inputs to DIRECTORY/FUZZER, numbered.
class Seeds {
 public:
  explicit Seeds(std::filesystem::path directory) : directory_(std::move(directory)) {}
  void add(const std::string& fuzzer, Bytes input);
  void add(const std::string& fuzzer, std::string_view input);

 private:
  std::filesystem::path directory_;
  int count_ = 0;
};

void add_nft_seeds(Seeds& seeds);
void add_legacy_seeds(Seeds& seeds);
void add_route_seeds(Seeds& seeds);
void add_other_netlink_seeds(Seeds& seeds);
void add_dns_seeds(Seeds& seeds);
/// Profiles are those of the source tree.
void add_text_seeds(Seeds& seeds, const std::filesystem::path& source_tree);

}  // namespace smtpegress::fuzz
