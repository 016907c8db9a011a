// What stands in the text of a profile or a record, whether it is one or is damaged. So nothing is parsed: a key is
// looked for by its name, wherever it stands.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace smtpegress::report {

/// With `...` for what a person wrote in words of their own (the key "description").
[[nodiscard]] std::string without_descriptions(std::string_view json);

/// The texts, and those of lists, that a key has as its value: "alice" and "bob" of two `"name"`. Escapes in them stay.
[[nodiscard]] std::vector<std::string> texts_of(std::string_view json, std::string_view key);

}  // namespace smtpegress::report
