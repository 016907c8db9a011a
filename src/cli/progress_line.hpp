// What is being waited for, told to a person who watches.
#pragma once

#include <unistd.h>

#include <cstdio>
#include <string>

#include "cli/options.hpp"

namespace smtpegress::cli {

/// A line on a terminal that is written anew, and gone in the end.
class ProgressLine {
 public:
  explicit ProgressLine(const Options& options)
      : shown_(options.format == Format::kText && options.verbosity != Verbosity::kQuiet &&
               ::isatty(STDERR_FILENO) == 1) {}
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ~ProgressLine() {
    if (is_written_) {
      show("");
    }
  }
  void show(const std::string& text) {
    if (shown_) {
      is_written_ = true;
      std::fprintf(stderr, "\r\x1b[K%s", text.c_str());
      std::fflush(stderr);
    }
  }

 private:
  bool shown_;
  bool is_written_ = false;
};

}  // namespace smtpegress::cli
