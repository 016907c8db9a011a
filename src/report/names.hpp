// Names of machines and of domains, by what they look like in a text.
#pragma once

#include <cctype>
#include <string>
#include <string_view>
#include <vector>

namespace smtpegress::report {

/// A letter of ASCII, a digit, '-', '_' or '.'.
[[nodiscard]] inline bool is_of_name(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.';
}
/// The same or a part of a letter beyond ASCII, in UTF-8: of "müller.example".
[[nodiscard]] inline bool is_of_any_name(char c) {
  return is_of_name(c) || static_cast<unsigned char>(c) >= 0x80;
}

/// As two of them are compared: in lower case, without the dots at either end ("*.example.org", "Example.org.").
[[nodiscard]] std::string bare_name(std::string_view name);

/// All in a text, bare: "alice", "miller" of "Alice Miller".
[[nodiscard]] std::vector<std::string> names_in(std::string_view text);

/// Those in a text that have a dot and are no address or number, bare: "mx.example.org" of "smtp://mx.example.org:25".
[[nodiscard]] std::vector<std::string> dotted_names_in(std::string_view text);

/// Of those, what looks like a full name whatever stands around it. No parts of paths, no files ("mailu-home.json"),
/// and no key of a profile ("inner.remote").
[[nodiscard]] std::vector<std::string> full_names_in(std::string_view text);

}  // namespace smtpegress::report
