// What the fuzzers share. Each has one LLVMFuzzerTestOneInput, which reads its input as the program would and then says
// what must hold of what was read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <source_location>
#include <span>
#include <string_view>
#include <vector>

#include "smtpegress/error.hpp"

namespace smtpegress::fuzz {

using Bytes = std::span<const std::uint8_t>;
using Octets = std::vector<std::uint8_t>;

/// Ends the process where it does not, which libFuzzer reports with the input that did it.
inline void must(bool holds, std::string_view what,
                 const std::source_location& where = std::source_location::current()) {
  if (!holds) {
    std::fprintf(stderr, "%s:%u: does not hold: %.*s\n", where.file_name(), static_cast<unsigned>(where.line()),
                 static_cast<int>(what.size()), what.data());
    std::abort();
  }
}

inline std::string_view text_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// What error.hpp promises of every error: something to read aloud, in one line that does nothing to a terminal.
inline void must_be_readable(const Error& error) {
  const auto message = error.message();
  must(!message.empty(), "an error says something");
  for (const char c : message) {
    const auto byte = static_cast<unsigned char>(c);
    must(byte >= 0x20 && byte != 0x7f, "an error's message is one line without control characters");
  }
}

}  // namespace smtpegress::fuzz
