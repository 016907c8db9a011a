// Errors as values. A function that can fail for a reason outside the program returns Result<T>; exceptions are
// left for bugs. Each error can be read aloud to the person who has to act on it.
#pragma once

#include <cstdint>
#include <expected>
#include <string>

namespace smtpegress {

/// What an error means to the caller; each kind has one exit code (exit_code_of).
enum class ErrorKind : std::uint8_t {
  kUsage,       ///< The command line or the profile is wrong, or the host is not one it can be applied to, or another
                ///< run is at work. Nothing was touched.
  kNotEnabled,  ///< status or verify of an instance that is not enabled.
  kPermission,  ///< EPERM or EACCES where CAP_NET_ADMIN or a writable state directory is needed, EROFS of the latter.
  kKernel,      ///< The kernel refused; what had been done was rolled back.
  kDamaged,     ///< A state file is not as it was written; what it held is not known.
  kElsewhere,   ///< A state file is about another network namespace than this one. Nothing was touched.
  kStale,       ///< The host changed between observing and committing; observe anew. Never reaches a person.
};

/// One failure: what was being done, to which object, what the kernel said, and what to do next.
struct Error {
  ErrorKind kind = ErrorKind::kKernel;
  std::string operation;    ///< "add route", "read profile"
  std::string object;       ///< "default dev wg0 table 100", "/etc/smtp-egress/x.json: key 'mark'"
  int errnum = 0;           ///< errno, positive; 0 where none is involved
  std::string kernel_text;  ///< the kernel's extended ack text, where it gave one
  std::string hint;         ///< what to do next; never ends in a full stop twice

  /// One line, control characters in it as \x1b:
  /// "add route default dev wg0 table 100: Network is down (ENETDOWN); bring wg0 up".
  [[nodiscard]] std::string message() const;
};

/// 2 usage or damaged, 3 not enabled, 4 permission, 5 kernel; fixed by the command line's documentation.
[[nodiscard]] int exit_code_of(ErrorKind kind) noexcept;

/// A value or an Error. A class of its own, and not an alias, because only a class can be [[nodiscard]].
template <class T>
class [[nodiscard]] Result : public std::expected<T, Error> {
 public:
  using std::expected<T, Error>::expected;
};

/// An error of kind kUsage, the most common to write by hand.
[[nodiscard]] std::unexpected<Error> usage_error(std::string operation, std::string object, std::string hint);

/// An error from errno. EPERM and EACCES become kPermission, all else kKernel.
[[nodiscard]] std::unexpected<Error> system_error(std::string operation, std::string object, int errnum,
                                                  std::string kernel_text = {}, std::string hint = {});

}  // namespace smtpegress
