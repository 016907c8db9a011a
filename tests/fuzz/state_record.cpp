// The records of the state directory.
#include "engine/state_record.hpp"

#include <filesystem>

#include "fuzz/fuzz.hpp"

using namespace smtpegress;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto record = read_record("fuzz", "fuzz.json", fuzz::text_of({data, size}));
  if (!record) {
    fuzz::must(record.error().kind == ErrorKind::kUsage, "a record that is refused is the user's to mend");
    fuzz::must_be_readable(record.error());
    return 0;
  }
  // Keys become paths that disable writes to.
  for (const auto& sysctl : record->sysctls) {
    const auto path = std::filesystem::path("/proc/sys/" + sysctl.key).lexically_normal().string();
    fuzz::must(path.starts_with("/proc/sys/net/ipv4/"), "a record's sysctl lies below net/ipv4");
    fuzz::must(sysctl.key.find('\0') == std::string::npos, "a sysctl's key is a path");
  }
  const auto again = read_record("fuzz", "fuzz.json", record_to_json(*record));
  fuzz::must(again && *again == *record, "a record that is written reads the same");
  return 0;
}
