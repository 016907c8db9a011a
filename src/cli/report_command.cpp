#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>

#include "cli/support_report.hpp"
#include "cli/whole_file.hpp"

namespace smtpegress::cli {
namespace {

constexpr const char* kOperation = "write report";
constexpr const char* kStandardOutput = "-";
constexpr mode_t kMode = 0600;  // who may read it, whoever made it decides

/// A device or a pipe would be replaced by a file, and a link's target not be written.
Result<void> refuse_what_is_no_file(const std::string& path) {
  struct stat seen {};
  return ::lstat(path.c_str(), &seen) == 0 && !S_ISREG(seen.st_mode)
             ? usage_error(kOperation, path, "is there and no regular file; `smtp-egress report > FILE` writes to it")
             : Result<void>();
}

Result<void> write(const std::string& path, std::string_view text, Existing existing) {
  if (auto may_be = refuse_what_is_no_file(path); !may_be) {
    return may_be;
  }
  const int failed = write_whole_file(path, text, kMode, existing);
  if (failed == 0) {
    return {};
  }
  if (failed == EEXIST) {
    return usage_error(kOperation, path, "is there already; --force replaces it");
  }
  auto refused = system_error(kOperation, path, failed, {},
                              "name another file, or let your shell write it: `smtp-egress report > FILE`");
  if (refused.error().kind == ErrorKind::kKernel) {
    refused.error().kind = failed == EROFS ? ErrorKind::kPermission : ErrorKind::kUsage;
  }
  return refused;
}

}  // namespace

Result<int> run_report(const Options& options, const Informants& ask, Subject subject) {
  const auto report = collect_report(ask, std::move(subject));
  if (!report) {
    return std::unexpected(report.error());
  }
  const auto text = options.format == Format::kJson ? report_json(options, *report, 0) : report_text(*report);
  const auto& [path, existing] = options.report;
  if (path.empty() || path == kStandardOutput) {
    std::fputs(text.c_str(), stdout);
    return 0;
  }
  if (auto written = write(path, text, existing); !written) {
    return std::unexpected(written.error());
  }
  if (options.verbosity != Verbosity::kQuiet) {
    std::fprintf(stderr, "%s is written. Read it through before you give it to anybody.\n", path.c_str());
  }
  return 0;
}

}  // namespace smtpegress::cli
