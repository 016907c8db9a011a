// libunbound, loaded when it is wanted: it and what it needs take longer to load than a whole run of the program, and a
// host that never asks the DNS need not have it.
#pragma once

#include <unbound.h>

#include <memory>

#include "smtpegress/error.hpp"

namespace smtpegress::dns {

struct UnboundLibrary {
  decltype(&::ub_ctx_create) ctx_create = nullptr;
  decltype(&::ub_ctx_delete) ctx_delete = nullptr;
  decltype(&::ub_ctx_set_option) ctx_set_option = nullptr;
  decltype(&::ub_ctx_set_fwd) ctx_set_fwd = nullptr;
  decltype(&::ub_ctx_add_ta_file) ctx_add_ta_file = nullptr;
  decltype(&::ub_ctx_debugout) ctx_debugout = nullptr;
  decltype(&::ub_ctx_async) ctx_async = nullptr;
  decltype(&::ub_fd) fd = nullptr;
  decltype(&::ub_process) process = nullptr;
  decltype(&::ub_resolve_async) resolve_async = nullptr;
  decltype(&::ub_resolve_free) resolve_free = nullptr;
  decltype(&::ub_strerror) strerror = nullptr;

  /// Stays loaded until the process ends. kUsage where it is not installed.
  static Result<UnboundLibrary> load();
};

}  // namespace smtpegress::dns
