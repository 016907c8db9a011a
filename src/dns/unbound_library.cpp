#include "dns/unbound_library.hpp"

#include <dlfcn.h>

#include <bit>
#include <string>

namespace smtpegress::dns {
namespace {

constexpr const char* kSoname = "libunbound.so.8";  // of the header's version; another number is another interface

std::unexpected<Error> not_loaded() {
  const char* why = ::dlerror();
  return std::unexpected(Error{.kind = ErrorKind::kUsage,
                               .operation = "load",
                               .object = kSoname,
                               .errnum = 0,
                               .kernel_text = why != nullptr ? why : "",
                               .hint = "install Debian's package libunbound8, which asks the DNS"});
}

template <class Function>
bool find(void* library, const char* name, Function& function) {
  function = std::bit_cast<Function>(::dlsym(library, name));
  return function != nullptr;
}

}  // namespace

Result<UnboundLibrary> UnboundLibrary::load() {
  void* const library = ::dlopen(kSoname, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return not_loaded();
  }
  UnboundLibrary unbound;
  const bool found =
      find(library, "ub_ctx_create", unbound.ctx_create) && find(library, "ub_ctx_delete", unbound.ctx_delete) &&
      find(library, "ub_ctx_set_option", unbound.ctx_set_option) &&
      find(library, "ub_ctx_set_fwd", unbound.ctx_set_fwd) &&
      find(library, "ub_ctx_add_ta_file", unbound.ctx_add_ta_file) &&
      find(library, "ub_ctx_debugout", unbound.ctx_debugout) && find(library, "ub_ctx_async", unbound.ctx_async) &&
      find(library, "ub_fd", unbound.fd) && find(library, "ub_process", unbound.process) &&
      find(library, "ub_resolve_async", unbound.resolve_async) &&
      find(library, "ub_resolve_free", unbound.resolve_free) && find(library, "ub_strerror", unbound.strerror);
  return found ? Result<UnboundLibrary>(unbound) : not_loaded();
}

}  // namespace smtpegress::dns
