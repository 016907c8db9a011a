#include "smtpegress/error.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "net/printable.hpp"

namespace smtpegress {

std::string printable(std::string_view text) {
  std::string shown;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    shown += byte < ' ' || byte == 0x7f ? fmt::format("\\x{:02x}", byte) : std::string(1, c);
  }
  return shown;
}

std::string Error::message() const {
  std::string text = operation;
  if (!object.empty()) {
    text += (text.empty() ? "" : " ") + object;
  }
  std::string reason;
  if (errnum != 0) {
    reason = ::strerrordesc_np(errnum) != nullptr ? ::strerrordesc_np(errnum) : "unknown error";
    if (const char* name = ::strerrorname_np(errnum); name != nullptr) {
      reason += std::string(" (") + name + ")";
    }
  }
  if (!kernel_text.empty()) {
    reason += (reason.empty() ? "" : ", kernel says: ") + kernel_text;
  }
  if (!reason.empty()) {
    text += ": " + reason;
  }
  if (!hint.empty()) {
    text += (reason.empty() ? ": " : "; ") + hint;
  }
  return printable(text);
}

int exit_code_of(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::kUsage:
    case ErrorKind::kDamaged:
    case ErrorKind::kElsewhere:
      return 2;
    case ErrorKind::kNotEnabled:
      return 3;
    case ErrorKind::kPermission:
      return 4;
    case ErrorKind::kKernel:
    case ErrorKind::kStale:
      return 5;
  }
  return 5;
}

std::unexpected<Error> usage_error(std::string operation, std::string object, std::string hint) {
  return std::unexpected(Error{.kind = ErrorKind::kUsage,
                               .operation = std::move(operation),
                               .object = std::move(object),
                               .errnum = 0,
                               .kernel_text = {},
                               .hint = std::move(hint)});
}

std::unexpected<Error> system_error(std::string operation, std::string object, int errnum, std::string kernel_text,
                                    std::string hint) {
  const bool denied = errnum == EPERM || errnum == EACCES;
  return std::unexpected(Error{.kind = denied ? ErrorKind::kPermission : ErrorKind::kKernel,
                               .operation = std::move(operation),
                               .object = std::move(object),
                               .errnum = errnum,
                               .kernel_text = std::move(kernel_text),
                               .hint = std::move(hint)});
}

}  // namespace smtpegress
