// An end's descriptor, as it came over.
#include "setup/descriptor.hpp"

#include "fuzz/fuzz.hpp"
#include "setup/pair.hpp"

using namespace smtpegress;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto read = setup::parse_descriptor("fuzz", fuzz::text_of({data, size}));
  if (!read) {
    fuzz::must(read.error().kind == ErrorKind::kUsage, "a descriptor that is refused is the user's to mend");
    fuzz::must_be_readable(read.error());
    return 0;
  }
  const auto again = setup::parse_descriptor("again", setup::descriptor_to_json(*read));
  fuzz::must(again && *again == *read, "a descriptor that is written reads the same");
  for (const auto& check : setup::compare_ends(*read, *read)) {
    fuzz::must(!check.title.empty() && (check.outcome == Outcome::kFailed) == !check.mend.empty(),
               "a failed check has a mend");
  }
  return 0;
}
