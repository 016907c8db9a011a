#include "cli/privileges.hpp"

#include <sys/capability.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cerrno>
#include <initializer_list>
#include <memory>
#include <type_traits>

namespace smtpegress::cli {
namespace {

struct Free {
  void operator()(cap_t capabilities) const { ::cap_free(capabilities); }
};
using Capabilities = std::unique_ptr<std::remove_pointer_t<cap_t>, Free>;

/// And not a name, which stands for a file in root's own directories.
bool is_path(const std::string& instance) {
  return instance.find('/') != std::string::npos || instance.ends_with(".json");
}

}  // namespace

FurtherRights rights_for(const Options& options) {
  const auto& setup = options.setup;
  return {.probe = options.probe.asked || options.follow.probe,
          .read_any_file = is_path(options.instance) || std::ranges::any_of(options.files, is_path) ||
                           !setup.from_home.empty() || !setup.with.empty() || setup.wg_conf ||
                           !options.dns.trust_anchor.empty(),
          .write_any_file = !options.report.output.empty()};
}

Result<void> keep_only_net_admin(FurtherRights further) {
  const auto refused = [] {
    const int error = errno;
    return system_error("give up capabilities", "all but CAP_NET_ADMIN", error);
  };
  const Capabilities held(::cap_get_proc());
  const Capabilities kept(::cap_init());  // none
  if (!held || !kept) {
    return refused();
  }
  const auto keep = [&](cap_value_t right, std::initializer_list<cap_flag_t> sets) {
    cap_flag_value_t has = CAP_CLEAR;
    return ::cap_get_flag(held.get(), right, CAP_PERMITTED, &has) == 0 &&
           (has == CAP_CLEAR || std::ranges::all_of(sets, [&](cap_flag_t set) {
              return ::cap_set_flag(kept.get(), set, 1, &right, CAP_SET) == 0;
            }));
  };
  bool done = keep(CAP_NET_ADMIN, {CAP_PERMITTED, CAP_EFFECTIVE});
  for (const cap_value_t right : {CAP_SYS_PTRACE, CAP_SYS_ADMIN, CAP_SETUID}) {
    done = done && (!further.probe || keep(right, {CAP_PERMITTED}));
  }
  done = done && (!further.read_any_file || keep(CAP_DAC_READ_SEARCH, {CAP_PERMITTED, CAP_EFFECTIVE}));
  done = done && (!further.write_any_file || keep(CAP_DAC_OVERRIDE, {CAP_PERMITTED, CAP_EFFECTIVE}));
  if (!done) {
    return refused();
  }
  if (::cap_set_proc(kept.get()) != 0 || ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return refused();
  }
  return {};
}

}  // namespace smtpegress::cli
