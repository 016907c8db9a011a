#include "cli/privileges.hpp"

#include <sys/capability.h>
#include <sys/prctl.h>

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

/// Those of them that there are.
Result<void> keep_only(std::initializer_list<cap_value_t> wanted) {
  const auto refused = [] {
    const int error = errno;
    return system_error("give up capabilities", "all but CAP_NET_ADMIN", error);
  };
  const Capabilities held(::cap_get_proc());
  const Capabilities kept(::cap_init());  // none
  if (!held || !kept) {
    return refused();
  }
  for (const cap_value_t capability : wanted) {
    cap_flag_value_t has = CAP_CLEAR;
    if (::cap_get_flag(held.get(), capability, CAP_PERMITTED, &has) != 0) {
      return refused();
    }
    if (has == CAP_SET && (::cap_set_flag(kept.get(), CAP_PERMITTED, 1, &capability, CAP_SET) != 0 ||
                           ::cap_set_flag(kept.get(), CAP_EFFECTIVE, 1, &capability, CAP_SET) != 0)) {
      return refused();
    }
  }
  if (::cap_set_proc(kept.get()) != 0 || ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return refused();
  }
  return {};
}

}  // namespace

Result<void> keep_only_net_admin() {
  return keep_only({CAP_NET_ADMIN});
}

Result<void> keep_only_what_knocks() {
  return keep_only({CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_SYS_PTRACE, CAP_SETUID});
}

}  // namespace smtpegress::cli
