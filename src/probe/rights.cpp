#include "probe/rights.hpp"

#include <sys/capability.h>
#include <sys/fsuid.h>

#include <array>
#include <memory>
#include <type_traits>

namespace smtpegress::probe {
namespace {

struct Free {
  void operator()(cap_t capabilities) const { ::cap_free(capabilities); }
};
using Capabilities = std::unique_ptr<std::remove_pointer_t<cap_t>, Free>;

}  // namespace

void raise_rights() {
  const Capabilities held(::cap_get_proc());
  if (!held) {
    return;
  }
  for (const cap_value_t right : {CAP_SYS_PTRACE, CAP_SYS_ADMIN, CAP_SETUID}) {
    cap_flag_value_t permitted = CAP_CLEAR;
    if (::cap_get_flag(held.get(), right, CAP_PERMITTED, &permitted) == 0 && permitted == CAP_SET) {
      ::cap_set_flag(held.get(), CAP_EFFECTIVE, 1, &right, CAP_SET);
    }
  }
  ::cap_set_proc(held.get());  // of this thread; without it the steps that need it say so
}

/// A socket's user is its maker's fsuid, of the socket itself (routing) and of its file (nft's `meta skuid`). fchown(2)
/// would change the first alone.
bool make_sockets_as(std::uint32_t uid) {
  ::setfsuid(uid);
  return static_cast<std::uint32_t>(::setfsuid(uid)) == uid;  // it returns what was before
}

}  // namespace smtpegress::probe
