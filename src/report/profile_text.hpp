// What stands in the text of a profile or a record, whether it is one or is damaged. So nothing is parsed: a key is
// looked for by its name, wherever it stands.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace smtpegress::report {

/// With the characters themselves where escapes stand for them (m\u00fcller, 10.0.0.0\/8), also in a text within a text
/// ([\"m\\u00fcller\"]): so a name is spelt one way. Quotes, backslashes and control characters stay escaped; what is
/// no escape stays.
[[nodiscard]] std::string with_plain_letters(std::string_view json);

/// The same without any backslash, so that a text within a text stands there by itself, and with spaces for control
/// characters, where a name ends.
[[nodiscard]] std::string without_escapes(std::string_view json);

/// With `...` for what a person wrote in words of their own (the key "description"), be it a text, a list or an object.
[[nodiscard]] std::string without_descriptions(std::string_view json);

/// The texts, and those of lists, that a key has as its value: "alice" and "bob" of two `"name"`. Escapes in them stay.
[[nodiscard]] std::vector<std::string> texts_of(std::string_view json, std::string_view key);

}  // namespace smtpegress::report
