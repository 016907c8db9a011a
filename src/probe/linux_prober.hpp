// The probe on a running Linux: every sender's conversation with every server in a thread of its own.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "smtpegress/probe.hpp"

namespace smtpegress::probe {

/// `progress` is called by probe()'s own thread, with a line that tells what is waited for.
[[nodiscard]] std::unique_ptr<Prober> make_linux_prober(std::function<void(const std::string&)> progress);

}  // namespace smtpegress::probe
