// The records of the state directory.
#include "engine/state_record.hpp"

#include <filesystem>

#include "fuzz/fuzz.hpp"

using namespace smtpegress;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of({data, size});
  (void)is_intact(text);
  const auto written = read_record("fuzz", "fuzz.json", text);
  if (!written) {
    fuzz::must(exit_code_of(written.error().kind) == 2, "a record that is refused is the user's to mend");
    fuzz::must_be_readable(written.error());
    return 0;
  }
  const auto* const record = &written->record;
  // Keys become paths that disable writes to.
  for (const auto& sysctl : record->sysctls.saved) {
    const auto path = std::filesystem::path("/proc/sys/" + sysctl.key).lexically_normal().string();
    fuzz::must(path.starts_with("/proc/sys/net/ipv4/"), "a record's sysctl lies below net/ipv4");
    fuzz::must(sysctl.key.find('\0') == std::string::npos, "a sysctl's key is a path");
  }
  const auto sealed = record_to_json(*record, written->about);
  fuzz::must(is_intact(sealed), "what is written carries its checksum");
  const auto again = read_record("fuzz", "fuzz.json", sealed);
  fuzz::must(again && again->record == *record && again->about == written->about,
             "a record that is written reads the same");
  const auto left = read_left(left_to_json(record->sysctls, written->about), written->about);
  fuzz::must(left == record->sysctls, "what is left to others reads the same");
  (void)read_left(text, written->about);
  return 0;
}
