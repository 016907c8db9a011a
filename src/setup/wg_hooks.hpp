// What the hooks of a wg-quick configuration do with this program.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace smtpegress::setup {

/// The INSTANCE of each `smtp-egress enable` in a hook, as it is written there, but with the tunnel's name for %i;
/// empty where none is named. Words and quotes are the shell's (wg-quick(8) hands a hook to bash); variables and what a
/// hook does by another program are not looked into.
[[nodiscard]] std::vector<std::string> enabled_by(std::string_view hook, std::string_view tunnel);

}  // namespace smtpegress::setup
