// Mail servers on the internet, as a person names them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "smtpegress/error.hpp"

namespace smtpegress {

/// A mail server to talk to, as a person names it.
struct MailServer {
  std::string host;                   ///< an address, or a name
  std::optional<std::uint16_t> port;  ///< absent: the profile's first

  /// "mx.example.org", "mx.example.org:25", "192.0.2.25", "2001:db8::25", "[2001:db8::25]:25".
  static Result<MailServer> parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;  ///< as parse() takes it
  auto operator<=>(const MailServer&) const = default;
};

}  // namespace smtpegress
