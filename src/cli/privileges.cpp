#include "cli/privileges.hpp"

#include <sys/capability.h>
#include <sys/prctl.h>

#include <cerrno>
#include <memory>
#include <type_traits>

namespace smtpegress::cli {
namespace {

struct Free {
  void operator()(cap_t capabilities) const { ::cap_free(capabilities); }
};
using Capabilities = std::unique_ptr<std::remove_pointer_t<cap_t>, Free>;

}  // namespace

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
  cap_flag_value_t has_net_admin = CAP_CLEAR;
  constexpr cap_value_t kNetAdmin = CAP_NET_ADMIN;
  if (::cap_get_flag(held.get(), kNetAdmin, CAP_PERMITTED, &has_net_admin) != 0) {
    return refused();
  }
  if (has_net_admin == CAP_SET && (::cap_set_flag(kept.get(), CAP_PERMITTED, 1, &kNetAdmin, CAP_SET) != 0 ||
                                   ::cap_set_flag(kept.get(), CAP_EFFECTIVE, 1, &kNetAdmin, CAP_SET) != 0)) {
    return refused();
  }
  for (const cap_value_t right : {CAP_SYS_PTRACE, CAP_SYS_ADMIN, CAP_SETUID}) {
    cap_flag_value_t has = CAP_CLEAR;
    if (further == FurtherRights::kForProbe &&
        (::cap_get_flag(held.get(), right, CAP_PERMITTED, &has) != 0 ||
         (has == CAP_SET && ::cap_set_flag(kept.get(), CAP_PERMITTED, 1, &right, CAP_SET) != 0))) {
      return refused();
    }
  }
  if (::cap_set_proc(kept.get()) != 0 || ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return refused();
  }
  return {};
}

}  // namespace smtpegress::cli
