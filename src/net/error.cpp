#include "smtpegress/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "net/printable.hpp"

namespace smtpegress {

std::size_t control_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t place) {
    return static_cast<unsigned char>(place < text.size() ? text[place] : ' ');
  };
  if (byte(at) < ' ' || byte(at) == 0x7f) {
    return 1;
  }
  const bool is_c1 = byte(at) == 0xc2 && byte(at + 1) >= 0x80 && byte(at + 1) <= 0x9f;  // U+0080 to U+009F in UTF-8
  return is_c1 ? 2 : 0;
}

std::string printable(std::string_view text) {
  std::string shown;
  shown.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const auto length = control_at(text, at);
    for (const char c : text.substr(at, length)) {
      shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
    shown += length == 0 ? text.substr(at, 1) : "";
    at += std::max<std::size_t>(length, 1);
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
